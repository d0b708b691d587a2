//! States that are gone with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{StateStore, StoreError, Stored};
use crate::WorkloadId;

/// Keeps states in memory: for tests, and where a restart may start its windows anew.
#[derive(Debug, Default)]
pub struct MemoryStore {
    states: Mutex<BTreeMap<WorkloadId, Stored>>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn states(&self) -> std::sync::MutexGuard<'_, BTreeMap<WorkloadId, Stored>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn load(&self, workload: &WorkloadId) -> Result<Option<Stored>, StoreError> {
        Ok(self.states().get(workload).cloned())
    }

    async fn save(&self, workload: &WorkloadId, stored: &Stored) -> Result<(), StoreError> {
        self.states().insert(workload.clone(), stored.clone());
        Ok(())
    }

    async fn remove(&self, workload: &WorkloadId) -> Result<(), StoreError> {
        self.states().remove(workload);
        Ok(())
    }
}
