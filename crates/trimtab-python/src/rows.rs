//! The room that decisions are written to, again and again.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::decisions::Row;

/// Where rows that nobody reads any more wait for the next decisions: a million take 16 MB, which
/// would be asked of the system, and given back, at every tick.
#[derive(Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Vec<Row>>>);

/// Rows that go back when they are dropped.
pub(crate) struct Rows {
    rows: Vec<Row>,
    spare: Spare,
}

impl Spare {
    /// So many rows, to be written: what is there is of before.
    pub(crate) fn take(&self, count: usize) -> Rows {
        let mut rows = self.swap(Vec::new());
        rows.truncate(count);
        rows.resize(count, Row::default());
        Rows { rows, spare: self.clone() }
    }

    fn swap(&self, rows: Vec<Row>) -> Vec<Row> {
        mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), rows)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        drop(self.spare.swap(mem::take(&mut self.rows)));
    }
}

impl Deref for Rows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        &self.rows
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut [Row] {
        &mut self.rows
    }
}
