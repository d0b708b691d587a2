//! What the loop counts of itself, for Prometheus.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use trimtab_engine::ConditionStatus;
use trimtab_metric::Span;

use crate::pace::Due;
use crate::sink::Tick;
use crate::status::ReplicaCounts;
use crate::{Mode, WorkloadId};

type Labels = Vec<(&'static str, String)>;
type Level = Gauge<f64, AtomicU64>;

/// The metrics of one controller. Their names begin with `trimtab_`.
pub(crate) struct Metrics {
    registry: Registry,
    ahead: Level,
    decisions: ByWorkload<Counter>,
    skipped: ByWorkload<Counter>,
    flaps: ByWorkload<Counter>,
    unknown: ByWorkload<Counter>,
    target_errors: ByWorkload<Counter>,
    store_errors: ByWorkload<Counter>,
    replicas: ByWorkload<Level>,
    conditions: ByWorkload<Level>,
    info: ByWorkload<Level>,
    decided: ByWorkload<Level>,
    saved: ByWorkload<Level>,
    sink_errors: Family<Labels, Counter>,
    panics: Counter,
    decision_seconds: Histogram,
    tick_seconds: Histogram,
    late_seconds: Histogram,
    source_seconds: Family<Labels, Histogram, Buckets>,
    /// The direction of each workload's last change.
    directions: Mutex<std::collections::BTreeMap<WorkloadId, bool>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("trimtab");
        let to = &mut registry;
        let metrics = Self {
            ahead: plain(
                to,
                "clock_ahead_seconds",
                "How far the clock of decisions is ahead of the system's, which was set back",
                Level::default(),
            ),
            decisions: by_workload(to, "decisions", "Decisions, by how far they came and where to"),
            skipped: by_workload(to, "skipped_ticks", "Ticks left out because one took too long"),
            flaps: by_workload(to, "flaps", "Changes that turned the direction of the one before"),
            unknown: by_workload(
                to,
                "unknown_readings",
                "Readings that could not be had, by cause",
            ),
            target_errors: by_workload(
                to,
                "target_errors",
                "Reads and writes of a target that failed",
            ),
            store_errors: by_workload(
                to,
                "store_errors",
                "States that could not be saved or loaded",
            ),
            replicas: by_workload(to, "replicas", "Replicas, by what they are"),
            conditions: by_workload(to, "condition", "1 while a condition holds, else 0"),
            info: by_workload(to, "policy_info", "1, with the policy that decides"),
            decided: by_workload(
                to,
                "last_decision_timestamp_seconds",
                "When the last decision was made",
            ),
            saved: by_workload(
                to,
                "state_saved_timestamp_seconds",
                "The time of the last observation that the saved state knows",
            ),
            sink_errors: plain(
                to,
                "sink_errors",
                "Decisions that a sink did not take",
                Family::default(),
            ),
            panics: plain(
                to,
                "panics",
                "Ticks that ended in a mistake of the program",
                Counter::default(),
            ),
            decision_seconds: plain(
                to,
                "decision_duration_seconds",
                "How long decisions take, without sources and targets",
                Histogram::new(exponential_buckets(1e-6, 4.0, 10)),
            ),
            tick_seconds: plain(
                to,
                "tick_duration_seconds",
                "How long ticks take as a whole",
                Buckets.new_metric(),
            ),
            late_seconds: plain(
                to,
                "tick_late_seconds",
                "How much later than planned ticks begin",
                Buckets.new_metric(),
            ),
            source_seconds: plain(
                to,
                "source_duration_seconds",
                "How long sources take to answer, by source",
                Family::new_with_constructor(Buckets),
            ),
            directions: Mutex::default(),
            registry: Registry::default(),
        };
        Self { registry, ..metrics }
    }

    /// Takes note of a tick.
    pub(crate) fn count(&self, tick: &Tick, due: Due) {
        let id = &tick.workload;
        let decision = &tick.record.decision;
        let direction = match decision.scale_to {
            Some(wanted) if wanted > decision.current_replicas => "up",
            Some(_) => "down",
            None => "none",
        };
        let outcome = word(&decision.outcome);
        self.decisions.of(id, &[("outcome", &outcome), ("direction", direction)]).inc();
        self.skipped.of(id, &[]).inc_by(due.skipped);
        if decision.scale_to.is_some() && tick.record.update.is_some() {
            self.turn(id, direction == "up");
        }
        for missing in &tick.missing {
            let metric = missing.metric.as_deref().unwrap_or("");
            let labels = [
                ("source", &*missing.source),
                ("metric", metric),
                ("cause", missing.error.cause()),
            ];
            self.unknown.of(id, &labels).inc();
        }
        if let Some(error) = &tick.target_error {
            self.target_errors.of(id, &[("cause", error.cause())]).inc();
        }
        match &tick.store_error {
            Some(_) => self.store_failed(id),
            None => {
                self.saved.of(id, &[]).set(seconds(tick));
            }
        }
        self.decided.of(id, &[]).set(seconds(tick));
        self.count_replicas(tick);
        for condition in decision.conditions.iter() {
            let holds = condition.status == ConditionStatus::True;
            let type_ = word(&condition.type_);
            self.conditions.of(id, &[("type", &type_)]).set(f64::from(u8::from(holds)));
        }
        self.describe(tick);
        self.decision_seconds.observe(tick.decision_time.as_secs_f64());
        self.tick_seconds.observe(tick.total_time.as_secs_f64());
        self.late_seconds.observe(tick.late.as_secs_f64());
        for (source, time) in &tick.source_times {
            let labels = vec![("source", source.clone())];
            self.source_seconds.get_or_create(&labels).observe(time.as_secs_f64());
        }
    }

    fn turn(&self, id: &WorkloadId, is_up: bool) {
        let mut directions = self.directions.lock().unwrap_or_else(PoisonError::into_inner);
        let flaps = self.flaps.of(id, &[]);
        if directions.insert(id.clone(), is_up).is_some_and(|before| before != is_up) {
            flaps.inc();
        }
    }

    fn count_replicas(&self, tick: &Tick) {
        let (observation, decision) = (&tick.record.observation, &tick.record.decision);
        let id = &tick.workload;
        let set = |kind: &str, count: f64| {
            self.replicas.of(id, &[("kind", kind)]).set(count);
        };
        set("current", f64::from(decision.current_replicas));
        set("wanted", f64::from(decision.desired_replicas));
        if let Some(counts) = ReplicaCounts::of(&observation.pods) {
            set("ready", f64::from(counts.ready));
            set("starting", f64::from(counts.starting));
            set("draining", f64::from(counts.draining));
        }
        if let Some(warm) = observation.warm {
            set("warm", f64::from(warm.ready));
            set("warming", f64::from(warm.starting));
        }
    }

    /// One series that says which policy decides; that of the policy before goes.
    fn describe(&self, tick: &Tick) {
        let digest = tick.record.policy.to_string();
        let strategy = tick.policy.spec().strategy.as_str();
        let mode = match tick.mode {
            Mode::Active => "active",
            Mode::Shadow => "shadow",
        };
        let labels = [("policy", &*digest), ("strategy", strategy), ("mode", mode)];
        if !self.info.knows(&tick.workload, &labels) {
            self.info.forget(&tick.workload);
        }
        self.info.of(&tick.workload, &labels).set(1.0);
    }

    pub(crate) fn store_failed(&self, workload: &WorkloadId) {
        self.store_errors.of(workload, &[]).inc();
    }

    /// A sink is there: that it has failed never is known from the start, so that the first failure is an increase.
    pub(crate) fn sink(&self, sink: &str) {
        drop(self.sink_errors.get_or_create(&vec![("sink", String::from(sink))]));
    }

    pub(crate) fn sink_failed(&self, sink: &str) {
        self.sink_errors.get_or_create(&vec![("sink", String::from(sink))]).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// A workload is no more, and neither are its series.
    pub(crate) fn forget(&self, workload: &WorkloadId) {
        for counters in [
            &self.decisions,
            &self.skipped,
            &self.flaps,
            &self.unknown,
            &self.target_errors,
            &self.store_errors,
        ] {
            counters.forget(workload);
        }
        for levels in [&self.replicas, &self.conditions, &self.info, &self.decided, &self.saved] {
            levels.forget(workload);
        }
        self.directions.lock().unwrap_or_else(PoisonError::into_inner).remove(workload);
    }

    /// All of it as OpenMetrics text.
    pub(crate) fn encode(&self, ahead: Span) -> String {
        self.ahead.set(ahead.as_secs_f64());
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _always_ok = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn seconds(tick: &Tick) -> f64 {
    tick.record.observation.time.since(trimtab_metric::Timestamp::from_secs(0)).as_secs_f64()
}

/// An enum's name as it is written in documents.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::from("unknown"),
    }
}

fn plain<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn by_workload<M: Default + Clone + Metric + prometheus_client::metrics::TypedMetric>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> ByWorkload<M>
where
    Family<Labels, M>: Metric,
{
    let family = plain(registry, name, help, Family::<Labels, M>::default());
    ByWorkload { family, known: Mutex::default() }
}

/// A family whose series end with their workload.
struct ByWorkload<M> {
    family: Family<Labels, M>,
    known: Mutex<BTreeSet<Labels>>,
}

impl<M: Default + Clone> ByWorkload<M> {
    fn of(&self, workload: &WorkloadId, more: &[(&'static str, &str)]) -> M {
        let labels = labels(workload, more);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&labels) {
            known.insert(labels.clone());
        }
        self.family.get_or_create_owned(&labels)
    }

    fn knows(&self, workload: &WorkloadId, more: &[(&'static str, &str)]) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&labels(workload, more))
    }

    fn forget(&self, workload: &WorkloadId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| {
            let is_its =
                labels.first().is_some_and(|(_, value)| value.as_str() == workload.as_str());
            if is_its {
                self.family.remove(labels);
            }
            !is_its
        });
    }
}

fn labels(workload: &WorkloadId, more: &[(&'static str, &str)]) -> Labels {
    let first = std::iter::once(("workload", String::from(workload.as_str())));
    first.chain(more.iter().map(|(name, value)| (*name, String::from(*value)))).collect()
}

/// Makes histograms of seconds, from a millisecond to a minute.
#[derive(Clone)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
    }
}
