//! The backtest in one sentence.

use crate::report::front::worst_miss;
use crate::report::phrase::{amount, count, percent};
use crate::{Objective, Run, Settings};

/// Who meets the objectives for the least, and by how much; else who comes nearest.
pub(super) fn verdict(runs: &[Run], ranking: &[usize], settings: &Settings) -> String {
    let mut ranked = ranking.iter().filter_map(|&at| runs.get(at));
    let Some(first) = ranked.next() else { return String::from("no policy ran") };
    if first.requests.arrived == 0 {
        return String::from("no request arrived, so nothing was promised");
    }
    let promise = promise(&settings.objectives);
    if let Some((at, _)) = worst_miss(first, &settings.objectives) {
        return format!("no policy meets {promise}; {}", nearest(first, at, settings));
    }
    let spent = format!(
        "`{}` meets {promise} for the least, {} {}",
        first.policy,
        amount(first.cost),
        settings.cost_unit
    );
    let other = ranked
        .filter(|run| worst_miss(run, &settings.objectives).is_none())
        .find(|run| run.policy != first.policy);
    match other {
        Some(other) => format!("{spent}: {}", difference(first, other)),
        None if runs.iter().all(|run| run.policy == first.policy) => match runs.len() {
            1 => format!(
                "`{}` meets {promise} for {} {}",
                first.policy,
                amount(first.cost),
                settings.cost_unit
            ),
            many => format!("{spent} in {} runs", count(many as u64)),
        },
        None => format!("{spent}: no other policy meets {}", pronoun(&settings.objectives)),
    }
}

fn promise(objectives: &[Objective]) -> String {
    match objectives {
        [only] => only.to_string(),
        [] => String::from("what was asked, which is nothing,"),
        _ => String::from("all objectives"),
    }
}

fn pronoun(objectives: &[Objective]) -> &'static str {
    if objectives.len() == 1 { "it" } else { "them" }
}

fn difference(first: &Run, other: &Run) -> String {
    let saved = (other.cost - first.cost) / other.cost * 100.0;
    if saved.is_finite() && saved >= 0.5 {
        format!("{saved:.0}% less than `{}`", other.policy)
    } else {
        format!("as much as `{}`", other.policy)
    }
}

fn nearest(run: &Run, at: usize, settings: &Settings) -> String {
    let text = format!("the nearest is `{}`", run.policy);
    let pair = settings.objectives.get(at).zip(run.attainment.get(at));
    pair.map_or(text.clone(), |(objective, attained)| {
        let share = percent(attained.share, objective.share);
        if settings.objectives.len() == 1 {
            format!("{text} with {share}")
        } else {
            format!("{text} with {share} within {objective}")
        }
    })
}
