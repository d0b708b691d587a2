//! Why a count changed, in few words: the steps that made it.

use trimtab_engine::strategy::hpa::MetricStatus;
use trimtab_engine::{
    AnticipateStep, Decision, Direction, MetricResult, MetricStep, Rule, ScaleReason, Stage, Step,
    Target,
};

/// The words for a decision that was traced.
pub(super) fn why(decision: &Decision) -> String {
    let steps = decision.trace.as_deref().unwrap_or_default();
    let mut words = Vec::new();
    match decision.reason {
        ScaleReason::Override => words.push(String::from("set by hand")),
        ScaleReason::Schedule => words.push(String::from("a schedule")),
        ScaleReason::Forecast => words.push(String::from("a forecast")),
        ScaleReason::Initial => words.push(String::from("initialReplicas")),
        ScaleReason::AboveMax => words.push(String::from("more than maxReplicas")),
        ScaleReason::BelowMin if decision.metric.is_none() => {
            words.push(String::from("fewer than minReplicas"));
        }
        _ => {}
    }
    let winner = steps.iter().find(|step| match &step.rule {
        Rule::Metric(metric) => Some(metric.index) == decision.metric,
        _ => false,
    });
    if let Some(Step { rule: Rule::Metric(metric), to, .. }) = winner {
        words.push(format!("{} wants {to}", measure(metric)));
    }
    words.extend(steps.iter().filter(|step| step.from != step.to).filter_map(rule));
    words.join("; ")
}

/// What a step did, unless it is a metric's.
fn rule(step: &Step) -> Option<String> {
    let to = step.to;
    match &step.rule {
        Rule::Windows { held: Some(held), .. }
        | Rule::HighestRecommendation { held: Some(held) } => {
            Some(format!("window {} holds {to}", held.window))
        }
        Rule::Windows { .. } | Rule::HighestRecommendation { .. } => {
            Some(format!("window allows {to}"))
        }
        Rule::RateLimit { direction: Direction::Up, .. } | Rule::ScaleUpLimit { .. } => {
            Some(format!("rate limit: at most {to}"))
        }
        Rule::RateLimit { direction: Direction::Down, .. } => {
            Some(format!("rate limit: at least {to}"))
        }
        Rule::Anticipate(AnticipateStep::Forecast { name, .. }) => {
            Some(format!("{name} is expected to take {to}"))
        }
        Rule::Anticipate(
            AnticipateStep::Floor { window, .. } | AnticipateStep::Ceiling { window, .. },
        ) => Some(format!("schedule {window}: {to}")),
        Rule::Anticipate(_) => Some(format!("replicas on the way: {to}")),
        Rule::MinReplicas if step.stage == Stage::Bound => Some(format!("minReplicas: {to}")),
        Rule::MaxReplicas if step.stage == Stage::Bound => Some(format!("maxReplicas: {to}")),
        _ => None,
    }
}

fn measure(metric: &MetricStep) -> String {
    let target = match metric.target {
        Target::Utilization { percent } => format!("{percent}%"),
        Target::AverageValue { milli } | Target::Value { milli } => decimal(milli),
        Target::Unusable => String::from("nothing"),
    };
    let is = match &metric.result {
        MetricResult::Failed { error, .. } => return format!("{}: {error}", metric.name),
        MetricResult::Measured(measured) => match measured.status {
            MetricStatus::Utilization { percent, .. } => format!("{percent}%"),
            MetricStatus::AverageValue { milli } => format!("{} each", decimal(milli)),
            MetricStatus::Value { milli } => decimal(milli),
        },
    };
    format!("{} {is} of {target}", metric.name)
}

/// Thousandths as a decimal number.
fn decimal(milli: i64) -> String {
    let (sign, milli) = (if milli < 0 { "-" } else { "" }, milli.unsigned_abs());
    let fraction = format!(".{:03}", milli % 1000);
    format!("{sign}{}{}", milli / 1000, fraction.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_decimals() {
        let texts = [0, 1500, -7, 2000, 100_000].map(decimal);
        assert_eq!(texts, ["0", "1.5", "-0.007", "2", "100"]);
    }
}
