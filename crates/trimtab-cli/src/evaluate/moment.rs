//! What load is recorded: series with names, moment by moment.

use trimtab_metric::Timestamp;
use trimtab_test::Series;

use crate::error::CommandError;

/// The series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    /// When.
    pub(super) time: Timestamp,
    /// A value per series; none where it is missing.
    pub(super) values: Vec<Option<f64>>,
    /// How many replicas there were when it was recorded.
    pub(super) recorded: Option<i32>,
}

/// Where moments come from.
pub(super) trait Recorded {
    /// What the file is called.
    fn name(&self) -> &str;

    /// The series, in the order of [`Moment::values`].
    fn series(&self) -> &[Series];

    /// The count at the start, if it was recorded.
    fn first_count(&self) -> Option<i32> {
        None
    }

    /// The next moment, up to which there were `replicas` replicas; nothing at the end.
    fn next(&mut self, replicas: i32) -> Result<Option<Moment>, CommandError>;

    /// What was read so far, in a few words.
    fn extent(&self) -> String;
}
