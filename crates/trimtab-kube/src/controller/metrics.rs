//! What is counted of the cluster's side, for Prometheus.

use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::status::StatusError;
use crate::cluster::WatchHealth;

type Labels = Vec<(&'static str, String)>;
type Level = Gauge<i64, AtomicI64>;

/// Why statuses are written.
const CAUSES: [&str; 5] = ["intent", "change", "interval", "refusal", "end"];
/// What becomes of events.
const TOLD: [&str; 3] = ["created", "series", "dropped"];
/// What the controller watches by itself.
const WATCHED: [&str; 2] = ["scalingpolicies", "horizontalpodautoscalers"];

/// The counters of one controller; their names begin with `trimtab_kube_`.
#[derive(Debug)]
pub(crate) struct KubeCounts {
    leases: Level,
    moves: Counter,
    lease_errors: Counter,
    policies: Family<Labels, Level>,
    watch_restarts: Family<Labels, Counter>,
    status_writes: Family<Labels, Counter>,
    events: Family<Labels, Counter>,
    errors: Family<Labels, Counter>,
    listings: Family<Labels, Level>,
    synced: Family<Labels, Level>,
    /// What each label of `policies` was set to, so that those that nobody has any more become 0.
    reasons: Mutex<Vec<String>>,
}

impl Default for KubeCounts {
    /// With a 0 for each that is known beforehand, so that the first event is an increase.
    fn default() -> Self {
        let counts = Self {
            leases: Level::default(),
            moves: Counter::default(),
            lease_errors: Counter::default(),
            policies: Family::default(),
            watch_restarts: Family::default(),
            status_writes: Family::default(),
            events: Family::default(),
            errors: Family::default(),
            listings: Family::default(),
            synced: Family::default(),
            reasons: Mutex::default(),
        };
        let zero = |family: &Family<Labels, Counter>, label: &'static str, value: &str| {
            drop(family.get_or_create(&vec![(label, String::from(value))]));
        };
        CAUSES.iter().for_each(|cause| zero(&counts.status_writes, "cause", cause));
        TOLD.iter().for_each(|how| zero(&counts.events, "how", how));
        WATCHED.iter().for_each(|what| zero(&counts.watch_restarts, "resource", what));
        counts.policies(&[("Accepted", 0)]);
        counts
    }
}

impl KubeCounts {
    pub(crate) fn leases_held(&self, held: usize) {
        self.leases.set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    pub(crate) fn lease_moved(&self) {
        self.moves.inc();
    }

    pub(crate) fn lease_failed(&self) {
        self.lease_errors.inc();
    }

    /// How many policies there are by what became of them: `Accepted`, or the reason why not.
    pub(crate) fn policies(&self, counts: &[(&str, usize)]) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, _) in counts {
            if !reasons.iter().any(|known| known == reason) {
                reasons.push(String::from(*reason));
            }
        }
        for reason in reasons.iter() {
            let of = counts.iter().find(|(other, _)| other == reason);
            let count = of.map_or(0, |(_, count)| *count);
            let level = self.policies.get_or_create_owned(&vec![("reason", reason.clone())]);
            level.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn watch_restarted(&self, resource: &str) {
        self.watch_restarts.get_or_create(&vec![("resource", String::from(resource))]).inc();
    }

    /// A status was written, for one of: `intent`, `change`, `interval`, `refusal`, `end`.
    pub(crate) fn status_written(&self, cause: &str) {
        self.status_writes.get_or_create(&vec![("cause", String::from(cause))]).inc();
    }

    /// An event was told, or left out: `created`, `series`, `dropped`.
    pub(crate) fn event_told(&self, how: &str) {
        self.events.get_or_create(&vec![("how", String::from(how))]).inc();
    }

    /// A status could not be read or written.
    pub(crate) fn status_failed(&self, what: &str, error: &StatusError) {
        let what = format!("status {what}");
        match error {
            StatusError::Failed(error) => self.request_failed(&what, error),
            StatusError::Conflict => self.failed(&what, String::from("409")),
            StatusError::Gone => self.failed(&what, String::from("404")),
            StatusError::TimedOut(_) => self.failed(&what, String::from("timeout")),
        }
    }

    /// A request failed: what for, and the HTTP status or `unreachable`.
    pub(crate) fn request_failed(&self, what: &str, error: &kube::Error) {
        let code = match error {
            kube::Error::Api(status) => status.code.to_string(),
            _ => String::from("unreachable"),
        };
        self.failed(what, code);
    }

    fn failed(&self, what: &str, code: String) {
        let labels = vec![("what", String::from(what)), ("code", code)];
        self.errors.get_or_create(&labels).inc();
    }

    /// How the watches of the cluster are.
    pub(crate) fn watches(&self, health: &[WatchHealth]) {
        for watch in health {
            let labels = vec![
                ("resource", watch.part.to_string()),
                ("namespace", watch.namespace.clone().unwrap_or_default()),
            ];
            let listings = i64::try_from(watch.listings).unwrap_or(i64::MAX);
            self.listings.get_or_create(&labels).set(listings);
            self.synced.get_or_create(&labels).set(i64::from(watch.synced));
        }
    }

    /// All of it as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _always_ok = prometheus_client::encoding::text::encode(&mut text, &self.registry());
        text
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("trimtab_kube");
        let to = &mut registry;
        to.register("leases_held", "Shards that this replica may write for", self.leases.clone());
        to.register("lease_moves", "Leases taken, lost and given back", self.moves.clone());
        to.register(
            "lease_errors",
            "Looks at leases and writes of them that failed",
            self.lease_errors.clone(),
        );
        to.register(
            "policies",
            "Policies of this replica's shards, by what became of them",
            self.policies.clone(),
        );
        to.register(
            "watch_restarts",
            "Watches that broke off and began anew, by resource",
            self.watch_restarts.clone(),
        );
        to.register(
            "watch_listings",
            "How often all of a resource was listed; more than once where its watch could not go on",
            self.listings.clone(),
        );
        to.register(
            "watch_synced",
            "1 where all of a resource is known, else 0",
            self.synced.clone(),
        );
        to.register(
            "status_writes",
            "Statuses that were written, by why",
            self.status_writes.clone(),
        );
        to.register("events", "Events that were told, or left out", self.events.clone());
        to.register(
            "request_errors",
            "Requests to the API server that failed, by what for and the HTTP status",
            self.errors.clone(),
        );
        registry
    }
}
