//! What is kept and said of each policy in its `status`: the engine's state, the counts, the conditions.

mod budget;
mod keeper;
mod resource;
mod view;

pub(crate) use keeper::{Entrance, StatusKeeper};
pub(crate) use resource::{Named, StatusApi, StatusError};
pub(crate) use view::now;
