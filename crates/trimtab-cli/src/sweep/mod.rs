//! `trimtab sweep`: tunings of policies, tried like policies.

pub(crate) mod args;
mod document;

pub use document::policy_yaml;

use std::io::Write;

use trimtab_sim::report::best_of_each;
use trimtab_sim::sweep::{Axis, Sweep};
use trimtab_sim::{Backtest, Candidate, Comparison, Run};

use crate::Exit;
use crate::backtest::entrants::{self, Binder, Entrant};
use crate::backtest::failure::backtest_error;
use crate::backtest::output::Files;
use crate::backtest::progress::Bar;
use crate::backtest::{finish, jobs, metric_details, one_from_stdin, setting, tell};
use crate::error::CommandError;
use crate::process::Process;
use crate::replace_file::FileToBe;
use args::SweepArgs;

pub(crate) fn run(
    args: &SweepArgs,
    process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let interrupt = process.note_interrupt();
    one_from_stdin(&args.policies, &args.setting)?;
    let entrants = entrants::read(&args.policies, &args.names)?;
    let (mut plan, notes) = setting::read(&args.setting, &interrupt)?;
    plan.candidates = candidates(&entrants, args)?;
    plan.details.extend(sweep_details(args));
    plan.details.extend(metric_details(&plan.candidates));
    let comparisons = plan.workloads.len() * plan.sites.len();
    let mut files = Files::prepare(&args.output, comparisons)?;
    let mut best = match &args.write_best {
        Some(path) => files.create_each("--write-best", path, comparisons)?,
        None => Vec::new(),
    };
    plan.timelines = files.show_courses();
    tell(&notes, err)?;

    let tuned = plan.candidates.clone();
    let backtest = {
        let bar = Bar::new(process, &interrupt);
        plan.run_sweep(jobs(&args.setting), &bar)
            .map_err(|error| backtest_error(error, &interrupt))?
    };
    let mut notes = Vec::new();
    for (file, comparison) in best.iter_mut().zip(&backtest.comparisons) {
        write_best(file, comparison, &tuned, &entrants, &backtest, &mut notes)?;
    }
    files.fill(&backtest)?;
    finish(files, best, &backtest, &interrupt, out, err)?;
    tell(&notes, err)?;
    Ok(Exit::Done)
}

/// Every tuning of every policy.
fn candidates(entrants: &[Entrant], args: &SweepArgs) -> Result<Vec<Candidate>, CommandError> {
    for axis in &args.axes {
        check_name(axis, entrants)?;
    }
    let sweep = Sweep {
        axes: args.axes.clone(),
        random: args.random.map(usize::from),
        seed: args.setting.seed,
    };
    let mut binder = Binder::new(&args.setting.metrics);
    let mut candidates = Vec::new();
    for entrant in entrants {
        let tuned = sweep.tune(&entrant.name, &entrant.document.policy);
        let tuned = tuned.map_err(|error| CommandError::argument(error.to_string()))?;
        for tuned in tuned {
            let bindings = binder.bind(entrant, &tuned.policy)?;
            candidates.push(Candidate {
                name: entrant.name.clone(),
                tuning: tuned.tuning,
                policy: tuned.policy,
                bindings,
                to_beat: None,
            });
        }
    }
    binder.finish()?;
    Ok(candidates)
}

fn check_name(axis: &Axis, entrants: &[Entrant]) -> Result<(), CommandError> {
    match axis.policy() {
        Some(name) if entrants.iter().all(|entrant| entrant.name != name) => {
            let names: Vec<String> =
                entrants.iter().map(|entrant| format!("`{}`", entrant.name)).collect();
            Err(CommandError::argument(format!("there is no policy `{name}` to set fields of"))
                .with_help(format!("there is {}", names.join(", "))))
        }
        _ => Ok(()),
    }
}

/// What was tried.
fn sweep_details(args: &SweepArgs) -> Vec<(String, String)> {
    let axes = args.axes.iter().map(|axis| {
        let whose = axis.policy().map(|name| format!(" of {name}")).unwrap_or_default();
        (format!("tried {}{whose}", axis.field()), axis.values().join(", "))
    });
    let random = args.random.map(|count| (String::from("tried by chance"), count.to_string()));
    axes.chain(random).collect()
}

/// The best tuning of each policy, as a document each.
fn write_best(
    file: &mut FileToBe,
    comparison: &Comparison,
    tuned: &[Candidate],
    entrants: &[Entrant],
    backtest: &Backtest,
    notes: &mut Vec<String>,
) -> Result<(), CommandError> {
    let mut texts = Vec::new();
    for index in best_of_each(&comparison.runs, &backtest.settings.objectives) {
        let (Some(run), Some(candidate)) = (comparison.runs.get(index), tuned.get(index)) else {
            continue;
        };
        let Some(entrant) = entrants.iter().find(|entrant| entrant.name == candidate.name) else {
            continue;
        };
        if !run.attainment.iter().all(|attained| attained.met) {
            notes.push(format!(
                "no tuning of `{}` meets the objectives on {} at a lead time of {}: the one that \
                 comes nearest was written",
                run.policy, comparison.workload.name, comparison.lead_time
            ));
        }
        let comment = comment(run, comparison, backtest);
        texts.push(document::text(&entrant.document, &candidate.policy, &comment)?);
    }
    file.write(texts.join("---\n").as_bytes())
}

/// Where a tuning is from.
fn comment(run: &Run, comparison: &Comparison, backtest: &Backtest) -> Vec<String> {
    let mut lines = vec![
        String::from("The best of a sweep:"),
        format!("on {}, lead time {}", comparison.workload.name, comparison.lead_time),
        format!("with {}", backtest.settings.profile),
    ];
    for (objective, attained) in backtest.settings.objectives.iter().zip(&run.attainment) {
        // Rounded down, so that what is missed never looks met.
        let percent = (attained.share * 1e4).floor() / 1e2;
        lines.push(format!("{objective}: {percent:.2}% of the requests"));
    }
    lines.push(format!("cost: {:.2} {}", run.cost, backtest.settings.cost_unit));
    lines.extend(run.tuning.iter().map(|(field, value)| format!("{field}={value}")));
    lines
}
