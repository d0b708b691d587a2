//! The port through which a workload's state outlives the process.

mod file;
mod memory;

pub use file::FileStore;
pub use memory::MemoryStore;

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use trimtab_engine::{Decision, State};
use trimtab_metric::Timestamp;

use crate::WorkloadId;

/// Where states are kept.
///
/// # How to write one
///
/// - [`save`](StateStore::save) returns when what it saved is safe, or fails and leaves what was there before. There is
///   at most one call at a time for a workload.
/// - [`load`](StateStore::load) returns what was saved last. What can't be read is an error and never a fresh
///   state: the loop says so, and starts the workload as one without history, which does not scale down within
///   its window.
/// - A store that many write, such as a Kubernetes object, has to refuse a writer that is no longer the leader.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// What was saved last for a workload, if anything was.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it can't be said, or what was saved is damaged.
    async fn load(&self, workload: &WorkloadId) -> Result<Option<Stored>, StoreError>;

    /// Saves it in place of what was there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it could not be saved; what was there before still is.
    async fn save(&self, workload: &WorkloadId, stored: &Stored) -> Result<(), StoreError>;

    /// Forgets a workload.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it could not be done.
    async fn remove(&self, workload: &WorkloadId) -> Result<(), StoreError>;
}

/// What is kept of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stored {
    /// The time of the last observation.
    pub at: Timestamp,
    /// What the last decision left.
    pub state: State,
    /// A decision that was about to be carried out. If the process ended then, the count tells whether it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Box<Decision>>,
}

/// Why a state could not be loaded or saved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system does not let us.
    #[error("can't {what} `{}`: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// What was saved is damaged, and so is what was saved before it.
    #[error(
        "the state in `{}` is damaged: {reason}. It was left there; move it away to start without \
         history",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another kind of store failed.
    #[error("{0}")]
    Other(String),
}
