//! Which runs are worth a look: the Pareto front, and the cheapest that keeps the promise.

use core::cmp::Ordering;
use std::collections::BTreeSet;

use crate::{Objective, Run};

/// Sets [`Run::on_front`]: a run is on the front when no other has at least its share within the
/// first objective for at most its cost, and more for it or less of it. Equal runs stay together.
///
/// A run without an objective has a share of 0. See [`best`] for an example.
pub fn mark_front(runs: &mut [Run]) {
    let mut by_cost: Vec<&mut Run> = runs.iter_mut().collect();
    by_cost.sort_by(|a, b| {
        a.cost.total_cmp(&b.cost).then_with(|| first_share(b).total_cmp(&first_share(a)))
    });
    // The most that any cheaper run attains.
    let mut cheaper = f64::NEG_INFINITY;
    for of_one_cost in by_cost.chunk_by_mut(|a, b| a.cost.total_cmp(&b.cost).is_eq()) {
        let most = of_one_cost.first().map_or(cheaper, |run| first_share(run));
        for run in of_one_cost {
            run.on_front = most > cheaper && first_share(run) >= most;
        }
        cheaper = cheaper.max(most);
    }
}

/// The cheapest run with at least `share` (in [0, 1]) of the requests within the first objective
/// that meets all other objectives too; `None` if there is none. Of equal costs it is the one with
/// the fewest replica-seconds, then the highest share, then the first by name.
///
/// ```
/// use trimtab_sim::Attained;
/// use trimtab_sim::report::{best, mark_front};
/// # use trimtab_engine::Digest;
/// # use trimtab_sim::Run;
/// # fn run(policy: &str, share: f64, cost: f64) -> Run {
/// #     Run {
/// #         policy: policy.into(), digest: Digest::of(policy), tuning: Default::default(),
/// #         requests: Default::default(), latency: Default::default(), pools: vec![], cost,
/// #         attainment: vec![Attained { share, met: share >= 0.99 }], starts: 0, stops: 0,
/// #         replica_seconds: Default::default(), ended_early: false, losses: 0, under_provisioned_seconds: 0.0,
/// #         bound_replica_seconds: 0.0, efficiency: 0.0, on_front: false, decisions: 0,
/// #         timeline: Default::default(),
/// #     }
/// # }
///
/// let mut runs = [run("hpa", 0.991, 14.0), run("slo", 0.993, 9.0), run("keda", 0.95, 8.0)];
/// mark_front(&mut runs);
/// assert_eq!(runs.each_ref().map(|run| run.on_front), [false, true, true]);
/// assert_eq!(best(&runs, 0.99), Some(1));
/// assert_eq!(best(&runs, 0.9), Some(2));
/// assert_eq!(best(&runs, 0.999), None);
/// ```
pub fn best(runs: &[Run], share: f64) -> Option<usize> {
    runs.iter()
        .enumerate()
        .filter(|(_, run)| first_share(run) >= share)
        .filter(|(_, run)| run.attainment.iter().skip(1).all(|attained| attained.met))
        .min_by(|(_, a), (_, b)| by_price(a, b))
        .map(|(at, _)| at)
}

/// All runs, the best first: those that meet every objective by their price, then the others, the
/// nearest first.
pub(super) fn ranking(runs: &[Run], objectives: &[Objective]) -> Vec<usize> {
    let mut ranked: Vec<(usize, &Run, f64)> = runs
        .iter()
        .enumerate()
        .map(|(at, run)| (at, run, worst_miss(run, objectives).map_or(0.0, |(_, miss)| miss)))
        .collect();
    ranked.sort_by(|(_, a, miss), (_, b, other)| miss.total_cmp(other).then(by_price(a, b)));
    ranked.into_iter().map(|(at, ..)| at).collect()
}

/// The best run of each policy, in the order of the policies' first runs: the cheapest that meets
/// every objective, or else the nearest to it.
///
/// ```
/// assert!(trimtab_sim::report::best_of_each(&[], &[]).is_empty());
/// ```
pub fn best_of_each(runs: &[Run], objectives: &[Objective]) -> Vec<usize> {
    let mut best = best_of_each_policy(runs, &ranking(runs, objectives));
    let first = |at: &usize| {
        let policy = runs.get(*at).map(|run| &run.policy);
        runs.iter().position(|run| Some(&run.policy) == policy)
    };
    best.sort_by_key(first);
    best
}

/// Of a ranking, the first run of each policy.
pub(super) fn best_of_each_policy(runs: &[Run], ranking: &[usize]) -> Vec<usize> {
    let mut policies = BTreeSet::new();
    let first = |at: &usize| runs.get(*at).is_some_and(|run| policies.insert(&run.policy));
    ranking.iter().copied().filter(first).collect()
}

/// The objective that a run misses by the largest share, and that share; `None` if it meets all.
pub(super) fn worst_miss(run: &Run, objectives: &[Objective]) -> Option<(usize, f64)> {
    run.attainment
        .iter()
        .zip(objectives)
        .enumerate()
        .filter(|(_, (attained, _))| !attained.met)
        .map(|(at, (attained, objective))| {
            (at, (objective.share - attained.share).max(f64::EPSILON))
        })
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The share within the objective that policies are ranked by.
pub(super) fn first_share(run: &Run) -> f64 {
    // Adding 0 makes of -0 what it equals.
    run.attainment.first().map_or(0.0, |attained| attained.share + 0.0)
}

fn by_price(a: &Run, b: &Run) -> Ordering {
    a.cost
        .total_cmp(&b.cost)
        .then_with(|| a.replica_seconds.spent().total_cmp(&b.replica_seconds.spent()))
        .then_with(|| first_share(b).total_cmp(&first_share(a)))
        .then_with(|| a.policy.cmp(&b.policy))
}
