//! One vector: reading it, comparing with it, and the first difference.

use std::fmt::{self, Debug, Display};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use trimtab_engine::{DecisionRecord, LogEntry, ObservationRecord, Policy, ScaleUpdate, State};

/// What came of one vector.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) mismatch: Option<Mismatch>,
    pub(super) platform_defined: bool,
}

/// The first field that differs.
#[derive(Debug)]
pub(super) struct Mismatch {
    field: String,
    expected: String,
    got: String,
}

/// Compares field by field and keeps the first difference.
#[derive(Default)]
pub(super) struct Checks {
    mismatch: Option<Mismatch>,
    platform_defined: bool,
    /// The decisions that were made, if they are asked for.
    log: Option<Vec<LogEntry>>,
}

impl Checks {
    /// Checks that keep the decisions that are made.
    pub(super) fn logging(wanted: bool) -> Self {
        Self { log: wanted.then(Vec::new), ..Self::default() }
    }

    /// Keeps a decision as a log has it, if it is asked for: made again from its record.
    pub(super) fn log(
        &mut self,
        policy: &Policy,
        before: &State,
        observation: &ObservationRecord,
        update: Option<ScaleUpdate>,
    ) -> Result<(), String> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let (mut record, state) =
            DecisionRecord::decide(policy, before.clone(), observation.clone())
                .map_err(|error| error.to_string())?;
        if let Some(update) = update {
            record.settle(policy, state, update);
        }
        log.push(LogEntry::Policy(policy.spec().clone()));
        log.push(LogEntry::Decision(record));
        Ok(())
    }

    /// The decisions that were kept.
    pub(super) fn take_log(&mut self) -> Vec<LogEntry> {
        self.log.take().unwrap_or_default()
    }

    /// Compares one field.
    pub(super) fn equal<T: PartialEq + Debug>(
        &mut self,
        field: impl Display,
        expected: &T,
        got: &T,
    ) {
        if self.mismatch.is_none() && expected != got {
            self.mismatch = Some(Mismatch {
                field: field.to_string(),
                expected: format!("{expected:?}"),
                got: format!("{got:?}"),
            });
        }
    }

    /// Notes that the vector holds a value that the recorded platform defined.
    pub(super) fn note_platform_defined(&mut self) {
        self.platform_defined = true;
    }

    pub(super) fn verdict(self) -> Verdict {
        Verdict { mismatch: self.mismatch, platform_defined: self.platform_defined }
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.field, self.expected, self.got)
    }
}

/// Reads a vector's line as its family's form.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// An amount in thousandths, written as a decimal string.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Milli(pub(super) i64);

impl TryFrom<String> for Milli {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| format!("`{text}` is not an amount: {error}"))
    }
}
