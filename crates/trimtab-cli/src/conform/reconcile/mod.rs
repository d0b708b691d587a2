//! Family `reconcile`: whole decisions over several steps, with status, conditions and events.

mod form;

pub(super) use form::Case;

use trimtab_engine::{
    Autoscaler, Condition, Decision, MetricResult, MetricSource, MetricStatus, Outcome, Policy,
    ScaleReason, ScaleUpdate, State, Status,
};

use super::behavior::History;
use super::case::{Checks, Milli};
use super::replica_calc::error_name;
use super::time::Seconds;
use form::{CurrentMetric, ExpectedCondition, ExpectedStatus, PerMetric, Spec, Step};

pub(super) fn check(case: &Case, checks: &mut Checks) -> Result<(), String> {
    let mut state = case.initial_state.as_ref().map(History::state).unwrap_or_default();
    if let Some(status) = &case.initial_status {
        state.status = status.status()?;
    }
    let mut running: Option<(Autoscaler, &Spec)> = None;
    let mut current_metrics = None;
    for (index, step) in case.steps.iter().enumerate() {
        let field = |name: &str| format!("steps[{index}].{name}");
        if step.expect.platform_defined.is_some() {
            checks.note_platform_defined();
        }
        if let Some(spec) = &step.spec {
            let policy = Policy::from_stored(spec.policy(case)?);
            let state = running.take().map_or(state.clone(), |(old, _)| old.state().clone());
            running = Some((Autoscaler::with_state(policy, state), spec));
        }
        let (autoscaler, spec) = running.as_mut().ok_or("the first step has no spec")?;
        let record = step.observation(spec);
        let observation = record.resolve(autoscaler.policy()).map_err(|error| error.to_string())?;
        let update =
            if step.scale.update_error { ScaleUpdate::Rejected } else { ScaleUpdate::Applied };
        checks.log(autoscaler.policy(), autoscaler.state(), &record, Some(update))?;
        let decision = autoscaler.decide_traced(&observation);
        autoscaler.settle(&decision, update);
        step.compare(&decision, update, &field, checks);
        let mut status = ExpectedStatus::of(autoscaler.policy(), autoscaler.state(), &decision);
        if decision.outcome == Outcome::ScaleUnavailable {
            status.current_metrics = current_metrics; // nothing was written over them
        }
        let expected = &step.expect.status;
        checks.equal(
            field("status.current_metrics"),
            &expected.current_metrics,
            &status.current_metrics,
        );
        checks.equal(field("status.conditions"), &expected.conditions, &status.conditions);
        checks.equal(field("status"), expected, &status);
        current_metrics = status.current_metrics;
    }
    if let Some((autoscaler, _)) = &running {
        checks.equal("final_state", &case.final_state, &History::of(autoscaler.state()));
    }
    Ok(())
}

impl Step {
    fn compare(
        &self,
        decision: &Decision,
        update: ScaleUpdate,
        field: &impl Fn(&str) -> String,
        checks: &mut Checks,
    ) {
        let expect = &self.expect;
        let rejected = decision.scale_to.is_some() && update == ScaleUpdate::Rejected;
        let outcome = match decision.outcome {
            _ if rejected => "scale_update_failed",
            Outcome::PartiallyDecided => "ok_partial_metrics",
            Outcome::MetricsUnknown => "metrics_failed",
            Outcome::SelectorUnusable => "selector_failed",
            Outcome::ScaleUnavailable => "scale_get_failed",
            _ => "ok",
        };
        let asked = matches!(
            decision.outcome,
            Outcome::Decided | Outcome::PartiallyDecided | Outcome::MetricsUnknown
        );
        let per_metric = asked.then(|| {
            decision
                .metrics()
                .zip(metric_steps(decision))
                .map(|(metric, to)| match metric.result {
                    MetricResult::Measured(_) => PerMetric { replicas: Some(to), error: None },
                    MetricResult::Failed { error, .. } => {
                        PerMetric { replicas: None, error: Some(error_name(error).to_owned()) }
                    }
                })
                .collect::<Vec<_>>()
        });
        checks.equal(field("outcome"), &expect.outcome.as_str(), &outcome);
        checks.equal(field("returned_error"), &expect.returned_error, &(outcome != "ok"));
        checks.equal(field("per_metric"), &expect.per_metric, &per_metric);
        checks.equal(field("winning_metric"), &expect.winning_metric, &decision.metric);
        checks.equal(field("scale_update"), &expect.scale_update, &decision.scale_to);
        let reason = decision.scale_to.map(|_| {
            match decision.reason {
                ScaleReason::AboveMax => "above_max",
                ScaleReason::BelowMin => "below_min",
                ScaleReason::MetricAbove => "metric_above",
                ScaleReason::AllMetricsBelow => "all_metrics_below",
                ScaleReason::None => "empty",
                // Never of an HPA.
                ScaleReason::Initial
                | ScaleReason::Override
                | ScaleReason::Schedule
                | ScaleReason::Forecast => "other",
            }
            .to_owned()
        });
        checks.equal(field("rescale_reason"), &expect.rescale_reason, &reason);
        let action = match decision.scale_to.filter(|_| !rejected) {
            Some(to) if to > decision.current_replicas => "scale_up",
            Some(_) => "scale_down",
            None => "none",
        };
        checks.equal(field("action"), &expect.action.as_str(), &action);
        let events: Vec<String> =
            decision.events(Some(update)).iter().map(|event| format!("{event:?}")).collect();
        checks.equal(field("events"), &expect.events, &events);
    }
}

fn metric_steps(decision: &Decision) -> impl Iterator<Item = i32> + '_ {
    decision
        .trace
        .iter()
        .flatten()
        .filter(|step| matches!(step.rule, trimtab_engine::Rule::Metric(_)))
        .map(|step| step.to)
}

impl ExpectedStatus {
    /// The status to start from.
    fn status(&self) -> Result<Status, String> {
        let conditions: Vec<serde_json::Value> = self
            .conditions
            .iter()
            .map(|condition| {
                serde_json::json!({
                    "type": condition.type_,
                    "status": condition.status,
                    "reason": condition.reason,
                    "lastTransitionTime": condition.since.timestamp(),
                })
            })
            .collect();
        let conditions = serde_json::from_value(conditions.into());
        Ok(Status {
            current_replicas: self.current_replicas,
            desired_replicas: self.desired_replicas,
            last_scale_time: self.last_scale_time.map(Seconds::timestamp),
            conditions: conditions.map_err(|error| error.to_string())?,
        })
    }

    fn of(policy: &Policy, state: &State, decision: &Decision) -> Self {
        let condition = |condition: &Condition| ExpectedCondition {
            type_: format!("{:?}", condition.type_),
            status: format!("{:?}", condition.status),
            reason: format!("{:?}", condition.reason),
            since: condition.last_transition_time.into(),
        };
        let asked = decision.metrics().next().is_some();
        let metrics = decision.metrics().zip(policy.metrics()).map(|(step, metric)| {
            let MetricResult::Measured(measured) = step.result else {
                return None;
            };
            let type_ = type_of(metric.source()).to_owned();
            let (utilization, average, value) = match measured.status {
                MetricStatus::Utilization { percent, average_milli } => {
                    (Some(percent), Some(average_milli), None)
                }
                MetricStatus::AverageValue { milli } => (None, Some(milli), None),
                MetricStatus::Value { milli } => (None, None, Some(milli)),
            };
            Some(CurrentMetric {
                type_,
                utilization,
                average_value_milli: average.map(Milli),
                value_milli: value.map(Milli),
            })
        });
        Self {
            current_replicas: state.status.current_replicas,
            desired_replicas: state.status.desired_replicas,
            last_scale_time: state.status.last_scale_time.map(Seconds::from),
            conditions: state.status.conditions.iter().map(condition).collect(),
            current_metrics: asked.then(|| metrics.collect()),
        }
    }
}

fn type_of(source: &MetricSource) -> &'static str {
    match source {
        MetricSource::Resource { .. } => "Resource",
        MetricSource::ContainerResource { .. } => "ContainerResource",
        MetricSource::Pods => "Pods",
        MetricSource::Object => "Object",
        MetricSource::External => "External",
        MetricSource::Unknown => "Unknown",
    }
}
