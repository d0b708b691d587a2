//! Decisions as `tracing` events.

use tracing::{Level, enabled, event};
use trimtab_engine::{Decision, Outcome, Rule, Step};

/// Emits a decision as `tracing` events with the target `trimtab`.
///
/// One event says what was decided: at `INFO` if the scale is to be changed, at `WARN` if too little
/// was known to decide, at `DEBUG` otherwise. If the decision was traced, an event per step follows
/// at `DEBUG`. `workload` names what was scaled.
///
/// ```
/// use trimtab::{Observation, Policy, PolicySpec, Scale, State, decide_traced, emit};
/// use trimtab::metric::Timestamp;
///
/// let policy = Policy::from_stored(PolicySpec { max_replicas: 3, ..PolicySpec::default() });
/// let observation = Observation::new(Timestamp::from_secs(0), Scale::steady(5));
/// let (decision, _) = decide_traced(&policy, State::default(), &observation);
/// emit("inference/llm", &decision); // INFO trimtab: 5 -> 3 …
/// ```
pub fn emit(workload: &str, decision: &Decision) {
    let Decision { current_replicas, desired_replicas, outcome, reason, .. } = decision;
    macro_rules! decided {
        ($level:expr) => {
            event!(
                target: "trimtab",
                $level,
                workload,
                current_replicas,
                desired_replicas,
                ?outcome,
                ?reason,
                "decided"
            )
        };
    }
    match outcome {
        _ if decision.scale_to.is_some() => decided!(Level::INFO),
        Outcome::MetricsUnknown | Outcome::SelectorUnusable | Outcome::ScaleUnavailable => {
            decided!(Level::WARN);
        }
        _ => decided!(Level::DEBUG),
    }
    if enabled!(target: "trimtab", Level::DEBUG) {
        for step in decision.trace.iter().flatten() {
            emit_step(workload, step);
        }
    }
}

fn emit_step(workload: &str, step: &Step) {
    let Step { stage, from, to, rule } = step;
    let metric = match rule {
        Rule::Metric(metric) => Some(metric.name.as_str()),
        _ => None,
    };
    event!(target: "trimtab", Level::DEBUG, workload, ?stage, from, to, metric, ?rule, "step");
}
