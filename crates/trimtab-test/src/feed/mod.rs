//! From named series to observations: which metric takes which series, and what is seen then.

mod mapping;
mod observe;
mod series;

pub(crate) use mapping::title;
pub use mapping::{Form, Pair, PairError, pair};
pub use observe::{Given, Observer, Replica, ReplicaState};
pub use series::Series;
