//! The controller.
mod lease;
mod metrics;

pub use lease::{LeaseSettings, Moment, Moments, SystemMoments};

/// Why the controller could not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The settings can't be used.
    #[error("{0}")]
    Settings(String),
}
