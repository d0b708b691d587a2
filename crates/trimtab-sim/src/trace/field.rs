//! Numbers of a trace, or what is wrong with them; and its clock.

use std::sync::Arc;

use crate::WorkloadError;

/// From here on, seconds count from 1970: the trace starts with its first row.
const SECONDS_OF_2001: f64 = 1e9;

/// 142 years: a moment has nanoseconds for 292, and the last window may be as long as all before it.
const MAX_SECONDS: f64 = 4.5e9;

/// A file, and the line in it where there are lines.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) source: Arc<str>,
    pub(super) line: Option<u64>,
}

impl Place {
    pub(super) fn error(&self, message: impl Into<String>) -> WorkloadError {
        WorkloadError {
            line: self.line,
            ..WorkloadError::new(Arc::clone(&self.source), message.into())
        }
    }

    /// A finite or infinite number.
    pub(super) fn number(&self, column: &str, field: &[u8]) -> Result<f64, WorkloadError> {
        text(field).parse().map_err(|_| self.not("a number", column, field))
    }

    /// A whole number of tokens; 0 is one.
    pub(super) fn tokens(&self, column: &str, field: &[u8]) -> Result<u32, WorkloadError> {
        let digits = text(field);
        if let Ok(tokens) = digits.parse() {
            return Ok(tokens);
        }
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self
                .error(format!("`{column}` is `{digits}`, which is too many tokens"))
                .with_help(format!("at most {}", u32::MAX)));
        }
        Err(self.not("a number of tokens", column, field).with_help("a whole number, at least 1"))
    }

    /// At least 0 and finite.
    pub(super) fn amount(&self, column: &str, value: f64) -> Result<f64, WorkloadError> {
        if value.is_finite() && value >= 0.0 {
            return Ok(value);
        }
        Err(self
            .error(format!("`{column}` is `{value}`"))
            .with_help("a finite number that is not negative"))
    }

    /// The error that a field is not `what` it has to be.
    pub(super) fn not(&self, what: &str, column: &str, field: &[u8]) -> WorkloadError {
        let shown: String = String::from_utf8_lossy(field).trim().chars().take(40).collect();
        if shown.is_empty() {
            self.error(format!("`{column}` has no value"))
        } else {
            self.error(format!("`{column}` is `{shown}`, which is not {what}"))
        }
    }
}

/// Without the blanks around it; nothing if it is not text.
pub(super) fn text(field: &[u8]) -> &str {
    str::from_utf8(field.trim_ascii()).unwrap_or_default()
}

/// The clock of a trace: never back, 0 at its start, and as fast as asked for.
#[derive(Debug)]
pub(super) struct Clock {
    time_scale: f64,
    start: f64,
    last: Option<f64>,
}

impl Clock {
    pub(super) fn new(time_scale: f64) -> Self {
        Self { time_scale, start: 0.0, last: None }
    }

    /// Seconds since the start of the trace, stretched.
    pub(super) fn read(&mut self, place: &Place, seconds: f64) -> Result<f64, WorkloadError> {
        if !seconds.is_finite() {
            return Err(place
                .error(format!("the timestamp `{seconds}` is not finite"))
                .with_help("seconds since the start of the trace"));
        }
        if let Some(last) = self.last
            && seconds < last
        {
            return Err(place
                .error(format!("the timestamp `{seconds}` is before `{last}`, the one before it"))
                .with_help("sort the trace by time"));
        }
        if seconds < 0.0 {
            return Err(place
                .error(format!("the timestamp `{seconds}` is negative"))
                .with_help("seconds since the start of the trace"));
        }
        if self.last.is_none() && seconds >= SECONDS_OF_2001 {
            self.start = seconds;
        }
        self.last = Some(seconds);
        let since = (seconds - self.start) * self.time_scale;
        if since > MAX_SECONDS {
            return Err(place.error(format!("the timestamp `{seconds}` is too far from the start")));
        }
        Ok(since)
    }
}
