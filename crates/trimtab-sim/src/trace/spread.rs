//! Requests that share a tick of a slow clock, spread over it.

use crate::WorkloadError;

use super::request_rows::Row;

/// Rows with one timestamp, spread evenly up to the next timestamp; the last ones as far as those
/// before them.
pub(super) struct Spread<I> {
    rows: I,
    tick: Vec<Row>,
    /// The next one of `tick`.
    at: usize,
    /// From this timestamp to the next.
    seconds: f64,
    /// What comes behind `tick`.
    behind: Option<Result<Row, WorkloadError>>,
}

impl<I: Iterator<Item = Result<Row, WorkloadError>>> Spread<I> {
    pub(super) fn new(rows: I) -> Self {
        Self { rows, tick: Vec::new(), at: 0, seconds: 0.0, behind: None }
    }

    /// Reads the next tick.
    fn read_tick(&mut self) -> Option<Result<(), WorkloadError>> {
        let first = match self.behind.take().or_else(|| self.rows.next())? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        self.at = 0;
        self.tick.clear();
        self.tick.push(first);
        loop {
            self.behind = self.rows.next();
            match &self.behind {
                Some(Ok(row)) if row.seconds <= first.seconds => self.tick.push(*row),
                Some(Ok(row)) => {
                    self.seconds = row.seconds - first.seconds;
                    return Some(Ok(()));
                }
                Some(Err(_)) | None => return Some(Ok(())),
            }
        }
    }
}

impl<I: Iterator<Item = Result<Row, WorkloadError>>> Iterator for Spread<I> {
    type Item = Result<Row, WorkloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.tick.get(self.at) {
                let share = self.at as f64 / self.tick.len() as f64;
                self.at += 1;
                return Some(Ok(Row { seconds: row.seconds + self.seconds * share, ..*row }));
            }
            if let Err(error) = self.read_tick()? {
                return Some(Err(error));
            }
        }
    }
}
