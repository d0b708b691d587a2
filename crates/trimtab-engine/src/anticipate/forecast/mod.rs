//! A forecast of one load: models, and the choice between them.

mod forecaster;
mod models;

pub use forecaster::IgnoredReason;

pub(crate) use forecaster::Forecaster;
