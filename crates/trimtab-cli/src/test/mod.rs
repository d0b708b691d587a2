//! `trimtab test`: policies against what is expected of them.

pub(crate) mod args;
mod discover;
mod text;

use std::io::Write;
use std::path::{Path, PathBuf};

use trimtab_engine::Policy;
use trimtab_test::{BacktestCase, FileResult, Host, Step, Test, TestFile, TestLimits, run_with};

use crate::Exit;
use crate::error::CommandError;
use crate::process::Process;
use args::{Format, TestArgs};

/// A test file and what came of it.
pub(super) struct Ran {
    /// As it was named.
    pub(super) path: String,
    pub(super) file: TestFile,
    pub(super) result: FileResult,
}

/// What came of all files.
pub(super) struct Outcome {
    pub(super) ran: Vec<Ran>,
    /// Files that could not be used.
    pub(super) refused: Vec<(String, CommandError)>,
}

pub(crate) fn run(
    args: &TestArgs,
    _process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let outcome = outcome(args)?;
    for (_, error) in &outcome.refused {
        error.show(err)?;
    }
    match args.format {
        Format::Text => text::write(&outcome, args, out)?,
        _ => {}
    }
    Ok(exit(&outcome, args))
}

fn exit(outcome: &Outcome, args: &TestArgs) -> Exit {
    let failed = outcome.ran.iter().any(|ran| !ran.result.passed());
    let none = args.require_tests && outcome.ran.iter().all(|ran| ran.result.tests.is_empty());
    match (outcome.refused.is_empty(), failed || none) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::No,
        (true, false) => Exit::Done,
    }
}

fn outcome(args: &TestArgs) -> Result<Outcome, CommandError> {
    let mut outcome = Outcome { ran: Vec::new(), refused: Vec::new() };
    for path in discover::find(&args.files)? {
        let name = path.display().to_string();
        let mut read: Vec<PathBuf> = Vec::new();
        match discover::load(&path, &mut read) {
            Ok(file) => {
                let mut host = CommandHost { args, path: &path, name: &name };
                let result = run_with(&file, &mut host, &TestLimits::default());
                outcome.ran.push(Ran { path: name, file, result });
            }
            Err(error) => outcome.refused.push((name, error)),
        }
    }
    Ok(outcome)
}

/// What the command adds to the runner.
struct CommandHost<'a> {
    args: &'a TestArgs,
    path: &'a Path,
    name: &'a str,
}

impl Host for CommandHost<'_> {
    fn backtest(&mut self, _: &Policy, _: &BacktestCase) -> Option<Result<Vec<f64>, String>> {
        let _ = self.path;
        None
    }

    fn see(&mut self, _: &Policy, _: Step<'_>) {}

    fn wants(&mut self, test: &Test) -> bool {
        let id = format!("{}::{}", self.name, test.name);
        self.args.run.as_ref().is_none_or(|regex| regex.is_match(&id))
    }
}

/// Reads a test file and the policies that it names.
pub(crate) fn load_file(path: &Path) -> Result<TestFile, CommandError> {
    discover::load(path, &mut Vec::new())
}
