//! Decisions as `tracing` events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tracing::{debug, info, warn};
use trimtab_engine::Outcome;

use super::{DecisionSink, SinkError, Tick};
use crate::WorkloadId;

/// Emits decisions as events with the target `trimtab`.
///
/// At `INFO` each change of scale, in a line. At `WARN` what goes wrong, when it begins and when it becomes something else, and at
/// `INFO` when it is over. At `DEBUG` every decision with all its steps.
#[derive(Debug, Default)]
pub struct TracingSink {
    /// What is wrong with each workload, as it was told.
    told: Mutex<BTreeMap<WorkloadId, Vec<String>>>,
}

#[async_trait]
impl DecisionSink for TracingSink {
    fn name(&self) -> &str {
        "tracing"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        let decision = &tick.record.decision;
        let (workload, mode) = (tick.workload.as_str(), tick.mode);
        let explanation = decision.explain().to_string();
        let headline = explanation.lines().next().unwrap_or_default();
        self.tell_troubles(tick, headline);
        if decision.scale_to.is_some() {
            info!(target: "trimtab", workload, ?mode, "{headline}");
        }
        debug!(target: "trimtab", workload, ?mode, "{explanation}");
        Ok(())
    }
}

impl TracingSink {
    fn tell_troubles(&self, tick: &Tick, headline: &str) {
        let troubles = troubles(tick, headline);
        let workload = tick.workload.as_str();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.get(&tick.workload).map(Vec::as_slice).unwrap_or_default();
        for new in troubles.iter().filter(|trouble| !before.contains(trouble)) {
            warn!(target: "trimtab", workload, "{new}");
        }
        if troubles.is_empty() {
            if told.remove(&tick.workload).is_some() {
                info!(target: "trimtab", workload, "all is well again");
            }
        } else {
            told.insert(tick.workload.clone(), troubles);
        }
    }
}

/// What is wrong, without what differs each time.
fn troubles(tick: &Tick, headline: &str) -> Vec<String> {
    let missing = tick.missing.iter().map(|missing| {
        let metric = missing.metric.as_deref().unwrap_or("all of its metrics");
        format!("no reading from {}: {metric}: {}", missing.source, missing.error)
    });
    let target = tick.target_error.iter().map(|error| format!("the target: {error}"));
    let store = tick.store_error.iter().map(|error| format!("the state is not saved: {error}"));
    let unknown = matches!(
        tick.record.decision.outcome,
        Outcome::MetricsUnknown | Outcome::SelectorUnusable | Outcome::ScaleUnavailable
    );
    // Behind the time of the decision.
    let words = headline.split_once("  ").map_or(headline, |(_, words)| words);
    missing.chain(target).chain(store).chain(unknown.then(|| words.to_owned())).collect()
}
