//! The control loop: what was scraped becomes an observation, the production `decide` decides, and the
//! count that it wants is written.

use trimtab_engine::{
    Decision, DecisionRecord, ObservationError, Policy, ScaleUpdate, State, WarmCounts, decide,
    decide_traced, settle,
};

use crate::Moment;
use crate::metrics::{Bindings, Observer, PodView, Sampler, Scraper, ServiceLoad, observe_nodes};
use crate::supply::PoolView;

/// A policy in charge of the simulated workload.
#[derive(Debug)]
pub(super) struct Control<'a> {
    policy: &'a Policy,
    observer: Observer<'a>,
    /// What the strategy samples by itself.
    samplers: Vec<Option<Sampler>>,
    state: State,
    /// What was last written to the target.
    spec_replicas: i32,
}

/// How much of a decision is wanted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The count.
    Count,
    /// The trace, too.
    Trace,
    /// All that it depended on.
    Record,
}

impl<'a> Control<'a> {
    pub(super) fn new(policy: &'a Policy, bindings: &'a Bindings, replicas: i32) -> Self {
        let (samplers, state) = (bindings.samplers(policy), State::for_policy(policy));
        let observer = Observer::new(bindings);
        Self { policy, observer, samplers, state, spec_replicas: replicas }
    }

    /// How long it waits between two decisions, in nanoseconds.
    pub(super) fn period_nanos(&self) -> i64 {
        self.policy.period().as_millis().max(1).saturating_mul(1_000_000)
    }

    /// How long it waits between two samples of its own, if it takes any, in nanoseconds.
    pub(super) fn sampling_nanos(&self) -> Option<i64> {
        self.samplers.iter().flatten().map(Sampler::interval_nanos).next()
    }

    /// Whether the policy looks at nodes.
    pub(super) fn asks_for_nodes(&self) -> bool {
        self.policy.supply().is_some() || self.policy.spec().redundancy.is_some()
    }

    /// Takes a sample.
    pub(super) fn sample(&mut self, now: Moment, load: ServiceLoad) {
        for sampler in self.samplers.iter_mut().flatten() {
            sampler.sample(now, load);
        }
    }

    /// Makes one decision and writes it.
    pub(super) fn decide(
        &mut self,
        now: Moment,
        scraper: &Scraper,
        pods: &[PodView],
        warm: Option<WarmCounts>,
        pools: &[PoolView<'_>],
        detail: Detail,
    ) -> Result<(Decision, Option<DecisionRecord>), ObservationError> {
        let asks_for_nodes = self.asks_for_nodes();
        let seen = self.observer.observe(scraper, &self.samplers, now, self.spec_replicas, pods);
        seen.warm = warm;
        if asks_for_nodes {
            observe_nodes(seen, self.policy, pods, pools);
        }
        let before = core::mem::take(&mut self.state);
        let (decision, record) = if detail == Detail::Record {
            let (mut record, after) = DecisionRecord::decide(self.policy, before, seen.clone())?;
            self.state = record.settle(self.policy, after, ScaleUpdate::Applied);
            (record.decision.clone(), Some(record))
        } else {
            let observation = seen.resolve(self.policy)?;
            let decide = if detail == Detail::Trace { decide_traced } else { decide };
            let (decision, after) = decide(self.policy, before, &observation);
            self.state = settle(self.policy, after, &decision, ScaleUpdate::Applied);
            (decision, None)
        };
        if let Some(replicas) = decision.scale_to {
            self.spec_replicas = replicas;
        }
        Ok((decision, record))
    }
}
