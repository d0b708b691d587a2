//! Which format a trace has, by how it begins.

use core::fmt;
use std::sync::Arc;

use crate::WorkloadError;

use super::source::Source;

/// The formats of traces.
///
/// | format | begins with | one row is |
/// |---|---|---|
/// | `Requests` | CSV header with `timestamp_s`, `input_tokens`, `output_tokens` | a request; the time in seconds |
/// | `Rates` | CSV header with `window_start_s` and `rate_rps`, `requests`, `mentions` or `generative_qps` | a window; requests per second, or a count (`requests`, `mentions`) |
/// | `Azure` | CSV header with `TIMESTAMP`, `ContextTokens`, `GeneratedTokens` | a request; date and time |
/// | `BurstGpt` | CSV header with `Timestamp`, `Request tokens`, `Response tokens` | a request; the time in seconds |
/// | `Mooncake` | a JSON object with `timestamp`, `input_length`, `output_length` | a request; the time in milliseconds |
/// | `Prometheus` | a range query's answer, a matrix | a requests-per-second sample; series are added up |
///
/// The columns may be in any order, and further ones are ignored. The times of `Azure` and
/// `Prometheus` count from the first row, and so do times that are seconds since 1970; others count
/// from 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    /// Requests as CSV.
    Requests,
    /// A rate as CSV.
    Rates,
    /// The Azure LLM inference traces.
    Azure,
    /// The BurstGPT traces.
    BurstGpt,
    /// The Mooncake traces.
    Mooncake,
    /// The answer of Prometheus to a range query.
    Prometheus,
}

impl TraceFormat {
    /// All of them.
    const ALL: [Self; 6] = [
        Self::Requests,
        Self::Rates,
        Self::Azure,
        Self::BurstGpt,
        Self::Mooncake,
        Self::Prometheus,
    ];

    /// What a file of this format must have.
    const fn needs(self) -> &'static str {
        match self {
            Self::Requests => "columns `timestamp_s`, `input_tokens`, `output_tokens`",
            Self::Rates => {
                "columns `window_start_s` and one of `rate_rps`, `requests`, `mentions`, `generative_qps`"
            }
            Self::Azure => "columns `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`",
            Self::BurstGpt => "columns `Timestamp`, `Request tokens`, `Response tokens`",
            Self::Mooncake => "lines of JSON with `timestamp`, `input_length`, `output_length`",
            Self::Prometheus => "the JSON answer, with `resultType` `matrix`",
        }
    }

    /// The format of what begins like this.
    pub(super) fn detect(source: &Arc<str>, head: &[u8]) -> Result<Self, WorkloadError> {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start();
        if text.is_empty() {
            return Err(WorkloadError::new(Arc::clone(source), "the trace is empty")
                .with_help(help_for_all()));
        }
        if text.starts_with('{') {
            return json_format(text).ok_or_else(|| unknown(source, "JSON"));
        }
        let header = text.lines().next().unwrap_or_default();
        let has = |name: &str| header.split(',').any(|column| tidy(column) == name);
        [
            ("timestamp_s", Self::Requests),
            ("window_start_s", Self::Rates),
            ("TIMESTAMP", Self::Azure),
            ("Timestamp", Self::BurstGpt),
        ]
        .into_iter()
        .find_map(|(name, format)| has(name).then_some(format))
        .ok_or_else(|| {
            unknown(source, &format!("`{}`", header.chars().take(80).collect::<String>()))
        })
    }
}

impl fmt::Display for TraceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requests => "request CSV",
            Self::Rates => "rate CSV",
            Self::Azure => "Azure LLM inference trace",
            Self::BurstGpt => "BurstGPT trace",
            Self::Mooncake => "Mooncake trace",
            Self::Prometheus => "Prometheus range query",
        })
    }
}

/// The columns of a CSV file.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
}

impl Columns {
    pub(super) fn new(header: &csv::ByteRecord) -> Self {
        let names = header.iter().map(|name| tidy(&String::from_utf8_lossy(name)).to_owned());
        Self { names: names.collect() }
    }

    /// Where this column is.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|found| found == name)
    }

    /// Where these columns are, all of them.
    pub(super) fn all<const N: usize>(
        &self,
        source: &Source,
        names: [&str; N],
    ) -> Result<[usize; N], WorkloadError> {
        let missing: Vec<&str> =
            names.iter().copied().filter(|name| self.find(name).is_none()).collect();
        if missing.is_empty() {
            return Ok(names.map(|name| self.find(name).unwrap_or_default()));
        }
        Err(self.missing(source, &missing, ", "))
    }

    /// The error that these columns are not there.
    pub(super) fn missing(&self, source: &Source, names: &[&str], or: &str) -> WorkloadError {
        let quoted = |names: &[&str], between: &str| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
        };
        let found: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let columns = if names.len() == 1 { "column" } else { "columns" };
        let message =
            format!("no {columns} {}; there are {}", quoted(names, or), quoted(&found, ", "));
        WorkloadError::new(source.name(), message).at_line(1).with_help(help_for_all())
    }
}

fn tidy(column: &str) -> &str {
    column.trim().trim_matches('"').trim()
}

fn json_format(head: &str) -> Option<TraceFormat> {
    let has = |key: &str| head.contains(key);
    if has("\"resultType\"") || has("\"status\"") {
        Some(TraceFormat::Prometheus)
    } else if has("\"timestamp\"") || has("\"input_length\"") || has("\"output_length\"") {
        Some(TraceFormat::Mooncake)
    } else {
        None
    }
}

fn unknown(source: &Arc<str>, found: &str) -> WorkloadError {
    WorkloadError::new(Arc::clone(source), format!("not a known format of traces: {found}"))
        .at_line(1)
        .with_help(help_for_all())
}

fn help_for_all() -> String {
    let known: Vec<String> =
        TraceFormat::ALL.iter().map(|format| format!("{format}: {}", format.needs())).collect();
    known.join("\n")
}
