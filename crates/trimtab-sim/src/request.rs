//! What arrives: requests in the order of their arrival.

use std::sync::Arc;

use thiserror::Error;

use crate::Moment;

/// One request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it arrives.
    pub arrival: Moment,
    /// Tokens of its prompt, at least 1.
    pub input_tokens: u32,
    /// Tokens that it asks for, at least 1.
    pub output_tokens: u32,
}

impl Request {
    /// Seconds per token after the first, for a request with this first and last token; `None` for
    /// one with a single token.
    pub fn time_per_output_token(&self, first: Moment, last: Moment) -> Option<f64> {
        let gaps = self.output_tokens.checked_sub(1).filter(|gaps| *gaps > 0)?;
        Some(last.seconds_since(first) / f64::from(gaps))
    }
}

/// Requests in the order of their arrival, or what is wrong with them.
pub type Requests = Box<dyn Iterator<Item = Result<Request, WorkloadError>> + Send>;

/// Something that requests come from, again and again the same: a trace or a generator.
///
/// It streams; nobody holds all requests at once.
pub trait Workload: Send + Sync {
    /// What to call it.
    fn name(&self) -> &str;

    /// The requests from the first on. Their arrivals never go back, and they have tokens.
    ///
    /// # Errors
    ///
    /// [`WorkloadError`] when the source can't be opened; later errors come through the iterator.
    fn requests(&self) -> Result<Requests, WorkloadError>;
}

/// What is wrong with a workload, and where.
#[derive(Clone, Debug, Error)]
#[error("{source_name}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct WorkloadError {
    /// The file or the scenario.
    pub source_name: Arc<str>,
    /// The line of the file, counted from 1.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl WorkloadError {
    /// An error about the source as a whole.
    pub fn new(source_name: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self { source_name: source_name.into(), line: None, message: message.into(), help: None }
    }

    /// At this line.
    pub fn at_line(self, line: u64) -> Self {
        Self { line: Some(line), ..self }
    }

    /// With what would be right.
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
