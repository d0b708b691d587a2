//! Recorded observations: one a line, as JSON.

use trimtab_engine::ObservationRecord;
use trimtab_metric::Timestamp;

use crate::error::CommandError;
use crate::input::Input;

/// The longest line, in bytes.
const LONGEST_LINE: u64 = 16 << 20;

/// The lines of a file.
pub(super) struct Observations {
    input: Input,
    buffer: Vec<u8>,
    line: u64,
    last: Timestamp,
    read: u64,
}

impl Observations {
    pub(super) fn open(input: Input) -> Self {
        Self { input, buffer: Vec::new(), line: 0, last: Timestamp::MIN, read: 0 }
    }

    /// What the file is called.
    pub(super) fn name(&self) -> &str {
        &self.input.name
    }

    /// How many were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// The next observation; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<ObservationRecord>, CommandError> {
        loop {
            self.input
                .read_line(&mut self.buffer, LONGEST_LINE)
                .map_err(|error| self.input.unreadable(error))?;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let record: ObservationRecord = serde_json::from_slice(&self.buffer)
            .map_err(|error| self.wrong(format!("the line is not an observation: {error}")))?;
        if record.time < self.last {
            let message =
                format!("time {} stands behind time {}, which is later", record.time, self.last);
            return Err(self.wrong(message).with_help("sort the lines by time"));
        }
        self.last = record.time;
        self.read += 1;
        Ok(Some(record))
    }

    /// An error at the present line.
    pub(super) fn wrong(&self, message: String) -> CommandError {
        CommandError::at(&self.input.name, self.line, message)
    }
}
