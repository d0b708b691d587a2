//! The backtest as a table for a terminal.

mod course;
mod table;
mod verdict;

use self::table::{Column, Row, Table};
use super::front::{best_of_each_policy, ranking};
use super::phrase::{amount, count, decimals, duration, fixed, percent, time, tuning};
use crate::{Backtest, Comparison, Objective, Quantiles, Run, Settings};

/// Narrower than this, nothing could be read.
const NARROWEST: usize = 40;

/// The comparisons as plain text without colours, in lines of at most `width` characters (40 or more;
/// longer only where one name is): for each its workload, the objectives, a row per run with the best
/// first, the bound and a verdict. A table that is too wide is continued below. Of a sweep it shows
/// the front and the best of each policy.
///
/// ```
/// use trimtab_sim::Backtest;
/// use trimtab_sim::report::text;
///
/// let backtest: Backtest = serde_json::from_str(r#"{
///     "settings": {
///         "trimtab": "0.1.0", "seed": 7, "profile": "llama-3.1-8b-a100", "costUnit": "GPU-hours",
///         "objectives": [{"measure": "ttft", "seconds": 2.0, "share": 0.99}], "details": []
///     },
///     "comparisons": [{
///         "workload": {
///             "name": "chat", "requests": 86400, "seconds": 86400.0, "peakPerSecond": 2.5,
///             "meanInputTokens": 512.0, "meanOutputTokens": 128.0
///         },
///         "leadTime": "120s", "bound": {"replicaSeconds": 90000.0, "cost": 25.0}, "runs": []
///     }]
/// }"#)?;
/// let text = text(&backtest, 100);
/// assert!(text.starts_with("chat: 86,400 requests in 24 h, mean 1.00/s, peak 2.50/s"));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn text(backtest: &Backtest, width: usize) -> String {
    let width = width.max(NARROWEST);
    if backtest.comparisons.is_empty() {
        return String::from("nothing was compared\n");
    }
    let sections: Vec<String> = backtest
        .comparisons
        .iter()
        .map(|comparison| section(comparison, &backtest.settings, width))
        .collect();
    sections.join("\n")
}

fn section(comparison: &Comparison, settings: &Settings, width: usize) -> String {
    let ranking = ranking(&comparison.runs, &settings.objectives);
    let shown = shown(comparison, &ranking);
    let mut text = table::wrapped(&heading(comparison, settings), width, "  ");
    text.push_str(&table::wrapped(&objectives(&settings.objectives), width, "  "));
    text.push('\n');
    if !shown.is_empty() {
        let table = Table { rows: rows(&shown), columns: columns(&shown, settings) };
        text.push_str(&table.render(width));
        text.push('\n');
    }
    if let Some(course) = course::course(comparison, &shown, width) {
        text.push_str(&course);
        text.push('\n');
    }
    let footer = [legend(&shown), rest(comparison, &shown), Some(bound(comparison, settings))];
    for line in footer.into_iter().flatten() {
        text.push_str(&table::wrapped(&line, width, "  "));
    }
    let verdict = verdict::verdict(&comparison.runs, &ranking, settings);
    text.push_str(&table::wrapped(&verdict, width, "  "));
    text
}

fn heading(comparison: &Comparison, settings: &Settings) -> String {
    let workload = &comparison.workload;
    let mean = if workload.seconds > 0.0 {
        format!("mean {}/s, ", amount(workload.requests as f64 / workload.seconds))
    } else {
        String::new()
    };
    format!(
        "{}: {} requests in {}, {mean}peak {}/s; lead time {}; profile {}",
        workload.name,
        count(workload.requests),
        duration(workload.seconds),
        amount(workload.peak_per_second),
        comparison.lead_time,
        settings.profile,
    )
}

fn objectives(objectives: &[Objective]) -> String {
    let texts: Vec<String> = objectives.iter().map(ToString::to_string).collect();
    match texts.len() {
        0 => String::from("no objective"),
        1 => format!("objective: {}", texts.join("")),
        _ => format!("objectives: {}", texts.join(", ")),
    }
}

/// All runs; of a sweep the front and the best of each policy.
fn shown<'a>(comparison: &'a Comparison, ranking: &[usize]) -> Vec<&'a Run> {
    let runs = &comparison.runs;
    let swept = runs.iter().any(|run| !run.tuning.is_empty());
    let picks = best_of_each_policy(runs, ranking);
    ranking
        .iter()
        .filter_map(|&at| runs.get(at).map(|run| (at, run)))
        .filter(|(at, run)| !swept || run.on_front || picks.contains(at))
        .map(|(_, run)| run)
        .collect()
}

fn rows(shown: &[&Run]) -> Vec<Row> {
    shown
        .iter()
        .map(|run| Row {
            mark: if run.on_front { "*" } else { "" },
            name: run.policy.clone(),
            note: tuning(run),
        })
        .collect()
}

fn columns(shown: &[&Run], settings: &Settings) -> Vec<Column> {
    let of = |head: [&str; 2], cell: &dyn Fn(&Run) -> String| Column {
        head: head.map(str::to_owned),
        cells: shown.iter().map(|run| cell(run)).collect(),
    };
    let quantile = |head, pick: fn(&Quantiles) -> f64| {
        of(["TTFT", head], &|run| match run.latency.ttft {
            none if none == Quantiles::default() => String::from("-"),
            ttft => time(pick(&ttft)),
        })
    };
    let aligned = |head, value: fn(&Run) -> f64| {
        let largest = shown.iter().map(|run| value(run)).fold(0.0, f64::max);
        of(head, &|run| fixed(value(run), decimals(largest / 10.0)))
    };
    let mut columns: Vec<Column> = settings
        .objectives
        .iter()
        .enumerate()
        .map(|(at, objective)| {
            of(["within", &objective.to_string()], &|run| attained(run, at, objective))
        })
        .collect();
    columns.extend([
        quantile("p50", |ttft| ttft.p50),
        quantile("p95", |ttft| ttft.p95),
        quantile("p99", |ttft| ttft.p99),
        aligned(["cost in", settings.cost_unit.as_str()], |run| run.cost),
        aligned(["replica-", "hours"], |run| run.replica_seconds.spent() / 3_600.0),
        of(["effi-", "ciency"], &|run| fixed(run.efficiency, 2)),
        of(["", "starts"], &|run| count(run.starts)),
        of(["", "stops"], &|run| count(run.stops)),
        of(["", "rejected"], &|run| count(run.requests.rejected)),
        of(["", "cut"], &|run| count(run.requests.cut)),
    ]);
    columns
}

fn attained(run: &Run, at: usize, objective: &Objective) -> String {
    let Some(attained) = run.attainment.get(at) else { return String::from("-") };
    let word = if attained.met { "ok" } else { "missed" };
    format!("{} {word:<6}", percent(attained.share, objective.share))
}

fn legend(shown: &[&Run]) -> Option<String> {
    let front = shown.iter().any(|run| run.on_front);
    front.then(|| String::from("* on the front: no other run attains more for less"))
}

fn rest(comparison: &Comparison, shown: &[&Run]) -> Option<String> {
    let rest = comparison.runs.len().saturating_sub(shown.len());
    let runs = if rest == 1 { "run is" } else { "runs are" };
    (rest > 0).then(|| {
        format!(
            "{} more {runs} not shown: neither on the front nor the best of a policy",
            count(rest as u64)
        )
    })
}

fn bound(comparison: &Comparison, settings: &Settings) -> String {
    format!(
        "bound: {} {} in {} replica-hours would serve every request, knowing the future",
        amount(comparison.bound.cost),
        settings.cost_unit,
        amount(comparison.bound.replica_seconds / 3_600.0),
    )
}
