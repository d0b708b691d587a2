//! Recorded series: a CSV file with a column of times and a column per series.

use trimtab_metric::{Span, Timestamp};
use trimtab_test::Series;

use super::moment::{Moment, Recorded};
use super::rows::Rows;
use crate::error::CommandError;

/// The column that holds the recorded count.
const REPLICAS: &str = "replicas";

/// The rows of a file, seen every sync period.
pub(super) struct Table {
    rows: Rows,
    series: Vec<Series>,
    /// The column of each series.
    columns: Vec<usize>,
    replicas: Option<usize>,
    sync: Span,
    scale: f64,
    /// When to look next.
    tick: Timestamp,
    /// The last row at or before `tick`, and the one after it.
    present: Moment,
    following: Option<Moment>,
    read: u64,
}

impl Table {
    pub(super) fn open(rows: Rows, sync: Span, scale: f64) -> Result<Self, CommandError> {
        let replicas = rows.columns().iter().position(|column| column == REPLICAS);
        let columns: Vec<usize> = (0..rows.columns().len())
            .filter(|column| *column != rows.time_column() && Some(*column) != replicas)
            .collect();
        let named = columns.iter().filter_map(|column| rows.columns().get(*column));
        let series: Vec<Series> = named.map(|column| Series::of_column(column)).collect();
        if series.is_empty() {
            return Err(CommandError::at(rows.name(), 1, "there is no series beside the times"));
        }
        let empty = Moment { time: Timestamp::UNIX_EPOCH, values: Vec::new(), recorded: None };
        let mut table = Self {
            rows,
            series,
            columns,
            replicas,
            sync,
            scale,
            tick: Timestamp::UNIX_EPOCH,
            present: empty,
            following: None,
            read: 0,
        };
        let Some(first) = table.read_row()? else {
            return Err(CommandError::in_file(table.rows.name(), "the series has no rows")
                .with_help("a row has a time and a value per series, such as `0,12`"));
        };
        table.tick = first.time;
        table.present = first;
        table.following = table.read_row()?;
        Ok(table)
    }

    fn read_row(&mut self) -> Result<Option<Moment>, CommandError> {
        let Some(seconds) = self.rows.advance()? else {
            return Ok(None);
        };
        self.read += 1;
        let time = Timestamp::from_secs_f64(seconds).unwrap_or(Timestamp::MAX);
        let mut values = Vec::with_capacity(self.columns.len());
        for (column, series) in self.columns.iter().zip(&self.series) {
            let value = value(self.rows.cell(*column)).map_err(|message| {
                let column = series.column();
                self.rows
                    .wrong(format!("column `{column}`: {message}"))
                    .with_help("leave the cell of a missing reading empty")
            })?;
            let scale = if series.per_replica { 1.0 } else { self.scale };
            values.push(value.map(|value| value * scale));
        }
        let recorded = match self.replicas.map(|column| self.rows.cell(column)) {
            None | Some("") => None,
            Some(text) => {
                let count = text.parse::<i32>().ok().filter(|count| *count >= 0);
                Some(count.ok_or_else(|| {
                    let message = format!("column `{REPLICAS}`: `{text}` is not a count");
                    self.rows.wrong(message)
                })?)
            }
        };
        Ok(Some(Moment { time, values, recorded }))
    }
}

impl Recorded for Table {
    fn name(&self) -> &str {
        self.rows.name()
    }

    fn series(&self) -> &[Series] {
        &self.series
    }

    fn first_count(&self) -> Option<i32> {
        self.present.recorded
    }

    fn next(&mut self, _: i32) -> Result<Option<Moment>, CommandError> {
        while let Some(next) = self.following.take_if(|next| next.time <= self.tick) {
            self.present = next;
            self.following = self.read_row()?;
        }
        if self.following.is_none() && self.present.time < self.tick {
            return Ok(None);
        }
        let seen = Moment { time: self.tick, ..self.present.clone() };
        self.tick = self.tick.saturating_add(self.sync);
        Ok(Some(seen))
    }

    fn extent(&self) -> String {
        format!("{} rows", self.read)
    }
}

/// A reading; nothing where the cell is empty.
fn value(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Some(value)),
        Ok(_) => Err(format!("`{text}` is not a finite number")),
        Err(_) => Err(format!("`{text}` is not a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cell_is_missing_and_nan_is_a_mistake() {
        assert_eq!(value(""), Ok(None));
        assert_eq!(value("0.5"), Ok(Some(0.5)));
        assert!(value("NaN").is_err() && value("inf").is_err() && value("five").is_err());
    }
}
