//! Tunings on several seeds: one that meets the objectives on one of them by chance misses them on another.

use trimtab_sim::{Candidate, Plan, Run};

use super::search::meets;
use crate::backtest::failure::backtest_error;
use crate::backtest::progress::Bar;
use crate::error::CommandError;
use crate::process::Interrupt;

/// A load at a lead time, as each of some seeds makes it.
pub(super) struct Trials<'a> {
    /// One for each seed, with no candidates.
    pub(super) plans: Vec<Plan>,
    pub(super) jobs: usize,
    pub(super) bar: &'a Bar,
    pub(super) interrupt: &'a Interrupt,
}

impl Trials<'_> {
    /// Everybody on one seed after the other, until they miss an objective or are too dear: of each the worst
    /// share of every objective, and the mean cost.
    pub(super) fn run(&mut self, candidates: &[Candidate]) -> Result<Vec<Run>, CommandError> {
        let mut trials: Vec<Trial<'_>> = candidates.iter().map(Trial::new).collect();
        let seeds = self.plans.len() as f64;
        for at in 0..self.plans.len() {
            let mut going: Vec<&mut Trial<'_>> =
                trials.iter_mut().filter(|trial| trial.goes_on()).collect();
            let next: Vec<Candidate> = going.iter().map(|trial| trial.next(seeds)).collect();
            for (trial, run) in going.iter_mut().zip(self.on_seed(at, next)?) {
                trial.note(run);
            }
        }
        Ok(trials.into_iter().filter_map(|trial| trial.outcome(seeds)).collect())
    }

    /// What the load and the lead time are called.
    pub(super) fn names(&self) -> (String, String) {
        let plan = self.plans.first();
        let load = plan.and_then(|plan| plan.workloads.first()).map(|load| load.name().to_owned());
        let site = plan.and_then(|plan| plan.sites.first()).map(|site| site.lead_time.clone());
        (load.unwrap_or_default(), site.unwrap_or_default())
    }

    /// How everybody does on each seed.
    pub(super) fn run_each(
        &mut self,
        candidates: &[Candidate],
    ) -> Result<Vec<Vec<Run>>, CommandError> {
        (0..self.plans.len()).map(|at| self.on_seed(at, candidates.to_vec())).collect()
    }

    fn on_seed(&mut self, at: usize, candidates: Vec<Candidate>) -> Result<Vec<Run>, CommandError> {
        let Some(plan) = self.plans.get_mut(at).filter(|_| !candidates.is_empty()) else {
            return Ok(Vec::new());
        };
        plan.candidates = candidates;
        let backtest = plan.run(self.jobs, self.bar);
        let backtest = backtest.map_err(|error| backtest_error(error, self.interrupt))?;
        Ok(backtest.comparisons.into_iter().flat_map(|comparison| comparison.runs).collect())
    }
}

/// A candidate, and what its runs come to so far.
struct Trial<'a> {
    candidate: &'a Candidate,
    worst: Option<Run>,
    runs: f64,
    cost: f64,
    /// Replica-seconds: the least there may be, and those that there were.
    bound: f64,
    spent: f64,
}

impl<'a> Trial<'a> {
    fn new(candidate: &'a Candidate) -> Self {
        Self { candidate, worst: None, runs: 0.0, cost: 0.0, bound: 0.0, spent: 0.0 }
    }

    fn goes_on(&self) -> bool {
        self.worst.as_ref().is_none_or(|run| meets(run) && !run.ended_early)
    }

    /// It ends as soon as its mean over so many seeds is sure to be too dear.
    fn next(&self, seeds: f64) -> Candidate {
        let to_beat = self.candidate.to_beat.map(|mean| mean * seeds - self.cost);
        Candidate { to_beat, ..self.candidate.clone() }
    }

    fn note(&mut self, run: Run) {
        self.runs += 1.0;
        self.cost += run.cost;
        self.bound += run.bound_replica_seconds;
        self.spent += run.replica_seconds.spent();
        let Some(worst) = &mut self.worst else {
            self.worst = Some(run);
            return;
        };
        worst.ended_early |= run.ended_early;
        for (worst, attained) in worst.attainment.iter_mut().zip(run.attainment) {
            if attained.share < worst.share {
                *worst = attained;
            }
        }
    }

    fn outcome(self, seeds: f64) -> Option<Run> {
        let mut run = self.worst?;
        // Who became too dear did so beside what all seeds may cost.
        let too_dear = run.ended_early && meets(&run);
        run.cost = self.cost / if too_dear { seeds } else { self.runs };
        run.bound_replica_seconds = self.bound / self.runs;
        run.efficiency = if self.spent > 0.0 { self.bound / self.spent } else { 0.0 };
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use trimtab_manifest::{Source, read_policies};
    use trimtab_sim::metrics::Bindings;

    use super::*;
    use crate::quality::search::tests::run;

    fn candidate(to_beat: Option<f64>) -> Candidate {
        let source = Source::new("policy.yaml", include_str!("../../policies/hpa-requests.yaml"));
        let document = read_policies(&source).unwrap().policies.remove(0);
        let bindings = Bindings::new(&document.policy, &[]).unwrap();
        Candidate {
            name: document.metadata.name,
            tuning: Default::default(),
            policy: document.policy,
            bindings,
            to_beat,
        }
    }

    /// The share and the cost, and whether it ended early.
    fn outcome(trial: Trial<'_>) -> (f64, f64, bool) {
        let run = trial.outcome(3.0).unwrap();
        (run.attainment.first().unwrap().share, run.cost, run.ended_early)
    }

    #[test]
    fn the_worst_share_and_the_mean_cost_count() {
        let candidate = candidate(None);
        let mut trial = Trial::new(&candidate);
        for (share, cost) in [(0.995, 10.0), (0.991, 14.0), (0.999, 12.0)] {
            assert!(trial.goes_on());
            trial.note(run(share, cost, false));
        }
        assert_eq!(outcome(trial), (0.991, 12.0, false));
    }

    /// Who misses on one seed is not run on the others, and what it would cost is what it did so far.
    #[test]
    fn who_misses_on_one_seed_is_out() {
        let candidate = candidate(None);
        let mut trial = Trial::new(&candidate);
        trial.note(run(0.995, 10.0, false));
        trial.note(run(0.98, 12.0, false));
        assert!(!trial.goes_on());
        assert_eq!(outcome(trial), (0.98, 11.0, false));
    }

    /// What is left to beat is what the other seeds may cost; who exceeds it costs more in the mean, whatever
    /// they would have.
    #[test]
    fn who_is_too_dear_on_some_seeds_is_too_dear_on_all() {
        let candidate = candidate(Some(11.0));
        let mut trial = Trial::new(&candidate);
        assert_eq!(trial.next(3.0).to_beat, Some(33.0));
        trial.note(run(0.995, 15.0, false));
        assert_eq!(trial.next(3.0).to_beat, Some(18.0));
        trial.note(run(1.0, 18.5, true));
        assert!(!trial.goes_on());
        let (share, cost, ended_early) = outcome(trial);
        assert!(share == 0.995 && cost > 11.0 && ended_early, "{share}, {cost}");
    }
}
