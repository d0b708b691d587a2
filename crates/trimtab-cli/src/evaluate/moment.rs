//! What load is recorded: series with names, moment by moment.

use trimtab_metric::Timestamp;

use crate::error::CommandError;

/// One series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Series {
    /// Its name, without `/replica`.
    pub(super) name: String,
    /// Whether it is what each replica reports, rather than the total over all of them.
    pub(super) per_replica: bool,
}

impl Series {
    /// The series of a column.
    pub(super) fn of_column(column: &str) -> Self {
        match column.strip_suffix("/replica") {
            Some(name) => Self { name: name.to_owned(), per_replica: true },
            None => Self { name: column.to_owned(), per_replica: false },
        }
    }

    /// Its name as a column's.
    pub(super) fn column(&self) -> String {
        if self.per_replica { format!("{}/replica", self.name) } else { self.name.clone() }
    }
}

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
