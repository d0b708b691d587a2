//! The rows of a CSV file with a time column, one at a time, each with its place.

use std::io::{self, BufRead, Read};

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};
use trimtab_metric::Timestamp;

use crate::error::CommandError;
use crate::input::Input;

/// What a time column may be called.
const TIME: [&str; 4] = ["time", "timestamp", "timestamp_s", "t"];

/// The longest row, in bytes.
const LONGEST_ROW: u64 = 1 << 20;

/// The last second of the year 9999; what lies behind it is no number of seconds.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Rows in the order of their times.
pub(super) struct Rows {
    name: String,
    reader: Reader<Metered>,
    row: StringRecord,
    columns: Vec<String>,
    time: usize,
    line: u64,
    seconds: f64,
}

impl Rows {
    /// Opens a CSV file and reads its header.
    pub(super) fn open(input: Input) -> Result<Self, CommandError> {
        let metered = Metered { inner: input.reader, left: LONGEST_ROW };
        let mut reader = ReaderBuilder::new().trim(csv::Trim::All).from_reader(metered);
        let name = input.name;
        let header = reader.headers().map_err(|error| explain(&name, error))?.clone();
        let columns: Vec<String> =
            header.iter().map(|cell| cell.trim_start_matches('\u{feff}').to_owned()).collect();
        if columns.iter().all(String::is_empty) {
            return Err(CommandError::in_file(&name, "the file is empty")
                .with_help("the first line names the columns, such as `time,requests_waiting`"));
        }
        for (index, column) in columns.iter().enumerate() {
            if columns.iter().take(index).any(|other| other == column) {
                let message = format!("there are two columns `{column}`");
                return Err(CommandError::at(&name, 1, message));
            }
        }
        let Some(time) = columns.iter().position(|column| TIME.contains(&column.as_str())) else {
            let message = format!("there is no column of times; there is {}", list(&columns));
            return Err(CommandError::at(&name, 1, message)
                .with_help("call it `time`, `timestamp`, `timestamp_s` or `t`"));
        };
        Ok(Self { name, reader, row: StringRecord::new(), columns, time, line: 1, seconds: 0.0 })
    }

    /// What the file is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The columns' names, that of the times among them.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Which column has the times.
    pub(super) fn time_column(&self) -> usize {
        self.time
    }

    /// Goes on to the next row and gives its time in seconds; nothing at the end.
    pub(super) fn advance(&mut self) -> Result<Option<f64>, CommandError> {
        self.reader.get_mut().left = LONGEST_ROW;
        let more = self.reader.read_record(&mut self.row);
        if !more.map_err(|error| explain(&self.name, error))? {
            return Ok(None);
        }
        self.line = self.row.position().map_or(self.line, csv::Position::line);
        let seconds = time(self.cell(self.time)).map_err(|message| self.wrong(message))?;
        if seconds < self.seconds {
            let message =
                format!("time {seconds} stands behind time {}, which is later", self.seconds);
            return Err(self.wrong(message).with_help("sort the rows by time"));
        }
        self.seconds = seconds;
        Ok(Some(seconds))
    }

    /// A cell of the present row.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.row.get(column).unwrap_or_default()
    }

    /// An error at the present row.
    pub(super) fn wrong(&self, message: impl Into<String>) -> CommandError {
        CommandError::at(&self.name, self.line, message)
    }
}

/// Names in backticks.
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    quoted.join(", ")
}

/// A time: seconds, or as RFC 3339 has it.
fn time(text: &str) -> Result<f64, String> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => text
            .parse::<Timestamp>()
            .map(|time| time.as_millis() as f64 / 1000.0)
            .map_err(|error| error.to_string())?,
    };
    match seconds {
        seconds if seconds.is_nan() => Err(format!("time `{text}` is not a number")),
        seconds if seconds < 0.0 => Err(format!("time `{text}` is negative")),
        seconds if seconds > LAST_SECOND => {
            Err(format!("time `{text}` is beyond the year 9999: times are in seconds"))
        }
        seconds => Ok(seconds),
    }
}

fn explain(name: &str, error: csv::Error) -> CommandError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(error) => CommandError::Read { file: name.to_owned(), error },
        ErrorKind::Utf8 { .. } => CommandError::at(name, line, "the row is not UTF-8"),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("the row has {len} cells, and the header has {expected_len}");
            CommandError::at(name, line, message)
                .with_help("leave the cell of a missing reading empty")
        }
        other => CommandError::at(name, line, format!("the row can't be read: {other:?}")),
    }
}

/// A reader that gives up on a row without end.
struct Metered {
    inner: Box<dyn BufRead>,
    left: u64,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let message = format!("it has a row of more than {LONGEST_ROW} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let read = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        assert_eq!(time("4.315"), Ok(4.315));
        assert_eq!(time("1970-01-01T00:01:00Z"), Ok(60.0));
        for (text, part) in [
            ("NaN", "not a number"),
            ("-1", "negative"),
            ("1700000000000", "in seconds"),
            ("inf", "in seconds"),
            ("soon", "not a time"),
        ] {
            assert!(time(text).unwrap_err().contains(part), "{text}");
        }
    }
}
