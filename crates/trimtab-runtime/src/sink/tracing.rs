//! Decisions as `tracing` events.

use std::sync::Arc;

use async_trait::async_trait;
use tracing::{debug, info, warn};
use trimtab_engine::Outcome;

use super::{DecisionSink, SinkError, Tick};

/// Emits each decision as an event with the target `trimtab`: at `INFO` if the scale is to be changed, at `WARN`
/// if too little was known to decide or the change failed, at `DEBUG` otherwise.
#[derive(Copy, Clone, Debug, Default)]
pub struct TracingSink;

#[async_trait]
impl DecisionSink for TracingSink {
    fn name(&self) -> &str {
        "tracing"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        let decision = &tick.record.decision;
        let workload = tick.workload.as_str();
        let (current, wanted) = (decision.current_replicas, decision.desired_replicas);
        let explanation = decision.explain();
        let mode = tick.mode;
        for missing in &tick.missing {
            let (source, error) = (&missing.source, &missing.error);
            let metric = missing.metric.as_deref().unwrap_or("all of its metrics");
            warn!(target: "trimtab", workload, source, metric, %error, "no reading");
        }
        if let Some(error) = &tick.target_error {
            warn!(target: "trimtab", workload, %error, "the target failed");
        }
        if let Some(error) = &tick.store_error {
            warn!(target: "trimtab", workload, %error, "the state is not saved");
        }
        match decision.outcome {
            _ if decision.scale_to.is_some() => {
                info!(target: "trimtab", workload, ?mode, current, wanted, "{explanation}");
            }
            Outcome::MetricsUnknown | Outcome::SelectorUnusable | Outcome::ScaleUnavailable => {
                warn!(target: "trimtab", workload, ?mode, current, wanted, "{explanation}");
            }
            _ => debug!(target: "trimtab", workload, ?mode, current, wanted, "{explanation}"),
        }
        Ok(())
    }
}
