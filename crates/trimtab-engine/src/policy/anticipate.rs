//! What is known ahead: schedules, how long a start takes, and which load is forecast.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::defaults::SLO_LEAD_TIME_SECONDS;
use super::{Finite, Metric, MetricSpec, PolicySpec, Target};
use crate::digest::Digest;
use crate::schedule::{ParseCronError, Schedule, Window};
use crate::strategy::slo::Measure;

/// The most steps that a season has.
pub(super) const MOST_SLOTS: i32 = 168;
/// A step is no shorter than this, unless the policy says so.
const SHORTEST_STEP_SECONDS: i32 = 15;

/// Bounds that hold at certain times.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20,
///         "schedules": [{"name": "office hours", "timeZone": "Europe/Berlin",
///             "start": "0 8 * * MON-FRI", "end": "0 18 * * MON-FRI", "minReplicas": 6}]}"#,
/// )?)?;
/// assert_eq!(policy.schedules()[0].min, Some(6));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduleSpec {
    /// Its name, which no other schedule has.
    pub name: String,
    /// When it opens: a cron expression.
    pub start: String,
    /// When it closes: a cron expression. Either this or `durationSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// How long after each start it closes, in seconds, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
    /// Whose clock counts: a name such as `Europe/Berlin`, an offset such as `+02:00`, or a rule such as
    /// `CET-1CEST,M3.5.0,M10.5.0/3`. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Fewest replicas while it is open, and ready when it opens; within the policy's bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i32>,
    /// Most replicas while it is open; within the policy's bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<i32>,
}

/// How far the decision looks ahead, under any strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnticipateSpec {
    /// From asking for a replica until it serves, in seconds, 1 to 3600. Default: `slo.leadTimeSeconds`,
    /// else 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time_seconds: Option<i32>,
    /// Learns the lead time from the starts that are seen; until three are, the one above counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learn_lead_time: Option<LearnLeadTimeSpec>,
    /// Replicas on their way count as part of the answer: while they start, what is wanted rises only as
    /// the load does. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub starting_credit: bool,
    /// With `startingCredit`: at most so many times what was asked for until all of it serves and the
    /// want has fallen, at least 1. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_factor: Option<Finite>,
    /// With `startingCredit`: a start that takes longer gives no credit; in seconds, at least 1. Default: half
    /// as long again as the lead time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_after_seconds: Option<i32>,
    /// Forecasts a load. It may raise what is wanted, and never lowers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastSpec>,
}

/// How the lead time is learned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LearnLeadTimeSpec {
    /// The share of the last 16 starts that were no longer, above 0 to 1. Default 0.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<Finite>,
    /// It is never less than this, in seconds, at least 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_seconds: Option<i32>,
    /// It is never more than this, in seconds, at most 3600. A start that seems to have taken longer is none:
    /// its pod became ready for a second time. Default 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seconds: Option<i32>,
}

/// Which load is forecast, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForecastSpec {
    /// A metric of the policy by its name: its whole load, of which one replica takes the
    /// `averageValue` of its target.
    pub metric: String,
    /// The models to choose from. Default: all, the seasonal ones where there is a season.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ForecastModel>,
    /// After which time the load repeats itself, in seconds; a day is 86400. A multiple of the step, at most 168
    /// times. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub season_seconds: Option<i32>,
    /// The share of times at which the load shall be no higher than the forecast, 0 to 1. Default 0.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<Finite>,
    /// The load is averaged over steps of that length, in seconds, at least 1. Default: a quarter of
    /// the lead time and at least 15; where there is a season, at least a 168th of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<i32>,
}

/// A way to forecast a load.
#[derive(
    Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ForecastModel {
    /// It stays as it is.
    #[default]
    Naive,
    /// It is as it was a season before.
    SeasonalNaive,
    /// It goes on as it went, ever less so.
    DampedTrend,
    /// The same, with a profile of the season on top.
    HoltWinters,
    /// It goes on as it went: a level and a slope by a Kalman filter.
    LocalTrend,
}

impl ForecastModel {
    /// Those that need no season come before those that do.
    pub(crate) const ALL: [Self; 5] =
        [Self::Naive, Self::DampedTrend, Self::LocalTrend, Self::SeasonalNaive, Self::HoltWinters];

    /// As it is written in a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::SeasonalNaive => "seasonalNaive",
            Self::DampedTrend => "dampedTrend",
            Self::HoltWinters => "holtWinters",
            Self::LocalTrend => "localTrend",
        }
    }

    /// Whether it needs a season.
    pub const fn is_seasonal(self) -> bool {
        matches!(self, Self::SeasonalNaive | Self::HoltWinters)
    }
}

/// [`PolicySpec::schedules`] and [`AnticipateSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anticipation {
    pub(crate) lead_time: Span,
    pub(crate) learn: Option<LearnRules>,
    pub(crate) credit: Option<CreditRules>,
    pub(crate) forecast: Option<ForecastRules>,
    pub(crate) schedules: Vec<Schedule>,
}

#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct LearnRules {
    pub(crate) quantile: f64,
    pub(crate) least: Span,
    pub(crate) most: Span,
}

#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct CreditRules {
    pub(crate) factor: f64,
    /// Absent: half as long again as the lead time.
    pub(crate) overdue_after: Option<Span>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForecastRules {
    pub(crate) metric: u32,
    pub(crate) measure: Measure,
    /// What a memory has to be of.
    pub(crate) of: Digest,
    pub(crate) step: Span,
    /// Steps of a season; 0 without one.
    pub(crate) slots: u32,
    pub(crate) quantile: f64,
    pub(crate) models: Vec<ForecastModel>,
}

impl Anticipation {
    /// Nothing where the policy asks for nothing.
    pub(super) fn from_spec(policy: &PolicySpec) -> Option<Self> {
        if policy.anticipate.is_none() && policy.schedules.is_empty() {
            return None;
        }
        let absent = AnticipateSpec::default();
        let spec = policy.anticipate.as_deref().unwrap_or(&absent);
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        let seconds = |value: i32| Span::from_secs(i64::from(value));
        let lead_time = lead_time_seconds(policy);
        Some(Self {
            lead_time: seconds(lead_time),
            learn: spec.learn_lead_time.as_ref().map(|learn| LearnRules {
                quantile: number(learn.quantile, 0.9),
                least: seconds(learn.min_seconds.unwrap_or(1)),
                most: seconds(learn.max_seconds.unwrap_or(3600)),
            }),
            credit: spec.starting_credit.then(|| CreditRules {
                factor: number(spec.credit_factor, 2.0),
                overdue_after: spec.overdue_after_seconds.map(seconds),
            }),
            forecast: spec
                .forecast
                .as_ref()
                .and_then(|forecast| ForecastRules::from_spec(forecast, policy, lead_time)),
            // One that can't be read is none, as an unknown rate limit is no limit.
            schedules: policy.schedules.iter().filter_map(|spec| spec.compile().ok()).collect(),
        })
    }
}

impl ForecastRules {
    fn from_spec(spec: &ForecastSpec, policy: &PolicySpec, lead_time: i32) -> Option<Self> {
        let metrics = policy.metrics.as_deref().unwrap_or_default();
        let (metric, target) = (0..).zip(metrics).find_map(|(place, metric)| {
            (Metric::from_spec(metric).name() == spec.metric).then(|| (place, load_of_one(metric)))
        })?;
        let step = spec.step(lead_time);
        let season = spec.season_seconds.unwrap_or(0);
        let slots = u32::try_from(season.checked_div(step)?).ok()?;
        let slots = if slots > MOST_SLOTS.unsigned_abs() { 0 } else { slots };
        let mut models = spec.models.clone();
        if models.is_empty() {
            models = ForecastModel::ALL.to_vec();
        }
        models.retain(|model| slots > 0 || !model.is_seasonal());
        models.sort_unstable();
        models.dedup();
        Some(Self {
            metric,
            measure: Measure { is_load: true, target: target?, min_coverage: 0.5, max_age: None },
            of: Digest::of(&(&spec.metric, step, slots)),
            step: Span::from_secs(i64::from(step)),
            slots,
            quantile: spec.quantile.map_or(0.9, Finite::get),
            models,
        })
    }
}

impl ForecastSpec {
    /// The length of a step, at least 1.
    pub(super) fn step(&self, lead_time: i32) -> i32 {
        if let Some(step) = self.step_seconds {
            return step.max(1);
        }
        let quarter = (lead_time.max(1) - 1) / 4 + 1;
        let shortest = quarter.max(SHORTEST_STEP_SECONDS);
        let Some(season) = self.season_seconds.filter(|season| *season > 0) else {
            return shortest;
        };
        // As many steps as there is room for, each of whole seconds.
        let most = (season / shortest).clamp(1, MOST_SLOTS);
        let slots = (1..=most).rev().find(|slots| season % slots == 0);
        season / slots.unwrap_or(1)
    }
}

impl ScheduleSpec {
    /// Its window with its bounds; the field that can't be read, and why.
    pub(super) fn compile(&self) -> Result<Schedule, (&'static str, String, String)> {
        let problem = |field, text: &str, error: &dyn core::fmt::Display| {
            (field, String::from(text), alloc::format!("{error}"))
        };
        let cron = |field, text: &str| {
            text.parse().map_err(|error: ParseCronError| problem(field, text, &error))
        };
        let text = self.time_zone.as_deref().unwrap_or("UTC");
        let zone = text.parse().map_err(|error: crate::schedule::ParseTimeZoneError| {
            problem("timeZone", text, &error)
        })?;
        let start = cron("start", &self.start)?;
        let window = match (&self.end, self.duration_seconds) {
            (Some(end), _) => Window::until(start, cron("end", end)?, zone),
            (None, seconds) => {
                let duration = Span::from_secs(i64::from(seconds.unwrap_or(0)));
                Window::lasting(start, duration, zone)
            }
        };
        let (min, max) = (self.min_replicas, self.max_replicas);
        Ok(Schedule { name: self.name.clone(), window, min, max })
    }
}

/// What is asked for now serves so many seconds later, where nothing is learned.
pub(super) fn lead_time_seconds(policy: &PolicySpec) -> i32 {
    let own = policy.anticipate.as_ref().and_then(|spec| spec.lead_time_seconds);
    let slo = policy.slo.as_ref().and_then(|slo| slo.lead_time_seconds);
    own.or(slo).unwrap_or(SLO_LEAD_TIME_SECONDS)
}

/// What one replica takes of a metric's load.
pub(super) fn load_of_one(metric: &MetricSpec) -> Option<f64> {
    match Metric::from_spec(metric).target() {
        Target::AverageValue { milli } if milli > 0 => Some(crate::float::from_i64(milli) / 1000.0),
        _ => None,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
