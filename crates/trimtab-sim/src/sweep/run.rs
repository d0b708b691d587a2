//! Running a sweep: every tuning without its course, then those worth a look with it.

use std::collections::BTreeSet;

use crate::report::best_of_each;
use crate::{Backtest, BacktestError, Objective, Plan, Progress, Run};

impl Plan {
    /// Compares as [`Plan::run`] does, but for the courses: with [`Plan::timelines`], only the runs on
    /// the front and the best of each policy get theirs, by a second simulation.
    ///
    /// For sweeps, in which thousands of runs have a course and nobody looks at most of them.
    ///
    /// # Errors
    ///
    /// As [`Plan::run`].
    pub fn run_sweep(
        mut self,
        jobs: usize,
        progress: &dyn Progress,
    ) -> Result<Backtest, BacktestError> {
        let courses = std::mem::replace(&mut self.timelines, false);
        let mut backtest = self.run(jobs, progress)?;
        if !courses {
            return Ok(backtest);
        }
        let picked: Vec<BTreeSet<usize>> = backtest
            .comparisons
            .iter()
            .map(|comparison| picks(&comparison.runs, &self.objectives))
            .collect();
        let again: BTreeSet<usize> = picked.iter().flatten().copied().collect();
        let mut at = 0..;
        self.candidates.retain(|_| at.next().is_some_and(|index| again.contains(&index)));
        self.timelines = true;
        let courses = self.run(jobs, progress)?;
        for ((comparison, with), picked) in
            backtest.comparisons.iter_mut().zip(courses.comparisons).zip(&picked)
        {
            for (index, run) in again.iter().zip(with.runs) {
                let slot = comparison.runs.get_mut(*index);
                if let Some(slot) = slot.filter(|_| picked.contains(index)) {
                    slot.timeline = run.timeline;
                }
            }
        }
        Ok(backtest)
    }
}

/// The runs on the front and the best of each policy.
fn picks(runs: &[Run], objectives: &[Objective]) -> BTreeSet<usize> {
    let front = runs.iter().enumerate().filter(|(_, run)| run.on_front).map(|(index, _)| index);
    front.chain(best_of_each(runs, objectives)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trimtab_engine::{Digest, Policy, PolicySpec};

    use super::*;
    use crate::metrics::Bindings;
    use crate::sweep::Sweep;
    use crate::{
        Attained, Candidate, ClusterSpec, Quiet, Scenario, ServiceProfile, Site, Timeline,
    };

    fn run(policy: &str, share: f64, cost: f64) -> Run {
        Run {
            ended_early: false,
            policy: policy.into(),
            digest: Digest::of(policy),
            tuning: BTreeMap::new(),
            requests: Default::default(),
            attainment: vec![Attained { share, met: share >= 0.99 }],
            latency: Default::default(),
            replica_seconds: Default::default(),
            pools: vec![],
            cost,
            starts: 0,
            stops: 0,
            losses: 0,
            under_provisioned_seconds: 0.0,
            bound_replica_seconds: 0.0,
            efficiency: 0.0,
            on_front: false,
            decisions: 0,
            timeline: Timeline::default(),
        }
    }

    #[test]
    fn the_best_keeps_the_promise_for_the_least_or_comes_nearest() {
        let runs = [
            run("a", 0.98, 1.0),
            run("a", 0.995, 4.0),
            run("b", 0.9, 1.0),
            run("a", 0.992, 3.0),
            run("b", 0.95, 2.0),
        ];
        assert_eq!(best_of_each(&runs, &["ttft<=2s".parse().unwrap()]), [3, 4]);
    }

    /// Tunings of a queue's target on half an hour, with courses or without.
    fn swept(timelines: bool, jobs: usize) -> Backtest {
        let policy = Policy::new(
            serde_json::from_str::<PolicySpec>(
                r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
                    "maxReplicas": 8,
                    "metrics": [{"type": "Pods", "pods": {"metric": {"name": "requests_in_flight"},
                        "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#,
            )
            .unwrap(),
        )
        .unwrap();
        let axes = vec!["metrics[0].pods.target.averageValue=4,16,64,256".parse().unwrap()];
        let tuned = Sweep { axes, random: None, seed: 1 }.tune("llm", &policy).unwrap();
        let candidates = tuned.into_iter().map(|tuned| Candidate {
            name: String::from("llm"),
            tuning: tuned.tuning,
            bindings: Bindings::new(&tuned.policy, &[]).unwrap(),
            policy: tuned.policy,
            to_beat: None,
        });
        let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
        let cluster = ClusterSpec::default().check(&profile).unwrap();
        let workload = Scenario::named("steady", 1).unwrap().with_duration_seconds(600.0);
        let plan = Plan {
            profile,
            objectives: vec!["ttft<=2s".parse().unwrap()],
            seed: 1,
            workloads: vec![Box::new(workload.with_rate_scale(0.05))],
            sites: vec![Site { lead_time: cluster.lead_time_text(), cluster }],
            candidates: candidates.collect(),
            timelines,
            details: vec![],
        };
        plan.run_sweep(jobs, &Quiet).unwrap()
    }

    #[test]
    fn only_what_is_worth_a_look_has_a_course() {
        let mut with = swept(true, 1);
        assert_eq!(with, swept(true, 2));
        let comparison = &with.comparisons[0];
        let picks = picks(&comparison.runs, &["ttft<=2s".parse().unwrap()]);
        assert!(!picks.is_empty() && picks.len() < comparison.runs.len(), "{picks:?}");
        for (index, run) in comparison.runs.iter().enumerate() {
            assert_eq!(!run.timeline.ready.is_empty(), picks.contains(&index));
        }
        for run in &mut with.comparisons[0].runs {
            run.timeline = Timeline::default();
        }
        assert_eq!(with, swept(false, 1));
    }
}
