//! `trimtab replay`: the decisions of a log, made again and compared.

mod chain;
mod difference;

use std::collections::BTreeMap;
use std::io::{self, Write};

use trimtab_engine::{DecisionRecord, Digest, LogEntry, Policy};

use crate::Exit;
use crate::args::ReplayArgs;
use crate::error::CommandError;
use crate::input::Input;
use chain::Chains;
use difference::{Difference, difference};

/// The longest line, in bytes.
const LONGEST_LINE: u64 = 64 << 20;

pub(crate) fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let mut log = Log::open(Input::open(&args.log)?);
    let mut replay = Replay::default();
    while let Some(entry) = log.next(&replay)? {
        let record = match entry {
            LogEntry::Policy(spec) => {
                let policy = Policy::from_stored(spec);
                replay.policies.insert(policy.digest(), policy);
                continue;
            }
            LogEntry::Decision(record) => record,
        };
        if let Some(difference) = replay.decide(&record, &log)? {
            writeln!(out, "line {}: the decision differs", log.line)?;
            write!(out, "{difference}")?;
            writeln!(out, "{} before it are the same", decisions(replay.same))?;
            return Ok(Exit::No);
        }
    }
    if log.line == 0 {
        return Err(CommandError::in_file(log.name(), "the log is empty"));
    }
    let policies = match replay.policies.len() {
        1 => String::from("1 policy"),
        count => format!("{count} policies"),
    };
    writeln!(out, "{} by {policies}: all the same", decisions(replay.same))?;
    replay.chains.write_notes(out)?;
    Ok(Exit::Done)
}

/// What was replayed so far.
#[derive(Default)]
struct Replay {
    policies: BTreeMap<Digest, Policy>,
    chains: Chains,
    same: u64,
}

impl Replay {
    /// Makes a decision again; the first difference, if there is one.
    fn decide(
        &mut self,
        record: &DecisionRecord,
        log: &Log,
    ) -> Result<Option<Difference>, CommandError> {
        let Some(policy) = self.policies.get(&record.policy) else {
            let message = format!("there is no policy `{}` before this decision", record.policy);
            return Err(log
                .wrong(message)
                .with_help("a log has its policies before their decisions"));
        };
        let again = record.again(policy).map_err(|error| log.wrong(error.to_string()))?;
        if again != *record {
            let recorded = serde_json::to_value(record)?;
            return Ok(Some(difference(&recorded, &serde_json::to_value(&again)?)));
        }
        self.chains.take(log.line, &record.before, record.after);
        self.same += 1;
        Ok(None)
    }
}

fn decisions(count: u64) -> String {
    if count == 1 { String::from("1 decision") } else { format!("{count} decisions") }
}

/// A log, line by line.
struct Log {
    input: Input,
    buffer: Vec<u8>,
    /// The present line, from 1; 0 before the first.
    line: u64,
    /// Where the present line starts, in bytes of the unpacked log.
    start: u64,
    /// Where the next one does.
    end: u64,
}

impl Log {
    fn open(input: Input) -> Self {
        Self { input, buffer: Vec::new(), line: 0, start: 0, end: 0 }
    }

    fn name(&self) -> &str {
        &self.input.name
    }

    fn next(&mut self, replay: &Replay) -> Result<Option<LogEntry>, CommandError> {
        loop {
            let read = self.input.read_line(&mut self.buffer, LONGEST_LINE);
            self.start = self.end;
            self.end += self.buffer.len() as u64;
            match read {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.line += 1;
                    return Err(self.cut(replay));
                }
                Err(error) => return Err(self.input.unreadable(error)),
            }
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        match serde_json::from_slice(&self.buffer) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.is_eof() && !self.buffer.ends_with(b"\n") => Err(self.cut(replay)),
            Err(error) => {
                let message = format!("the line is not an entry of a decision log: {error}");
                Err(self
                    .wrong(message)
                    .with_help("an entry is `{\"policy\": …}` or `{\"decision\": …}`"))
            }
        }
    }

    /// The log ends in the middle of the present line.
    fn cut(&self, replay: &Replay) -> CommandError {
        let message = format!(
            "the log is cut off in the middle of line {}, which starts at byte {} and ends at {}",
            self.line, self.start, self.end
        );
        let verified = decisions(replay.same);
        self.wrong(message)
            .with_help(format!("up to there, {verified} were replayed: all the same"))
    }

    fn wrong(&self, message: impl Into<String>) -> CommandError {
        CommandError::at(&self.input.name, self.line, message)
    }
}
