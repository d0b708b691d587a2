//! Traces of requests: one row each.

use std::io::{BufRead, Read};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Number;

use crate::WorkloadError;

use super::TraceOptions;
use super::date_time::unix_nanos;
use super::field::{Clock, Place, text};
use super::format::Columns;
use super::source::{Source, csv_error, read_error};

/// A request as a trace has it.
#[derive(Copy, Clone, Debug)]
pub(super) struct Row {
    /// Since the start of the trace, once it is checked.
    pub(super) seconds: f64,
    pub(super) input_tokens: u32,
    pub(super) output_tokens: u32,
}

/// Reads one row after the other, with times as the trace has them.
pub(super) trait ReadRow {
    /// The next row; `None` at the end.
    fn read_row(&mut self) -> Option<Result<Row, WorkloadError>>;

    /// Where the row is that was read last.
    fn place(&self) -> &Place;
}

/// The rows of a trace, checked: in order, with tokens, at least one; and stretched.
pub(super) struct Rows<R> {
    reader: R,
    source: Arc<str>,
    clock: Clock,
    skip_zero_tokens: bool,
    skipped: u64,
    any: bool,
}

impl<R: ReadRow> Rows<R> {
    pub(super) fn new(reader: R, source: &Arc<str>, options: &TraceOptions) -> Self {
        Self {
            reader,
            source: Arc::clone(source),
            clock: Clock::new(options.time_scale),
            skip_zero_tokens: options.skip_zero_tokens,
            skipped: 0,
            any: false,
        }
    }

    /// The rows without tokens that were left out so far.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The row with its time since the start; `None` if it is to be left out.
    fn checked(&mut self, mut row: Row) -> Result<Option<Row>, WorkloadError> {
        let place = self.reader.place();
        row.seconds = self.clock.read(place, row.seconds)?;
        if row.input_tokens > 0 && row.output_tokens > 0 {
            return Ok(Some(row));
        }
        if self.skip_zero_tokens {
            self.skipped += 1;
            return Ok(None);
        }
        let which = if row.input_tokens == 0 { "input" } else { "output" };
        Err(place.error(format!("a request with 0 {which} tokens")).with_help(
            "at least 1; if such rows are failed requests, leave them out by `--skip-zero-tokens`",
        ))
    }
}

impl<R: ReadRow> Iterator for Rows<R> {
    type Item = Result<Row, WorkloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(read) = self.reader.read_row() else {
                if self.any {
                    return None;
                }
                self.any = true;
                let error = WorkloadError::new(Arc::clone(&self.source), "the trace has no rows");
                return Some(Err(error.with_help("at least one request behind the header")));
            };
            self.any = true;
            match read.and_then(|row| self.checked(row)) {
                Ok(None) => {}
                Ok(Some(row)) => return Some(Ok(row)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// How a CSV trace writes the time.
#[derive(Copy, Clone, Debug)]
enum Time {
    Seconds,
    /// Date and time; the first one is subtracted.
    Date {
        first: Option<i64>,
    },
}

/// Requests as CSV.
pub(super) struct CsvRows<R> {
    reader: csv::Reader<R>,
    record: csv::ByteRecord,
    place: Place,
    names: [&'static str; 3],
    columns: [usize; 3],
    time: Time,
}

/// The columns of requests in CSV.
#[derive(Copy, Clone, Debug)]
pub(super) struct CsvLayout {
    names: [&'static str; 3],
    time: Time,
}

impl CsvLayout {
    pub(super) const REQUESTS: Self =
        Self { names: ["timestamp_s", "input_tokens", "output_tokens"], time: Time::Seconds };
    pub(super) const AZURE: Self = Self {
        names: ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
        time: Time::Date { first: None },
    };
    pub(super) const BURST_GPT: Self =
        Self { names: ["Timestamp", "Request tokens", "Response tokens"], time: Time::Seconds };

    /// The rows of a file.
    pub(super) fn read(
        self,
        source: Source,
    ) -> Result<CsvRows<impl Read + Send + use<>>, WorkloadError> {
        let mut header = csv::ByteRecord::new();
        let columns = {
            let mut head = csv::Reader::from_reader(source.head());
            header.clone_from(head.byte_headers().map_err(|e| csv_error(&source.name(), 1, e))?);
            Columns::new(&header).all(&source, self.names)?
        };
        Ok(CsvRows {
            place: Place { source: source.name(), line: Some(1) },
            reader: source.into_csv(),
            record: csv::ByteRecord::new(),
            names: self.names,
            columns,
            time: self.time,
        })
    }
}

impl<R: Read> CsvRows<R> {
    fn parse(&mut self) -> Result<Row, WorkloadError> {
        let [time, input, output] = self.columns.map(|column| self.record.get(column));
        let [time_name, input_name, output_name] = self.names;
        let place = &self.place;
        let field = time.unwrap_or_default();
        let seconds = match &mut self.time {
            Time::Seconds => place.number(time_name, field)?,
            Time::Date { first } => {
                let Some(nanos) = unix_nanos(text(field)) else {
                    return Err(place
                        .not("a date and time", time_name, field)
                        .with_help("such as `2023-11-16 18:15:46.6805900`"));
                };
                (nanos - *first.get_or_insert(nanos)) as f64 / 1e9
            }
        };
        Ok(Row {
            seconds,
            input_tokens: place.tokens(input_name, input.unwrap_or_default())?,
            output_tokens: place.tokens(output_name, output.unwrap_or_default())?,
        })
    }
}

impl<R: Read> ReadRow for CsvRows<R> {
    fn read_row(&mut self) -> Option<Result<Row, WorkloadError>> {
        let read = self.reader.read_byte_record(&mut self.record);
        let at = self.record.position().unwrap_or_else(|| self.reader.position());
        self.place.line = Some(at.line());
        match read {
            Ok(false) => None,
            Ok(true) => Some(self.parse()),
            Err(error) => {
                let line = self.reader.position().line();
                Some(Err(csv_error(&self.place.source, line, error)))
            }
        }
    }

    fn place(&self) -> &Place {
        &self.place
    }
}

/// Requests as lines of JSON, as Mooncake publishes them.
pub(super) struct JsonRows<R> {
    reader: R,
    line: Vec<u8>,
    place: Place,
}

/// A line; it has more, which is of no interest here.
#[derive(Deserialize)]
struct JsonLine {
    timestamp: f64,
    input_length: Number,
    output_length: Number,
}

/// The rows of a file.
pub(super) fn read_json_lines(source: Source) -> JsonRows<impl BufRead + Send + use<>> {
    let place = Place { source: source.name(), line: Some(0) };
    JsonRows { reader: source.into_reader(), line: Vec::new(), place }
}

impl<R> JsonRows<R> {
    fn parse(&self) -> Result<Row, WorkloadError> {
        let place = &self.place;
        let line: JsonLine = serde_json::from_slice(&self.line).map_err(|error| {
            let column = error.column();
            let found = error.to_string();
            let found = found.split(" at line ").next().unwrap_or_default();
            place
                .error(format!("is not a request: {found}, at column {column}"))
                .with_help("a JSON object with `timestamp`, `input_length`, `output_length`")
        })?;
        let tokens =
            |name: &str, number: &Number| place.tokens(name, number.to_string().as_bytes());
        Ok(Row {
            seconds: line.timestamp / 1e3,
            input_tokens: tokens("input_length", &line.input_length)?,
            output_tokens: tokens("output_length", &line.output_length)?,
        })
    }
}

impl<R: BufRead> ReadRow for JsonRows<R> {
    fn read_row(&mut self) -> Option<Result<Row, WorkloadError>> {
        loop {
            self.line.clear();
            self.place.line = self.place.line.map(|line| line + 1);
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => return None,
                Ok(_) if self.line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(self.parse()),
                Err(error) => {
                    return Some(Err(read_error(&self.place.source, self.place.line, &error)));
                }
            }
        }
    }

    fn place(&self) -> &Place {
        &self.place
    }
}
