//! `trimtab test`: policies against what is expected of them.

pub(crate) mod args;
mod backtest;
mod covered;
mod discover;
mod github;
mod json;
mod junit;
mod rewrite;
mod suites;
mod tap;
mod text;
mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use trimtab_engine::Policy;
use trimtab_test::{BacktestCase, TestFile};

use crate::Exit;
use crate::error::CommandError;
use crate::process::{Interrupt, Process};
use args::{Format, TestArgs};
use suites::Outcome;

pub(crate) fn run(
    args: &TestArgs,
    process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let interrupt = process.note_interrupt();
    if args.watch {
        return watch::run(args, &interrupt, out, err);
    }
    Ok(once(args, &interrupt, out, err)?.0)
}

/// Runs all tests once; also gives the files that they were read from.
fn once(
    args: &TestArgs,
    interrupt: &Interrupt,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(Exit, Vec<PathBuf>), CommandError> {
    let mut outcome = suites::run(args, interrupt)?;
    for (_, error) in &outcome.refused {
        error.show(err)?;
    }
    if args.bless {
        rewrite::bless(&mut outcome, args, interrupt, err)?;
    }
    match args.format {
        Format::Text => text::write(&outcome, args, out)?,
        Format::Json => json::write(&outcome, args, out)?,
        Format::Junit => junit::write(&outcome, args, out)?,
        Format::Tap => tap::write(&outcome, args, out)?,
        Format::Github => github::write(&outcome, args, out)?,
    }
    if interrupt.is_noted() {
        return Err(CommandError::Interrupted);
    }
    Ok((exit(&outcome, args), outcome.read))
}

fn exit(outcome: &Outcome, args: &TestArgs) -> Exit {
    let none = args.require_tests && outcome.tests().next().is_none();
    let covered = args.coverage_min.is_none_or(|least| outcome.covered.least() >= least);
    if !outcome.refused.is_empty() {
        Exit::Refused
    } else if outcome.failed() > 0 || none || !covered {
        Exit::No
    } else if args.deny_warnings && outcome.warnings().next().is_some() {
        Exit::Warned
    } else {
        Exit::Done
    }
}

/// Runs a backtest of a policy test as `trimtab test` does, and gives the figures that it asks for, in its
/// order. It ends early once `stop` is set.
///
/// # Errors
///
/// Why it can't be run, for people.
pub fn backtest_case(
    test_file: &Path,
    policy: &Policy,
    case: &BacktestCase,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<f64>, String> {
    let interrupt = Interrupt::by(Arc::clone(stop));
    backtest::Backtester { test_file, interrupt: &interrupt }.run(policy, case)
}

/// Reads a test file and the policies that it names.
pub(crate) fn load_file(path: &Path) -> Result<TestFile, CommandError> {
    discover::load(path, &mut Vec::new())
}
