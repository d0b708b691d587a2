//! What is kept in the status over restarts: the engine's state, and a decision that is under way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use trimtab_runtime::Stored;

/// The largest state that a status holds, in bytes. An object in etcd may have 1.5 MB.
pub const MOST_STATE_BYTES: usize = 512 * 1024;

/// A state as text, with a checksum.
///
/// ```
/// use trimtab_engine::State;
/// use trimtab_kube::crd::StoredState;
/// use trimtab_metric::Timestamp;
/// use trimtab_runtime::Stored;
///
/// let stored = Stored { at: Timestamp::from_secs(7), state: State::default(), pending: None };
/// let mut kept = StoredState::encode(&stored)?;
/// assert_eq!(kept.decode()?, stored);
///
/// kept.data = kept.data.replace('7', "8");
/// assert!(kept.decode().is_err());
/// # Ok::<(), trimtab_kube::crd::StateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredState {
    /// The state, as `trimtab run` keeps it in a file.
    pub data: String,
    /// Its CRC-32 as eight hexadecimal digits.
    pub checksum: String,
}

/// Why a state can't be kept, or can't be read again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is larger than a status may be.
    #[error("the state has {0} bytes, and a status holds {MOST_STATE_BYTES} at most")]
    TooLarge(usize),
    /// It can't be written as text.
    #[error("the state can't be written: {0}")]
    Unwritable(serde_json::Error),
    /// Its checksum is another.
    #[error("the state in the status is damaged: its checksum is {found} and should be {said}")]
    Damaged {
        /// What it is.
        found: String,
        /// What it should be.
        said: String,
    },
    /// It is whole, and is no state.
    #[error("the state in the status can't be read: {0}")]
    Unreadable(serde_json::Error),
}

impl StoredState {
    /// A state as it stands in a status.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is too large.
    pub fn encode(stored: &Stored) -> Result<Self, StateError> {
        let data = serde_json::to_string(stored).map_err(StateError::Unwritable)?;
        if data.len() > MOST_STATE_BYTES {
            return Err(StateError::TooLarge(data.len()));
        }
        let checksum = checksum(&data);
        Ok(Self { data, checksum })
    }

    /// The state again.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not what was written.
    pub fn decode(&self) -> Result<Stored, StateError> {
        let found = checksum(&self.data);
        if found != self.checksum {
            return Err(StateError::Damaged { found, said: self.checksum.clone() });
        }
        serde_json::from_str(&self.data).map_err(StateError::Unreadable)
    }
}

fn checksum(data: &str) -> String {
    format!("{:08x}", crc32fast::hash(data.as_bytes()))
}
