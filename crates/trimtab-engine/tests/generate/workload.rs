//! What happens to a workload over time, whatever its strategy. The count is what was decided before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trimtab_engine::{
    Decision, MetricSpec, Observation, ObservationRecord, PodRecord, PodSample, Policy, Readiness,
    ReadingRecord, ReadyCondition, ScaleUpdate, State, StrategyName, Unavailable, decide_traced,
    settle,
};
use trimtab_metric::{Quantity, Span, Timestamp};

pub(crate) use super::plan::{ALL, Plan, behavior, plans};

/// 2026-11-24T10:00:00Z
pub(crate) const START: Timestamp = Timestamp::from_secs(1_795_514_400);

/// What happens between two decisions, and what is then seen. What is `None` cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    /// Periods since the last decision, at least 1.
    pub(crate) periods: i64,
    /// The load, thousandths.
    pub(crate) load: Option<i64>,
    /// The load is given as samples, where that is possible.
    pub(crate) sampled: bool,
    /// How many of the replicas are ready yet, in eighths.
    pub(crate) ready: i32,
    /// What there is beside the load, in thousandths of its target: what waits, how long it takes, how
    /// full the caches are.
    pub(crate) queue: Option<i64>,
    pub(crate) latency: Option<i64>,
    pub(crate) cache: Option<i64>,
    /// How long ago those that are not ready started, in seconds.
    pub(crate) age: i64,
    /// Every so manieth replica is silent.
    pub(crate) silent: usize,
}

/// A tick at which all can be read, and nothing but the load is to be done.
pub(crate) const CALM: Tick = Tick {
    periods: 1,
    load: Some(0),
    sampled: false,
    ready: 8,
    queue: Some(0),
    latency: Some(0),
    cache: Some(0),
    age: 0,
    silent: usize::MAX,
};

/// Loads that last for a while.
pub(crate) fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    prop::collection::vec((tick(), 1_usize..8), 1..6)
        .prop_map(|runs| runs.into_iter().flat_map(|(tick, length)| vec![tick; length]).collect())
}

pub(crate) fn tick() -> impl Strategy<Value = Tick> {
    let load = prop_oneof![
        1 => Just(None),
        3 => Just(Some(0)),
        6 => (0_i64..400_000).prop_map(Some),
        1 => (0_i64..40_000_000).prop_map(Some),
    ];
    let share = |most: i64| prop_oneof![1 => Just(None), 9 => (0..most).prop_map(Some)];
    let silent = prop_oneof![3 => Just(usize::MAX), 1 => 2_usize..6];
    let periods = prop_oneof![4 => Just(1_i64), 1 => 1_i64..200];
    let beside = (share(8_000), share(3_000), share(1_150), 0_i64..900, silent);
    (periods, load, any::<bool>(), 0_i32..=8, beside).prop_map(
        |(periods, load, sampled, ready, (queue, latency, cache, age, silent))| Tick {
            periods,
            load,
            sampled,
            ready,
            queue,
            latency,
            cache,
            age,
            silent,
        },
    )
}

/// What is seen of a tick, with all amounts that a target is for times `factor`.
pub(crate) fn seen(
    policy: &Policy,
    now: Timestamp,
    replicas: i32,
    tick: &Tick,
    factor: i64,
) -> ObservationRecord {
    let ready = replicas * tick.ready / 8;
    let started = now.saturating_sub(Span::from_secs(tick.age));
    let pods = (0..replicas)
        .map(|pod| PodRecord {
            name: pod_name(pod),
            start_time: Some(started),
            ready: Some(ReadyCondition {
                status: if pod < ready { Readiness::True } else { Readiness::False },
                last_transition_time: Some(started),
            }),
            ..PodRecord::default()
        })
        .collect();
    let metrics = policy.spec().metrics.as_deref().unwrap_or_default();
    let readings = metrics
        .iter()
        .zip(policy.metrics())
        .map(|(spec, metric)| reading(policy, now, ready, tick, factor, spec, metric.name()))
        .collect();
    ObservationRecord {
        time: now,
        replicas: Some(replicas),
        status_replicas: None,
        selector: trimtab_engine::Selector::Ok,
        pods,
        pod_metrics: None,
        readings,
        warm: None,
        supply: None,
    }
}

fn pod_name(pod: i32) -> String {
    format!("llm-{pod}")
}

fn reading(
    policy: &Policy,
    now: Timestamp,
    ready: i32,
    tick: &Tick,
    factor: i64,
    spec: &MetricSpec,
    name: &str,
) -> ReadingRecord {
    let mut reading = ReadingRecord { metric: name.into(), ..ReadingRecord::default() };
    let share = |of: i64, part: Option<i64>| part.map(|part| of * part / 1000);
    let milli = match name {
        "load" => tick.load,
        "queue" => share(16_000, tick.queue),
        "ttft" => share(2_000, tick.latency),
        "cache" => share(900, tick.cache),
        "vllm:kv_cache_usage_perc" => share(1_000, tick.cache.map(|cache| cache.min(1_000))),
        "vllm:num_requests_waiting" => share(5_000, tick.queue),
        "vllm:request_prompt_tokens" => Some(1_000_000),
        "vllm:request_generation_tokens" => share(400_000, tick.latency),
        // What waits at the gateway succeeds as soon as there is a replica.
        "vllm:request_success" => {
            tick.load.map(|load| (load + tick.queue.unwrap_or(0)).signum() * 1_000)
        }
        _ => share(10_000, tick.queue),
    };
    let Some(milli) = milli.map(|milli| milli * factor) else {
        reading.unavailable = Some(Unavailable::Failed);
        return reading;
    };
    if spec.pods.is_some() {
        // The load is shared, and not quite evenly.
        let weight = |pod: i32| i64::from(2 + pod % 3);
        let weights: i64 = (0..ready).map(weight).sum();
        let of = |pod: i32| match name {
            "load" => milli * weight(pod) / weights,
            _ => milli,
        };
        let sample = |value| PodSample { value: Quantity::from_milli(value), ..sample() };
        let silent = |pod: i32| (pod as usize) % tick.silent.max(1) == tick.silent - 1;
        let pods = (0..ready).filter(|pod| !silent(*pod));
        reading.pods = Some(pods.map(|pod| (pod_name(pod), sample(of(pod)))).collect());
        return reading;
    }
    // Under `slo` demands are sampled, and nothing else.
    let is_sampled =
        tick.sampled && (name == "load" || policy.spec().strategy != StrategyName::Slo);
    match policy.sampling().filter(|_| is_sampled) {
        Some(sampling) => {
            let count = sampling.look_back.as_millis() / sampling.interval.as_millis();
            let sample = |back: i64| {
                let ago = Span::from_millis(sampling.interval.as_millis() * back);
                (now.saturating_sub(ago), Quantity::from_milli(milli))
            };
            let samples = (0..count).rev().map(sample).collect();
            reading.series = Some(BTreeMap::from([(String::from("gateway"), samples)]));
        }
        None => reading.value = Some(Quantity::from_milli(milli)),
    }
    reading
}

fn sample() -> PodSample {
    PodSample { value: Quantity::from_milli(0), timestamp: None, window: None }
}

/// A workload whose count is what was decided last.
#[derive(Clone)]
pub(crate) struct Run<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) replicas: i32,
    factor: i64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(policy: &'a Policy) -> Self {
        Self::at(policy, START, 1)
    }

    pub(crate) fn at(policy: &'a Policy, now: Timestamp, factor: i64) -> Self {
        let (state, replicas) = (State::for_policy(policy), policy.bounds().min.max(1));
        Self { policy, state, now, replicas, factor }
    }

    /// Moves on to the tick; what is then seen.
    pub(crate) fn observe(&mut self, tick: &Tick) -> Observation {
        let wait = Span::from_millis(self.policy.period().as_millis() * tick.periods);
        self.now = self.now.saturating_add(wait);
        let record = seen(self.policy, self.now, self.replicas, tick, self.factor);
        record.resolve(self.policy).expect("the generator makes fitting observations")
    }

    /// Decides, and carries it out.
    pub(crate) fn decide(&mut self, observation: &Observation) -> Decision {
        let state = core::mem::take(&mut self.state);
        let (decision, after) = decide_traced(self.policy, state, observation);
        self.state = settle(self.policy, after, &decision, ScaleUpdate::Applied);
        self.replicas = decision.scale_to.unwrap_or(self.replicas);
        decision
    }

    pub(crate) fn next(&mut self, tick: &Tick) -> Decision {
        let observation = self.observe(tick);
        self.decide(&observation)
    }
}
