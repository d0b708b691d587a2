//! `trimtab backtest --suite quality`: `slo` against the peers, everybody at their best tuning.
//!
//! On every load, at every size and lead time, each is tuned in its targets, bounds and windows, on the very load
//! that is then compared on, as one seed or several make it; and what came of that is run on other seeds, and on what
//! comes after.

pub(crate) mod args;
mod budget;
mod case;
mod contenders;
mod likenesses;
mod load;
mod scale;
mod search;
mod table;
mod trials;
mod tunings;

use std::collections::BTreeMap;
use std::io::Write;

use trimtab_metric::Span;
use trimtab_sim::Scenario;

use crate::Exit;
use crate::backtest::args::{BacktestArgs, LoadArgs};
use crate::error::CommandError;
use crate::process::Process;
use case::Case;
use table::{Elsewhere, Outcome, Row, head, write_elsewhere};

/// Lead times where none are given, in seconds.
const LEAD_TIMES: [i64; 3] = [30, 120, 300];

pub(crate) fn run(
    args: &BacktestArgs,
    process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let interrupt = process.note_interrupt();
    let mut lead_times = args.setting.fleet.lead_times.clone();
    if lead_times.is_empty() {
        lead_times = LEAD_TIMES.into_iter().map(Span::from_secs).collect();
    }
    let mut tally: BTreeMap<Outcome, u32> = BTreeMap::new();
    let mut rows = Vec::new();
    head(out)?;
    for load in loads(&args.setting.load) {
        for replicas in &args.suite.replicas {
            let case = Case { args, load: &load, replicas: *replicas, interrupt: &interrupt };
            let sized = match case.sized()? {
                Ok(sized) => sized,
                Err(impossible) => {
                    writeln!(err, "note: left out: {impossible}")?;
                    break;
                }
            };
            for lead_time in &lead_times {
                let compared = case.compare(&sized, *lead_time, process)?;
                let (replicas, rate_scale) = (*replicas, sized.rate_scale);
                let row = Row { compared, replicas, rate_scale };
                let result = row.write(&args.setting.objectives, out)?;
                row.tell_tunings(err)?;
                *tally.entry(result).or_default() += 1;
                rows.push(row);
            }
        }
    }
    let count = |outcome| tally.get(&outcome).copied().unwrap_or(0);
    let lost = count(Outcome::Loses);
    writeln!(
        out,
        "\n`slo` wins {} rows, is even in {} and loses {lost}.",
        count(Outcome::Wins),
        count(Outcome::Even)
    )?;
    for elsewhere in Elsewhere::ALL {
        write_elsewhere(elsewhere, &rows, out)?;
    }
    Ok(if lost > 0 && args.fail_on_miss { Exit::No } else { Exit::Done })
}

/// The loads one by one; every scenario where none is given.
fn loads(args: &LoadArgs) -> Vec<LoadArgs> {
    let none = LoadArgs { traces: Vec::new(), scenarios: Vec::new(), ..args.clone() };
    let mut scenarios = args.scenarios.clone();
    if scenarios.is_empty() && args.traces.is_empty() {
        scenarios = Scenario::names().map(str::to_owned).collect();
    }
    let traces = args.traces.iter();
    let traces = traces.map(|file| LoadArgs { traces: vec![file.clone()], ..none.clone() });
    let scenarios = scenarios.into_iter();
    let scenarios = scenarios.map(|name| LoadArgs { scenarios: vec![name], ..none.clone() });
    traces.chain(scenarios).collect()
}
