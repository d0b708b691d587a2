//! What the gateway counts, as Prometheus reads it.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::fleet::Fleet;
use crate::replica::ReplicaState;

type Labels = Vec<(&'static str, String)>;

/// What the gateway counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    rejections: Family<Labels, Counter>,
    retries: Counter,
    wait: Histogram,
    ttft: Histogram,
    queue: Gauge,
    bound: Gauge,
    desired: Gauge,
    in_flight: Family<Labels, Gauge>,
    replicas: Family<Labels, Gauge>,
}

/// From a millisecond to ten minutes.
const BOUNDS: [f64; 15] =
    [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gateway");
        let to = &mut registry;
        let metrics = Self {
            requests: add(
                to,
                "requests",
                "Requests that had a slot, by how they ended",
                Family::default(),
            ),
            rejections: add(
                to,
                "rejections",
                "Requests that were turned away, by reason",
                Family::default(),
            ),
            retries: add(
                to,
                "retries",
                "Requests that went to another replica, since the first was not there",
                Counter::default(),
            ),
            wait: add(
                to,
                "queue_wait_seconds",
                "From a request's arrival to its slot",
                Histogram::new(BOUNDS),
            ),
            ttft: add(
                to,
                "time_to_first_token_seconds",
                "From a request's arrival to the first chunk of its answer",
                Histogram::new(BOUNDS),
            ),
            queue: add(to, "queue_length", "Requests that wait for a slot", Gauge::default()),
            bound: add(to, "queue_bound", "How many may wait now", Gauge::default()),
            desired: add(to, "replicas_desired", "Replicas that were asked for", Gauge::default()),
            in_flight: add(to, "in_flight", "Requests that a replica serves", Family::default()),
            replicas: add(to, "replicas", "Replicas, by what they are", Family::default()),
            registry: Registry::default(),
        };
        Self { registry, ..metrics }
    }
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, String::from(value))]
}

impl Metrics {
    /// One was turned away.
    pub fn rejected(&self, reason: &str) {
        self.rejections.get_or_create(&label("reason", reason)).inc();
    }

    /// One was answered to the end.
    pub fn completed(&self) {
        self.requests.get_or_create(&label("outcome", "completed")).inc();
    }

    /// One was not: its client left or its replica ended.
    pub fn broken(&self) {
        self.requests.get_or_create(&label("outcome", "broken")).inc();
    }

    /// One goes to another replica.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// One waited so long for its slot.
    pub fn waited(&self, time: Duration) {
        self.wait.observe(time.as_secs_f64());
    }

    /// One waited so long for the beginning of its answer.
    pub fn first_token(&self, time: Duration) {
        self.ttft.observe(time.as_secs_f64());
    }

    /// All of it, and what the fleet is like now, as `OpenMetrics` text.
    pub fn encode(&self, fleet: &Fleet) -> String {
        self.bound.set(fleet.bound().into());
        let state = fleet.lock();
        self.queue.set(state.queue.len().into());
        self.desired.set(state.desired.into());
        // Those that are gone have no series.
        self.in_flight.clear();
        for one in &state.replicas {
            self.in_flight.get_or_create(&label("replica", &one.name)).set(one.in_flight.into());
        }
        for kind in ReplicaState::ALL {
            let count = state.replicas.iter().filter(|one| one.state() == kind).count();
            let gauge = self.replicas.get_or_create(&label("state", kind.as_str())).clone();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        drop(state);
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _always_ok = encode(&mut text, &self.registry);
        text
    }
}
