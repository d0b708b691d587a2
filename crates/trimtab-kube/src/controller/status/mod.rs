//! What is kept and said of each policy in its `status`: the engine's state, the counts, the conditions.

mod budget;
mod keeper;
mod notices;
mod resource;
mod view;

pub(crate) use keeper::{Entrance, StatusKeeper};
pub(crate) use notices::Notices;
pub(crate) use resource::{Named, StatusApi, StatusError};
pub(crate) use view::{REFUSED, SCALED_BY_OTHER, TOOK_OVER, now};
