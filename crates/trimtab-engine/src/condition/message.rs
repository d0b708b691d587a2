//! What a condition says to people.

use core::fmt;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use trimtab_metric::Timestamp;

use super::{Condition, ConditionReason, ConditionStatus, ConditionType, Conditions};
use crate::decision::Decision;
use crate::strategy::slo;
use crate::trace::{MetricResult, Rule, Stage, Step};

/// A sentence with the numbers of a condition. Its [`Display`](fmt::Display) is the text.
#[derive(Copy, Clone, Debug)]
pub struct ConditionMessage<'a> {
    condition: Condition,
    /// The steps of the decision, where it was traced.
    steps: &'a [Step],
}

impl Condition {
    /// The condition as a sentence. A metric is named by its place in the policy, from 0;
    /// [`Decision::messages`] knows its name.
    ///
    /// ```
    /// use trimtab_engine::Condition;
    ///
    /// let condition: Condition = serde_json::from_str(
    ///     r#"{"type": "GuardActive", "status": "True", "reason": "GuardAtLimit", "metric": 2,
    ///         "numbers": [8, 0], "lastTransitionTime": "2026-11-24T10:00:00Z"}"#,
    /// )?;
    /// assert_eq!(condition.message().to_string(), "metric 2 is at its limit: at least 8 replicas stay");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub const fn message(&self) -> ConditionMessage<'static> {
        ConditionMessage { condition: *self, steps: &[] }
    }
}

impl Decision {
    /// Each condition with its sentence. Of a traced decision, it has the names of the metrics and, for
    /// the HPA's conditions, the counts.
    ///
    /// ```
    /// use trimtab_engine::{
    ///     Observation, MetricReading, Policy, PolicySpec, Scale, State, decide_traced,
    /// };
    /// use trimtab_metric::Timestamp;
    ///
    /// # let spec: PolicySpec = serde_json::from_str(
    /// #     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    /// #         "maxReplicas": 3,
    /// #         "metrics": [{"type": "External", "external": {
    /// #             "metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
    /// # )?;
    /// # let policy = Policy::new(spec)?;
    /// # let observation = Observation {
    /// #     readings: vec![MetricReading::Totals(vec![80_000])],
    /// #     ..Observation::new(Timestamp::from_secs(0), Scale::steady(2))
    /// # };
    /// let (decision, _) = decide_traced(&policy, State::for_policy(&policy), &observation);
    /// let messages: Vec<String> =
    ///     decision.messages().map(|(_, message)| message.to_string()).collect();
    /// assert_eq!(messages[2], "`maxReplicas` lowers the count: 10 -> 3");
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn messages(&self) -> impl Iterator<Item = (&Condition, ConditionMessage<'_>)> {
        let steps = self.trace.as_deref().unwrap_or_default();
        let message =
            move |condition: &Condition| ConditionMessage { condition: *condition, steps };
        self.conditions.iter().map(move |condition| (condition, message(condition)))
    }
}

impl fmt::Display for ConditionMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConditionReason as Reason;
        let [first, second] = self.condition.numbers.map(Number);
        let metric = self.metric();
        match self.condition.reason {
            Reason::SucceededGetScale => f.write_str("the scale was read"),
            Reason::FailedGetScale => f.write_str("the scale could not be read"),
            Reason::SucceededRescale => f.write_str("the scale was written"),
            Reason::FailedUpdateScale => f.write_str("the scale could not be written"),
            Reason::ReadyForNewScale => f.write_str("no window holds the count"),
            Reason::ScaleDownStabilized | Reason::ScaleUpStabilized => self.stabilized(f),
            Reason::ScaleUpLimit | Reason::ScaleDownLimit => self.limited(f),
            Reason::ValidMetricFound => f.write_str("a count could be calculated"),
            Reason::FailedGetResourceMetric
            | Reason::FailedGetContainerResourceMetric
            | Reason::FailedGetPodsMetric
            | Reason::FailedGetObjectMetric
            | Reason::FailedGetExternalMetric
            | Reason::InvalidMetricSourceType => self.failed(f),
            Reason::InvalidSelector => f.write_str("the pod selector can't be used"),
            Reason::AmbiguousSelector => {
                f.write_str("another autoscaler's pods match the selector, too")
            }
            Reason::ScalingDisabled => f.write_str("a scale of 0 switches scaling off"),
            Reason::DesiredWithinRange => f.write_str("no limit changes the count"),
            Reason::TooFewReplicas => self.changed(f, "`minReplicas` raises the count", is_cut),
            Reason::TooManyReplicas => self.changed(f, "`maxReplicas` lowers the count", is_cut),
            Reason::ScaledToZero => f.write_str("the autoscaler brought the count to 0"),
            Reason::NotScaledToZero => f.write_str("the autoscaler did not bring the count to 0"),
            Reason::NoRoom => {
                write!(f, "nodes carry {second} of {first} replicas: no pool has room")
            }
            Reason::PoolBackingOff => {
                write!(
                    f,
                    "nodes carry {second} of {first} replicas: a pool that brought none is left alone"
                )
            }
            Reason::NodesPending => {
                write!(f, "{second} of {first} replicas: as many wait for a node as may")
            }
            Reason::SupplyUnknown => f.write_str("nothing is known of the supply"),
            Reason::NodesAvailable => f.write_str("the nodes carry what is wanted"),
            Reason::MetricMissing
            | Reason::MetricStale
            | Reason::MetricInvalid
            | Reason::MetricUnreadable
            | Reason::TooFewReplicasReport => self.unknown(f),
            Reason::MetricsKnown => f.write_str("every metric is known"),
            Reason::ReplicasOverdue => {
                write!(f, "{first} overdue, {second} asked for in their place")
            }
            Reason::NoneOverdue => f.write_str("no start takes longer than it may"),
            Reason::WithinRateLimits => f.write_str("no rate limit holds the count"),
            Reason::NoChangesLeft => {
                write!(f, "{first} of {second} starts and stops of the period are made")
            }
            Reason::ChangesLeft => f.write_str("the period has starts and stops left"),
            Reason::GuardAtLimit => {
                write!(f, "{metric} is at its limit: at least {first} replicas stay")
            }
            Reason::GuardAtHardLimit => {
                write!(f, "{metric} is at its hard limit: at least {first} replicas are asked for")
            }
            Reason::GuardsUnderLimits => f.write_str("every guard is under its limit"),
            Reason::ForecastWorseThanNaive => {
                f.write_str("no forecast beats that the load stays as it is")
            }
            Reason::TooLittleHistory => f.write_str("too few forecasts have come due"),
            Reason::LoadStale => f.write_str("nothing was seen of the load for a lead time"),
            Reason::ForecastUsed => f.write_str("the forecast has its say"),
        }
    }
}

impl ConditionMessage<'_> {
    fn is_hpas(&self) -> bool {
        self.condition.type_.is_hpas()
    }

    fn stabilized(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [wanted, held] = self.condition.numbers.map(Number);
        let which = match self.condition.reason {
            ConditionReason::ScaleUpStabilized => "lower",
            _ => "higher",
        };
        if self.is_hpas() {
            let stabilizes = |step: &&Step| step.stage == Stage::Stabilize;
            write!(f, "a {which} recommendation within the window holds the count")?;
            return self.write_change(f, stabilizes);
        }
        write!(
            f,
            "a {which} recommendation within the window holds {held}, not the {wanted} wanted"
        )
    }

    fn limited(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_hpas() {
            return self.changed(f, "a rate limit holds the count", is_cut);
        }
        let [wanted, allowed] = self.condition.numbers.map(Number);
        write!(f, "the rate limits allow {allowed} for now, not the {wanted} wanted")
    }

    fn failed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.steps.iter().find_map(|step| match &step.rule {
            Rule::Metric(metric) => match metric.result {
                MetricResult::Failed { error, .. } => Some((metric.name.as_str(), error)),
                MetricResult::Measured(_) => None,
            },
            _ => None,
        });
        f.write_str("no count can be calculated")?;
        match failed {
            Some((name, error)) => write!(f, ": `{name}`: {error}"),
            None => Ok(()),
        }
    }

    fn unknown(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [unknown, all] = self.condition.numbers;
        let why = match self.condition.reason {
            ConditionReason::MetricMissing => "has no value",
            ConditionReason::MetricStale => "is stale",
            ConditionReason::MetricInvalid => "has a value that can't be used",
            ConditionReason::MetricUnreadable => "could not be read",
            _ => "is reported by too few replicas",
        };
        let (metric, all) = (self.metric(), Number(all));
        match unknown {
            1 => write!(f, "1 of {all} metrics is unknown: {metric} {why}"),
            unknown => {
                let unknown = Number(unknown);
                write!(f, "{unknown} of {all} metrics are unknown; the first, {metric}, {why}")
            }
        }
    }

    fn changed(
        &self,
        f: &mut fmt::Formatter<'_>,
        what: &str,
        which: impl Fn(&&Step) -> bool,
    ) -> fmt::Result {
        f.write_str(what)?;
        self.write_change(f, which)
    }

    /// From what to what the last such step went, if it is known.
    fn write_change(
        &self,
        f: &mut fmt::Formatter<'_>,
        which: impl Fn(&&Step) -> bool,
    ) -> fmt::Result {
        let mut changes = self.steps.iter().filter(|step| step.from != step.to);
        match changes.rfind(which) {
            Some(step) => write!(f, ": {} -> {}", step.from, step.to),
            None => Ok(()),
        }
    }

    fn metric(&self) -> MetricName<'_> {
        let place = self.condition.metric();
        let name = place.and_then(|place| {
            let own = self.steps.iter().find_map(|step| match &step.rule {
                Rule::Metric(metric) if metric.index == place => Some(metric.name.as_str()),
                _ => None,
            });
            own.or_else(|| slo::name_of(self.steps, place))
        });
        MetricName { place, name }
    }
}

fn is_cut(step: &&Step) -> bool {
    use Rule::{MaxReplicas, MinReplicas, RateLimit, ScaleUpLimit};
    matches!(step.rule, RateLimit { .. } | ScaleUpLimit { .. } | MinReplicas | MaxReplicas)
}

/// A metric by its name or its place.
struct MetricName<'a> {
    place: Option<u32>,
    name: Option<&'a str>,
}

impl fmt::Display for MetricName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name, self.place) {
            (Some(name), _) => write!(f, "`{name}`"),
            (None, Some(place)) => write!(f, "metric {place}"),
            (None, None) => f.write_str("a metric"),
        }
    }
}

/// A number that may have been too large.
#[derive(Copy, Clone)]
struct Number(u16);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u16::MAX => write!(f, "{} or more", u16::MAX),
            number => number.fmt(f),
        }
    }
}

/// A condition with its message, as Kubernetes writes them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(rename = "type")]
    type_: ConditionType,
    status: ConditionStatus,
    reason: ConditionReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<u32>,
    #[serde(skip_serializing_if = "super::is_zero")]
    numbers: [u16; 2],
    #[serde(serialize_with = "as_text")]
    message: ConditionMessage<'static>,
    last_transition_time: Timestamp,
}

/// Writes conditions with their messages; reading takes them with or without.
pub(crate) fn with_messages<S: Serializer>(
    conditions: &Conditions,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(conditions.iter().count()))?;
    for condition in conditions.iter() {
        list.serialize_element(&Told::from(condition))?;
    }
    list.end()
}

impl From<&Condition> for Told {
    fn from(condition: &Condition) -> Self {
        let Condition { type_, status, reason, numbers, last_transition_time, .. } = *condition;
        let (metric, message) = (condition.metric(), condition.message());
        Self { type_, status, reason, metric, numbers, message, last_transition_time }
    }
}

fn as_text<S: Serializer>(
    message: &ConditionMessage<'static>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(message)
}
