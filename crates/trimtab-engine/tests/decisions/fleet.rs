//! A little fleet that carries out what is decided: sessions come, go to the replica with the fewest,
//! last for some ticks, and are cut when their replica goes.

use std::cmp::Reverse;

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    CapacityType, Decision, MetricSource, Observation, ObservationRecord, PodPhase, PodRecord,
    PodSample, Policy, PolicySpec, Readiness, ReadingRecord, ReadyCondition, ScaleUpdate, Selector,
    State, Unavailable, WarmCounts, decide_traced, settle,
};
use trimtab_metric::{Quantity, Span, Timestamp};

use crate::signals::{START, merged};

/// Ticks that a start takes: the first two without a node.
const START_TICKS: u32 = 4;
/// Ticks that a promotion takes.
const PROMOTE_TICKS: u32 = 1;

/// Ten requests in flight for each replica; under `apa` and `hpa by pod` told pod by pod.
pub(crate) fn spec(strategy: &str, more: Value) -> Value {
    let target = json!({"type": "AverageValue", "averageValue": "10"});
    let inner = json!({"metric": {"name": "in_flight"}, "target": target});
    let metric = match strategy {
        "apa" | "hpa by pod" => json!({"type": "Pods", "pods": inner}),
        _ => json!({"type": "External", "external": inner}),
    };
    let strategy = strategy.split_whitespace().next().unwrap_or(strategy);
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "strategy": strategy, "minReplicas": 1, "maxReplicas": 20,
        "hpa": {"downscaleStabilizationSeconds": 0},
        "metrics": [metric],
    });
    let quick = match strategy {
        "slo" => json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
            "slo": {"surgeQuantile": 0}}),
        "keda" => json!({"keda": {"cooldownPeriodSeconds": 60}}),
        "knative" => json!({"knative": {"stableWindowSeconds": 30}}),
        "rayServe" => json!({"rayServe": {"upscaleDelaySeconds": 0, "downscaleDelaySeconds": 15,
            "controlLoopIntervalSeconds": 15}}),
        _ => json!({}),
    };
    merged(merged(spec, quick), more)
}

pub(crate) fn policy(spec: Value) -> Policy {
    let spec: PolicySpec = serde_json::from_value(spec).expect("it reads");
    Policy::new(spec).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// What happens in a tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) arrivals: u32,
    /// For how many ticks each of them lasts.
    pub(crate) session_ticks: u32,
    /// The metric can be read, and the pods say what they serve.
    pub(crate) known: bool,
}

/// Loads that last for a while each.
pub(crate) fn loads() -> impl Strategy<Value = Vec<Load>> {
    let load = (prop_oneof![1 => Just(0), 4 => 0_u32..40], 1_u32..12, prop::bool::weighted(0.9));
    let load =
        load.prop_map(|(arrivals, session_ticks, known)| Load { arrivals, session_ticks, known });
    prop::collection::vec((load, 1_usize..10), 1..9)
        .prop_map(|runs| runs.into_iter().flat_map(|(load, length)| vec![load; length]).collect())
}

/// One replica.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) number: u64,
    /// The lowest that was free. Where replicas leave in order, the highest goes first.
    pub(crate) place: u32,
    /// Ticks until it is ready.
    pub(crate) starts_in: Option<u32>,
    /// Ticks that each of its sessions still lasts.
    pub(crate) sessions: Vec<u32>,
    pub(crate) draining_since: Option<Timestamp>,
    /// It says what it serves.
    pub(crate) is_told: bool,
    spot: bool,
    zone: u64,
}

pub(crate) struct Fleet {
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    pub(crate) pods: Vec<Pod>,
    /// What was last asked for.
    pub(crate) replicas: i32,
    /// Replicas that stand by, and ticks until the others do.
    pub(crate) warm: u32,
    pub(crate) warming: Vec<u32>,
    /// Sessions that were cut.
    pub(crate) cut: usize,
    /// Its replicas leave in one order only.
    pub(crate) is_ordered: bool,
    /// Sessions without a replica.
    waiting: Vec<u32>,
    known: bool,
    state: State,
    created: u64,
    seed: u64,
}

impl Fleet {
    pub(crate) fn new(policy: Policy, seed: u64) -> Self {
        let replicas = policy.bounds().min.max(2);
        let mut fleet = Self {
            state: State::for_policy(&policy),
            policy,
            now: START,
            pods: Vec::new(),
            replicas,
            warm: 0,
            warming: Vec::new(),
            cut: 0,
            is_ordered: false,
            waiting: Vec::new(),
            known: true,
            created: 0,
            seed,
        };
        (0..replicas).for_each(|_| fleet.create(None));
        fleet
    }

    pub(crate) fn period(&self) -> Span {
        self.policy.period()
    }

    pub(crate) fn draining(&self) -> i32 {
        let draining = self.pods.iter().filter(|pod| pod.draining_since.is_some()).count();
        i32::try_from(draining).expect("few")
    }

    /// A tick for each load; `each` sees every decision with what it was made of.
    pub(crate) fn run(
        &mut self,
        loads: &[Load],
        mut each: impl FnMut(
            &Self,
            &Observation,
            &State,
            &Decision,
            &State,
        ) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        for load in loads {
            self.now = self.now.saturating_add(self.period());
            self.live(*load);
            let observation = self.record().resolve(&self.policy).expect("it fits");
            let before = core::mem::take(&mut self.state);
            let (decision, after) = decide_traced(&self.policy, before.clone(), &observation);
            each(self, &observation, &before, &decision, &after)?;
            self.state = settle(&self.policy, after, &decision, ScaleUpdate::Applied);
            self.carry_out(&decision);
        }
        Ok(())
    }

    /// Time passes.
    fn live(&mut self, load: Load) {
        self.known = load.known;
        for pod in &mut self.pods {
            pod.sessions.iter_mut().for_each(|ticks| *ticks -= 1);
            pod.sessions.retain(|ticks| *ticks > 0);
            pod.starts_in = pod.starts_in.map(|ticks| ticks - 1).filter(|ticks| *ticks > 0);
            pod.is_told = load.known;
        }
        self.warming.iter_mut().for_each(|ticks| *ticks -= 1);
        let on_their_way = self.warming.len();
        self.warming.retain(|ticks| *ticks > 0);
        self.warm += u32::try_from(on_their_way - self.warming.len()).expect("few");
        self.waiting.extend(std::iter::repeat_n(load.session_ticks, load.arrivals as usize));
        for session in core::mem::take(&mut self.waiting) {
            let takes = |pod: &&mut Pod| pod.starts_in.is_none() && pod.draining_since.is_none();
            let least = self.pods.iter_mut().filter(takes).min_by_key(|pod| pod.sessions.len());
            match least {
                Some(pod) => pod.sessions.push(session),
                None => self.waiting.push(session),
            }
        }
    }

    /// What is seen.
    pub(crate) fn record(&self) -> ObservationRecord {
        let serving: usize = self.pods.iter().map(|pod| pod.sessions.len()).sum();
        let sample = |pod: &Pod| {
            let value = Quantity::from_units(i64::try_from(pod.sessions.len()).expect("few"));
            (format!("llm-{}", pod.number), PodSample { value, timestamp: None, window: None })
        };
        let total = i64::try_from(serving + self.waiting.len()).expect("few");
        let mut reading =
            ReadingRecord { metric: String::from("in_flight"), ..ReadingRecord::default() };
        if self.known
            && matches!(self.policy.metrics(), [metric] if *metric.source() == MetricSource::Pods)
        {
            reading.pods =
                Some(self.pods.iter().filter(|pod| pod.starts_in.is_none()).map(sample).collect());
        } else if self.known {
            reading.value = Some(Quantity::from_units(total));
        } else {
            reading.unavailable = Some(Unavailable::Failed);
        }
        ObservationRecord {
            time: self.now,
            replicas: Some(self.replicas),
            status_replicas: None,
            selector: Selector::Ok,
            pods: self.pods.iter().map(|pod| self.pod_record(pod)).collect(),
            pod_metrics: None,
            readings: vec![reading],
            supply: None,
            warm: self.policy.warm_pool().map(|_| WarmCounts {
                ready: self.warm,
                starting: u32::try_from(self.warming.len()).expect("few"),
            }),
        }
    }

    fn pod_record(&self, pod: &Pod) -> PodRecord {
        let is_pending = pod.starts_in.is_some_and(|ticks| ticks > 2);
        let status = if pod.starts_in.is_some() { Readiness::False } else { Readiness::True };
        PodRecord {
            name: format!("llm-{}", pod.number),
            phase: if is_pending { PodPhase::Pending } else { PodPhase::Running },
            ready: Some(ReadyCondition { status, last_transition_time: None }),
            in_flight: pod.is_told.then(|| u32::try_from(pod.sessions.len()).expect("few")),
            draining_since: pod.draining_since,
            ordinal: self.is_ordered.then_some(pod.place),
            zone: Some(format!("zone-{}", pod.zone)),
            node_name: Some(format!("node-{}", pod.number / 2)),
            capacity_type: if pod.spot { CapacityType::Spot } else { CapacityType::OnDemand },
            ..PodRecord::default()
        }
    }

    /// As the decision says; without `retire` the newest go, with what they serve.
    fn carry_out(&mut self, decision: &Decision) {
        let plan = decision.retire.clone().unwrap_or_default();
        let number = |row: &u32| self.pods.get(*row as usize).map(|pod| pod.number);
        let numbers = |rows: &[u32]| rows.iter().filter_map(number).collect::<Vec<_>>();
        let (drain, back, gone) =
            (numbers(&plan.drain), numbers(&plan.take_back), numbers(&plan.retire));
        for pod in &mut self.pods {
            if drain.contains(&pod.number) {
                pod.draining_since = Some(self.now);
            } else if back.contains(&pod.number) {
                pod.draining_since = None;
            }
        }
        let cut = |pod: &Pod| pod.sessions.len();
        let gone = if self.is_ordered { self.beyond(decision) } else { gone };
        self.cut +=
            self.pods.iter().filter(|pod| gone.contains(&pod.number)).map(cut).sum::<usize>();
        self.pods.retain(|pod| !gone.contains(&pod.number));
        self.replicas = decision.scale_to.unwrap_or(self.replicas);
        let present = i32::try_from(self.pods.len()).expect("few");
        let mut promote = decision.warm.map_or(0, |plan| plan.promote);
        for _ in present..self.replicas {
            let promoted = promote > 0;
            promote -= i32::from(promoted);
            let ticks = if promoted { self.leave_pool() } else { START_TICKS };
            self.create(Some(ticks));
        }
        if present > self.replicas {
            self.pods.sort_by_key(|pod| Reverse((pod.starts_in, pod.number)));
            let over = usize::try_from(present - self.replicas).expect("few");
            self.cut += self.pods.drain(..over).map(|pod| pod.sessions.len()).sum::<usize>();
            self.pods.sort_by_key(|pod| pod.number);
        }
        if let Some(plan) = decision.warm {
            self.warm += u32::try_from(plan.demote).expect("not negative");
            (0..plan.refill).for_each(|_| self.warming.push(START_TICKS));
            for _ in 0..plan.release {
                if self.warming.pop().is_none() {
                    self.warm -= 1;
                }
            }
        }
    }

    /// Who goes where replicas leave in order, whatever the plan says.
    fn beyond(&self, decision: &Decision) -> Vec<u64> {
        let count = u32::try_from(decision.scale_to.unwrap_or(self.replicas)).expect("a count");
        let beyond = self.pods.iter().filter(|pod| pod.place >= count);
        beyond.map(|pod| pod.number).collect()
    }

    /// The lowest place where nobody stands.
    fn free_place(&self) -> u32 {
        let is_free = |place: &u32| self.pods.iter().all(|pod| pod.place != *place);
        (0..).find(is_free).expect("there is one")
    }

    /// One of the pool, a ready one if there is one; ticks until it serves.
    fn leave_pool(&mut self) -> u32 {
        if self.warm > 0 {
            self.warm -= 1;
            return PROMOTE_TICKS;
        }
        self.warming.remove(0)
    }

    fn create(&mut self, starts_in: Option<u32>) {
        let number = self.created;
        self.created += 1;
        let chance = (self.seed ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        self.pods.push(Pod {
            number,
            place: self.free_place(),
            starts_in,
            sessions: Vec::new(),
            draining_since: None,
            is_told: true,
            spot: chance.is_multiple_of(2),
            zone: chance / 2 % 3,
        });
    }
}
