//! `trimtab backtest`: policies on loads, closed loop, by simulation.

pub(crate) mod args;
pub(crate) mod entrants;
pub(crate) mod failure;
pub(crate) mod output;
mod profile;
pub(crate) mod progress;
pub(crate) mod setting;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use trimtab_engine::LogEntry;
use trimtab_sim::{Backtest, BacktestError, Candidate, Plan, SimulationError};

use crate::Exit;
use crate::error::CommandError;
use crate::input::stdin_once;
use crate::process::{Interrupt, Process};
use crate::replace_file::FileToBe;
use args::{BacktestArgs, SettingArgs};
use entrants::{Binder, Entrant};
use failure::backtest_error;
use output::Files;
use progress::Bar;

pub(crate) fn run(
    args: &BacktestArgs,
    process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let interrupt = process.note_interrupt();
    one_from_stdin(&args.policies, &args.setting)?;
    let entrants = entrants::read(&args.policies, &args.names)?;
    let (mut plan, notes) = setting::read(&args.setting, &interrupt)?;
    plan.candidates = candidates(&entrants, &args.setting)?;
    plan.details.extend(metric_details(&plan.candidates));
    let mut files = Files::prepare(&args.output, plan.workloads.len() * plan.sites.len())?;
    let log = args.log.as_deref().map(|path| files.create("--log", path)).transpose()?;
    plan.timelines = true;
    tell(&notes, err)?;

    let backtest = {
        let bar = Bar::new(process, &interrupt);
        plan.run(jobs(&args.setting), &bar).map_err(|error| backtest_error(error, &interrupt))?
    };
    let log = log.map(|log| write_log(&plan, log, &interrupt)).transpose()?;
    files.fill(&backtest)?;
    finish(files, log.into_iter().collect(), &backtest, &interrupt, out, err)?;
    let missed = args.fail_on_miss && !every_objective_met(&backtest);
    Ok(if missed { Exit::No } else { Exit::Done })
}

/// Only one of the inputs can be standard input.
pub(crate) fn one_from_stdin(
    policies: &[PathBuf],
    setting: &SettingArgs,
) -> Result<(), CommandError> {
    let mut asking: Vec<(&'static str, Option<&Path>)> =
        policies.iter().map(|file| ("--policy", Some(file.as_path()))).collect();
    asking.push(("--cluster", setting.fleet.cluster.as_deref()));
    asking.push(("--profile-file", setting.fleet.profile_file.as_deref()));
    stdin_once(&asking)
}

/// How many threads; 0 is one per core.
pub(crate) fn jobs(setting: &SettingArgs) -> usize {
    setting.jobs.map_or(0, usize::from)
}

fn candidates(entrants: &[Entrant], setting: &SettingArgs) -> Result<Vec<Candidate>, CommandError> {
    let mut binder = Binder::new(&setting.metrics);
    let candidate = |entrant: &Entrant| {
        let policy = entrant.document.policy.clone();
        let bindings = binder.bind(entrant, &policy)?;
        Ok(Candidate {
            name: entrant.name.clone(),
            tuning: BTreeMap::new(),
            policy,
            bindings,
            to_beat: None,
        })
    };
    let candidates = entrants.iter().map(candidate).collect::<Result<_, CommandError>>()?;
    binder.finish()?;
    Ok(candidates)
}

/// What each metric of each policy was taken for.
pub(crate) fn metric_details(candidates: &[Candidate]) -> Vec<(String, String)> {
    let mut details: Vec<(String, String)> = Vec::new();
    for candidate in candidates {
        let pairs: Vec<String> = candidate
            .bindings
            .iter()
            .map(|(metric, signal)| format!("{metric} is {signal}"))
            .collect();
        let detail = (format!("metrics of {}", candidate.name), pairs.join(", "));
        if !details.contains(&detail) {
            details.push(detail);
        }
    }
    details
}

pub(crate) fn tell(notes: &[String], err: &mut dyn Write) -> io::Result<()> {
    notes.iter().try_for_each(|note| writeln!(err, "note: {note}"))
}

/// Every policy on the first workload and lead time again, with its decisions.
fn write_log(
    plan: &Plan,
    mut log: FileToBe,
    interrupt: &Interrupt,
) -> Result<FileToBe, CommandError> {
    for candidate in &plan.candidates {
        log.write_json_line(&LogEntry::Policy(candidate.policy.spec().clone()))?;
        let mut failed = None;
        let done = plan.record(candidate, &mut |record| {
            let line = log.write_json_line(&LogEntry::Decision(record.clone()));
            line.map_err(|error| {
                failed = Some(error);
                io::Error::other("the log can't be written")
            })
        });
        match (done, failed) {
            (Ok(()), _) => {}
            (Err(BacktestError::Simulation(SimulationError::Log(_))), Some(error)) => {
                return Err(error);
            }
            (Err(error), _) => return Err(backtest_error(error, interrupt)),
        }
    }
    Ok(log)
}

/// Puts the files in their places and prints what came of it, unless there was an interrupt.
pub(crate) fn finish(
    files: Files,
    others: Vec<FileToBe>,
    backtest: &Backtest,
    interrupt: &Interrupt,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    if interrupt.is_noted() {
        return Err(CommandError::Interrupted);
    }
    let json_on_stdout = files.json_on_stdout();
    let written = files.commit(others)?;
    output::print(backtest, json_on_stdout, out)?;
    out.flush()?;
    written.iter().try_for_each(|path| writeln!(err, "wrote {}", path.display()))?;
    Ok(())
}

fn every_objective_met(backtest: &Backtest) -> bool {
    let runs = backtest.comparisons.iter().flat_map(|comparison| &comparison.runs);
    runs.flat_map(|run| &run.attainment).all(|attained| attained.met)
}
