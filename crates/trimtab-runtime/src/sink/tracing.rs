//! Decisions as `tracing` events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tracing::{debug, info, warn};
use trimtab_engine::Outcome;

use super::{DecisionSink, SinkError, Tick};
use crate::WorkloadId;

/// So many lines are there at once for one workload.
const MOST_AT_ONCE: usize = 10;

/// Emits decisions as events with the target `trimtab`.
///
/// At `INFO` each change of scale, in a line; one that is decided again at each tick, as in shadow, once. At `WARN` what goes wrong, when it begins and when it becomes something else, and at
/// `INFO` when it is over. At `DEBUG` every decision with all its steps.
#[derive(Debug, Default)]
pub struct TracingSink {
    /// What is wrong with each workload, as it was told.
    told: Mutex<BTreeMap<WorkloadId, Vec<String>>>,
    /// The change that was told of each workload: in shadow it is the same at every tick.
    changes: Mutex<BTreeMap<WorkloadId, (i32, i32)>>,
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
        let change = decision.scale_to.map(|wanted| (decision.current_replicas, wanted));
        if self.is_news(&tick.workload, change) {
            info!(target: "trimtab", workload, ?mode, "{headline}");
        }
        debug!(target: "trimtab", workload, ?mode, "{explanation}");
        Ok(())
    }
}

impl TracingSink {
    fn is_news(&self, workload: &WorkloadId, change: Option<(i32, i32)>) -> bool {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Some(change) => changes.insert(workload.clone(), change) != Some(change),
            None => {
                changes.remove(workload);
                false
            }
        }
    }

    fn tell_troubles(&self, tick: &Tick, headline: &str) {
        let troubles = troubles(tick, headline);
        let workload = tick.workload.as_str();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.get(&tick.workload).map(Vec::as_slice).unwrap_or_default();
        let known = |trouble: &String| before.contains(&without_numbers(trouble));
        let new: Vec<&String> = troubles.iter().filter(|trouble| !known(trouble)).collect();
        for trouble in new.iter().take(MOST_AT_ONCE) {
            warn!(target: "trimtab", workload, "{trouble}");
        }
        if let Some(more) = new.len().checked_sub(MOST_AT_ONCE).filter(|more| *more > 0) {
            warn!(target: "trimtab", workload, "{more} more of the kind: `trimtab explain {workload}`");
        }
        if troubles.is_empty() {
            if told.remove(&tick.workload).is_some() {
                info!(target: "trimtab", workload, "all is well again");
            }
        } else {
            let mut kinds: Vec<String> = troubles.iter().map(|it| without_numbers(it)).collect();
            kinds.dedup();
            told.insert(tick.workload.clone(), kinds);
        }
    }
}

/// What stays the same while a sample grows older and a value changes: that is one trouble, and told once.
fn without_numbers(trouble: &str) -> String {
    let is_number = |word: &&str| {
        word.trim_start_matches(['`', '(', '+', '-'])
            .starts_with(|first: char| first.is_ascii_digit())
    };
    let words: Vec<&str> = trouble.split(' ').filter(|word| !is_number(word)).collect();
    words.join(" ")
}

/// What is wrong, without the time of the decision.
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

#[cfg(test)]
mod tests {
    use trimtab_metric::Span;

    use super::*;
    use crate::SourceError;

    #[test]
    fn a_change_that_is_not_carried_out_is_told_once() {
        let sink = TracingSink::default();
        let id: WorkloadId = "llm".parse().unwrap();
        let mut told = Vec::new();
        for change in [Some((1, 4)), Some((1, 4)), Some((1, 5)), None, Some((1, 5)), Some((5, 4))] {
            told.push(sink.is_news(&id, change));
        }
        assert_eq!(told, [true, false, true, false, true, true]);
    }

    #[test]
    fn an_age_that_grows_is_one_trouble() {
        let told = |metric: &str, error: SourceError| {
            without_numbers(&format!("no reading from prometheus: {metric}: {error}"))
        };
        let stale = |seconds| SourceError::Stale {
            age: Span::from_secs(seconds),
            limit: Span::from_secs(120),
        };
        assert_eq!(told("ttft_p95", stale(179)), told("ttft_p95", stale(3_605)));
        assert_ne!(told("ttft_p95", stale(179)), told("ttft_p50", stale(179)));
        let expired = |seconds: &str| {
            SourceError::Denied(format!("certificate expired: not valid ({seconds} seconds ago)"))
        };
        assert_eq!(told("kv", expired("186435671")), told("kv", expired("186435675")));
        let empty = SourceError::Empty(String::from("no series"));
        assert_ne!(told("ttft_p95", empty.clone()), told("ttft_p95", stale(179)));
        let of_pod = |pod: &str| SourceError::Invalid(format!("pod `{pod}`: the value is NaN"));
        assert_ne!(told("kv", of_pod("llm-1")), told("kv", of_pod("llm-2")));
    }
}
