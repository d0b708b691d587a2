//! What handles and replicas report of their requests, and which of it counts.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::{Sample, TimeUnit, aggregate};
use crate::policy::RayServeAggregation;

/// The newest report of every handle and replica of a deployment, for a host that takes them in as
/// Ray's controller does. Times are seconds since the Unix epoch.
///
/// Running requests come from the replicas that run; if none of them has reported any sample, from
/// the handles. Queued requests always come from the handles.
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
///
/// use trimtab_engine::RayServeAggregation;
/// use trimtab_engine::strategy::ray_serve::{HandleReport, Reports, Sample};
///
/// let steady = |value| vec![Sample { at: 0.0, value }, Sample { at: 10.0, value }];
/// let mut reports = Reports::new(10.0);
/// let running = BTreeMap::from([("a".to_owned(), steady(3.0)), ("gone".to_owned(), steady(9.0))]);
/// reports.record_handle("proxy", HandleReport { at: 10.0, queued: steady(4.0), running }, 10.0);
/// let total = |reports: &mut Reports, now| {
///     reports.total(now, &BTreeSet::from(["a"]), RayServeAggregation::Mean)
/// };
/// assert_eq!(total(&mut reports, 10.5), 7.0);
/// reports.record_replica("a", 12.0, steady(5.0)); // replicas know better than handles
/// assert_eq!(total(&mut reports, 12.0), 9.0);
/// assert_eq!(total(&mut reports, 30.0), 5.0); // nothing of the handle for 20 s
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reports {
    handle_timeout: f64,
    handles: BTreeMap<String, Received>,
    replicas: BTreeMap<String, ReplicaReport>,
}

/// What a handle reports: a client's side of the deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HandleReport {
    /// When it was made.
    pub at: f64,
    /// Requests that wait for a replica.
    pub queued: Vec<Sample>,
    /// Requests at each replica, by the replica's id.
    pub running: BTreeMap<String, Vec<Sample>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Received {
    report: HandleReport,
    at: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct ReplicaReport {
    at: f64,
    running: Vec<Sample>,
}

impl Reports {
    /// No reports yet, of sources that report every `metrics_interval` seconds. A handle is
    /// forgotten when nothing has come from it for twice that, or 10 s if that is longer.
    pub fn new(metrics_interval: f64) -> Self {
        Self {
            handle_timeout: if metrics_interval > 5.0 { 2.0 * metrics_interval } else { 10.0 },
            handles: BTreeMap::new(),
            replicas: BTreeMap::new(),
        }
    }

    /// Takes a handle's report in, unless it is not newer than the last one from that handle.
    /// `received_at` is when it arrived by the clock of `now` in [`Reports::total`].
    pub fn record_handle(&mut self, id: &str, report: HandleReport, received_at: f64) {
        if self.handles.get(id).is_none_or(|last| report.at > last.report.at) {
            self.handles.insert(id.into(), Received { report, at: received_at });
        }
    }

    /// Takes a replica's report in, made at `at`, unless it is not newer than the last one.
    pub fn record_replica(&mut self, id: &str, at: f64, running: Vec<Sample>) {
        if self.replicas.get(id).is_none_or(|last| at > last.at) {
            self.replicas.insert(id.into(), ReplicaReport { at, running });
        }
    }

    /// Forgets a replica that has stopped.
    pub fn forget_replica(&mut self, id: &str) {
        self.replicas.remove(id);
    }

    /// The ongoing requests at `now`, with the replicas that run; 0 where nothing is known.
    pub fn total(
        &mut self,
        now: f64,
        running: &BTreeSet<&str>,
        aggregation: RayServeAggregation,
    ) -> f64 {
        let sources = self.sources(now, running);
        aggregate(&sources, now, TimeUnit::Seconds, aggregation).unwrap_or(0.0)
    }

    /// The series whose sum are the ongoing requests at `now`: what an observation has to bring, source
    /// by source.
    pub fn sources(&mut self, now: f64, running: &BTreeSet<&str>) -> Vec<&[Sample]> {
        let timeout = self.handle_timeout;
        self.handles.retain(|_, handle| now - handle.at < timeout);
        let runs = |id: &String| running.contains(id.as_str());
        let handles = || self.handles.values().map(|handle| &handle.report);
        let begun = |series: &&[Sample]| !series.is_empty();
        let by_replicas = self.replicas.iter().filter(|(id, _)| runs(id));
        let mut sources: Vec<&[Sample]> =
            by_replicas.map(|(_, report)| report.running.as_slice()).filter(begun).collect();
        if sources.is_empty() {
            let by_handles = handles().flat_map(|report| &report.running);
            sources.extend(by_handles.filter(|(id, _)| runs(id)).map(|(_, of)| of.as_slice()));
        }
        sources.extend(handles().map(|report| report.queued.as_slice()));
        sources
    }
}
