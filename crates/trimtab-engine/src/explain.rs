//! A decision for people: aligned text that fits one screen.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::anticipate;
use crate::condition::ConditionStatus;
use crate::decision::{Decision, Outcome, ScaleReason};
use crate::observation::Selector;
use crate::policy::Target;
use crate::strategy::hpa::{Calculation, MetricStatus};
use crate::strategy::{apa, keda, knative, ray_serve, slo, wva};
use crate::trace::{Direction, Held, Measured, MetricResult, MetricStep, Rule, Stage, Step};
use crate::{redundancy, retire, supply, warm};

/// The text of [`Decision::explain`].
#[derive(Copy, Clone, Debug)]
pub struct Explanation<'a>(&'a Decision);

impl Decision {
    /// Explains the decision: a headline, then a line per step of the trace, if there is one, then
    /// the conditions.
    ///
    /// ```
    /// # use trimtab_engine::{MetricReading, Observation, Policy, PolicySpec, Scale, State, decide_traced};
    /// # use trimtab_metric::Timestamp;
    /// # let spec: PolicySpec = serde_json::from_str(
    /// #     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    /// #         "maxReplicas": 10,
    /// #         "metrics": [{"type": "External", "external": {
    /// #             "metric": {"name": "requests_in_flight"},
    /// #             "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
    /// # )?;
    /// # let policy = Policy::new(spec)?;
    /// # let observation = Observation {
    /// #     readings: vec![MetricReading::Totals(vec![25_000])],
    /// #     ..Observation::new(Timestamp::from_secs(0), Scale::steady(2))
    /// # };
    /// let (decision, _) = decide_traced(&policy, State::for_policy(&policy), &observation);
    /// let text = decision.explain().to_string();
    /// assert!(text.starts_with("1970-01-01T00:00:00Z  2 -> 4 replicas: `requests_in_flight` asks for"));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn explain(&self) -> Explanation<'_> {
        Explanation(self)
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.0;
        writeln!(f, "{}  {}", decision.at, headline(decision))?;
        let steps = decision.trace.as_deref().unwrap_or_default();
        if !steps.is_empty() {
            writeln!(f)?;
            write_table(f, &rows(steps))?;
        }
        writeln!(f)?;
        // The HPA's speak by their words and the steps above; trimtab's own, where they hold.
        let shown = decision.messages().filter(|(condition, _)| {
            condition.type_.is_hpas() || condition.status != ConditionStatus::False
        });
        for (index, (condition, message)) in shown.enumerate() {
            let title = if index == 0 { "conditions" } else { "" };
            let (type_, status) = (condition.type_, condition.status);
            write!(f, "  {title:<10} {type_:?}={status:?} ({:?})", condition.reason)?;
            match condition.type_.is_hpas() {
                true => writeln!(f)?,
                false => writeln!(f, ": {message}")?,
            }
        }
        Ok(())
    }
}

fn headline(decision: &Decision) -> String {
    let current = decision.current_replicas;
    match decision.scale_to {
        Some(wanted) => format!("{current} -> {wanted} replicas: {}", reason(decision, wanted)),
        None if decision.outcome == Outcome::ScaleUnavailable => {
            "nothing is decided: the scale could not be read".to_string()
        }
        None => {
            let leaving = decision.retire.as_ref().and_then(retire::reason_to_stay);
            let reason = leaving.unwrap_or_else(|| reason_to_stay(decision).to_string());
            format!("{} stay: {reason}", replicas(current))
        }
    }
}

fn reason(decision: &Decision, wanted: i32) -> String {
    if decision.outcome == Outcome::Paused {
        return "scaling is paused at this count".to_string();
    }
    if let Some(reason) = keda::reason_to_write(decision.trace.as_deref().unwrap_or_default()) {
        return reason.to_string();
    }
    if let Some(reason) = decision.retire.as_ref().and_then(retire::reason_to_go)
        && wanted < decision.current_replicas
    {
        return reason;
    }
    if redundancy::raised(decision.trace.as_deref().unwrap_or_default()) {
        return "so many are enough after a loss".to_string();
    }
    match decision.reason {
        ScaleReason::AllMetricsBelow | ScaleReason::None if wanted > decision.current_replicas => {
            "a recommendation of before still counts".to_string()
        }
        ScaleReason::Override => "it is set by hand".to_string(),
        ScaleReason::Schedule => "a schedule asks for it".to_string(),
        ScaleReason::Forecast => "a forecast asks for more".to_string(),
        ScaleReason::Initial => "it begins with `initialReplicas`".to_string(),
        ScaleReason::AboveMax => "there are more than `maxReplicas`".to_string(),
        ScaleReason::BelowMin => "there are fewer than `minReplicas`".to_string(),
        ScaleReason::MetricAbove => match name_of_winner(decision) {
            Some(name) => format!("`{name}` asks for more"),
            None if is_by_wva(decision) => "WVA asks for more".to_string(),
            None => "a metric asks for more".to_string(),
        },
        ScaleReason::AllMetricsBelow if is_by_wva(decision) => "WVA asks for fewer".to_string(),
        ScaleReason::AllMetricsBelow | ScaleReason::None => {
            "no metric asks for as many".to_string()
        }
    }
}

fn reason_to_stay(decision: &Decision) -> &'static str {
    match decision.outcome {
        Outcome::Decided | Outcome::PartiallyDecided => match decision.reason {
            ScaleReason::None if !is_held(decision) => "the metrics want no change",
            _ => "the change is held back",
        },
        Outcome::Enforced => "they are within the bounds",
        Outcome::MetricsUnknown => "too little is known to change anything",
        Outcome::SelectorUnusable => "the pod selector can't be used",
        Outcome::ScaleUnavailable => "the scale could not be read",
        Outcome::Disabled => "scaling is switched off by a scale of 0",
        Outcome::Paused => "scaling is paused",
        Outcome::NotDue => "it is not time to look",
    }
}

/// Whether a stage undid what the metrics wanted.
fn is_held(decision: &Decision) -> bool {
    let mut steps = decision.trace.iter().flatten();
    steps.any(|step| step.from != step.to && !matches!(step.rule, Rule::Metric(_)))
}

fn name_of_winner(decision: &Decision) -> Option<&str> {
    let winner = decision.metric?;
    let own = decision.metrics().find(|metric| metric.index == winner);
    let steps = decision.trace.as_deref().unwrap_or_default();
    own.map(|metric| metric.name.as_str()).or_else(|| slo::name_of(steps, winner))
}

fn is_by_wva(decision: &Decision) -> bool {
    decision.trace.iter().flatten().any(|step| matches!(step.rule, Rule::Wva(_)))
}

/// Stage, subject, measure, change, rule.
type Row = [String; 5];

fn rows(steps: &[Step]) -> Vec<Row> {
    let decided = steps
        .iter()
        .rposition(|step| step.from != step.to && !matches!(step.rule, Rule::Metric(_)));
    steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let (subject, measure, mut rule) = words(step, steps);
            if Some(index) == decided {
                rule.push_str("  <- decided");
            }
            let change = format!("{} -> {}", step.from, step.to);
            [stage(step.stage).to_string(), subject, measure, change, rule]
        })
        .collect()
}

fn write_table(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            if width > 0 {
                line.push_str(&format!("  {cell:<width$}"));
            }
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Sense => "sense",
        Stage::Size => "size",
        Stage::Anticipate => "anticipate",
        Stage::Stabilize => "stabilize",
        Stage::Limit => "limit",
        Stage::Supply => "supply",
        Stage::Bound => "bound",
        Stage::Warm => "warm",
        Stage::Retire => "retire",
    }
}

/// Subject, measure and rule of one step.
fn words(step: &Step, steps: &[Step]) -> (String, String, String) {
    let rule = match &step.rule {
        Rule::Metric(metric) => return metric_words(metric),
        Rule::Anticipate(step) => return anticipate::words(step),
        Rule::Keda(step) => return keda::words(step),
        Rule::Knative(step) => return knative::words(step),
        Rule::RayServe(step) => return ray_serve::words(step),
        Rule::Slo(step) => return slo::words(step, steps),
        Rule::Wva(step) => return wva::words(step),
        Rule::Apa(step) => return apa::words(step),
        Rule::Warm(step) => return warm::words(step),
        Rule::Retire(step) => return retire::words(step),
        Rule::Supply(step) => return supply::words(step),
        Rule::Redundancy(step) => return redundancy::words(step),
        Rule::ScaleUnavailable => "the scale could not be read".to_string(),
        Rule::SelectorUnusable { selector } => match selector {
            Selector::Ok => "the pod selector can be used".to_string(),
            Selector::Empty => "there is no pod selector".to_string(),
            Selector::Invalid => "the pod selector can't be parsed".to_string(),
            Selector::Ambiguous => "another autoscaler's pods match the selector, too".to_string(),
        },
        Rule::ScalingDisabled => "a scale of 0 switches scaling off".to_string(),
        Rule::LargestProposal { metric } => {
            let name = steps.iter().find_map(|step| match &step.rule {
                Rule::Metric(step) if step.index == *metric => Some(step.name.as_str()),
                _ => None,
            });
            format!("the largest proposal: {}", name.unwrap_or("a metric"))
        }
        Rule::TooLittleKnown => "a metric failed, and no other one asks for more".to_string(),
        Rule::Windows { current, lowest, highest, held } => match held {
            Some(held) => held_words(held),
            None if step.from == step.to => "no window holds it back".to_string(),
            None => format!("{current}, but at least {lowest} and at most {highest}"),
        },
        Rule::HighestRecommendation { held } => match held {
            Some(held) => held_words(held),
            None => "no higher recommendation in the window".to_string(),
        },
        Rule::RateLimit { direction: Direction::Up, limit } => {
            format!("at most {limit} at this rate")
        }
        Rule::RateLimit { direction: Direction::Down, limit } => {
            format!("at least {limit} at this rate")
        }
        Rule::ScaleUpLimit { limit } => format!("at most {limit} in one step"),
        Rule::Unlimited => "no rate limit in the way".to_string(),
        Rule::Override { until } => format!("set by hand until {until}"),
        Rule::DirectionPaused { direction: Direction::Up } => "the way up is paused".to_string(),
        Rule::DirectionPaused { direction: Direction::Down } => {
            "the way down is paused".to_string()
        }
        Rule::MinReplicas => "minReplicas".to_string(),
        Rule::MaxReplicas => "maxReplicas".to_string(),
        Rule::WithinBounds => "within the bounds".to_string(),
    };
    (String::new(), String::new(), rule)
}

fn held_words(held: &Held) -> String {
    let Held { by, window, until } = held;
    format!("window {window} holds {} until {until}", by.replicas)
}

fn metric_words(metric: &MetricStep) -> (String, String, String) {
    let amount = |milli| amount(&metric.name, milli);
    let target = match metric.target {
        Target::Utilization { percent } => format!("{percent}%"),
        Target::AverageValue { milli } | Target::Value { milli } => amount(milli),
        Target::Unusable => "nothing".to_string(),
    };
    let measured = match &metric.result {
        MetricResult::Measured(measured) => measured,
        MetricResult::Failed { error, .. } => {
            return (metric.name.clone(), target, error.to_string());
        }
    };
    let is = match measured.status {
        MetricStatus::Utilization { percent, .. } => format!("{percent}%"),
        // What the HPA reports of an average over no replicas.
        MetricStatus::AverageValue { milli: i64::MIN } => "none to share it".to_string(),
        MetricStatus::AverageValue { milli } => format!("{} each", amount(milli)),
        MetricStatus::Value { milli } => amount(milli),
    };
    (metric.name.clone(), format!("{is} of {target}"), calculation(measured))
}

/// Memory in the binary units that people write it in, everything else as a decimal number.
fn amount(metric: &str, milli: i64) -> String {
    const UNITS: [(u64, &str); 4] = [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let bytes = milli.unsigned_abs() / 1000;
    let unit = UNITS.iter().find(|(power, _)| bytes >> power > 0);
    match unit.filter(|_| metric == "memory") {
        None => Decimal(milli).to_string(),
        Some((power, suffix)) => {
            let sign = if milli < 0 { "-" } else { "" };
            let tenths = (u128::from(bytes) * 10) >> power;
            format!("{sign}{}.{}{suffix}", tenths / 10, tenths % 10)
        }
    }
}

fn calculation(measured: &Measured) -> String {
    let number = |value: Option<crate::Finite>| match value.map(crate::Finite::get) {
        Some(value) if value != 0.0 && libm::fabs(value) < 0.001 => format!("{value:.0e}"),
        Some(value) => format!("{value:.3}"),
        None => "infinite".to_string(),
    };
    let silent = match (measured.pods.missing, measured.pods.unready) {
        (0, 0) => String::new(),
        (missing, 0) => format!(" ({missing} silent)"),
        (0, unready) => format!(" ({unready} not ready)"),
        (missing, unready) => format!(" ({missing} silent, {unready} not ready)"),
    };
    let words = match measured.calculation {
        Calculation::WithinTolerance => "within tolerance".to_string(),
        Calculation::Ratio { ratio, count } => {
            format!("{} × {}, rounded up", number(ratio), pods(count))
        }
        Calculation::Filled { ratio, count } => {
            format!("{} × {} with silent ones filled in, rounded up", number(ratio), pods(count))
        }
        Calculation::FilledReversed => "no change once silent pods are filled in".to_string(),
        Calculation::Quotient { quotient } => format!("{}, rounded up", number(quotient)),
    };
    words + &silent
}

fn pods(count: u32) -> String {
    if count == 1 { "1 pod".to_string() } else { format!("{count} pods") }
}

fn replicas(count: i32) -> String {
    if count == 1 { "1 replica".to_string() } else { format!("{count} replicas") }
}

/// Thousandths as a decimal number: `1500` is `1.5`.
pub(crate) struct Decimal(pub(crate) i64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, milli) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}", milli / 1000)?;
        let fraction = format!("{:03}", milli % 1000);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            digits => write!(f, ".{digits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_read_as_decimals() {
        for (milli, text) in [(0, "0"), (1500, "1.5"), (-7, "-0.007"), (2000, "2"), (750, "0.75")] {
            assert_eq!(Decimal(milli).to_string(), text);
        }
        assert_eq!(Decimal(i64::MIN).to_string(), "-9223372036854775.808");
    }

    #[test]
    fn memory_reads_in_binary_units() {
        assert_eq!(amount("memory", 53_687_091_200_000), "50.0Gi");
        assert_eq!(amount("memory", 1_500), "1.5");
        assert_eq!(amount("memory", i64::MIN), "-8388.6Ti".to_string());
        assert_eq!(amount("cpu", 53_687_091_200_000), "53687091200");
    }
}
