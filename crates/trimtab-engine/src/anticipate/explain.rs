//! What looking ahead did, with the numbers that it did it with, and the words for it.

use alloc::format;
use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::forecast::IgnoredReason;
use crate::policy::{Finite, ForecastModel};

/// A step of looking ahead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum AnticipateStep {
    /// The lead time is learned.
    LeadTime {
        /// How long it is.
        lead_time: Span,
        /// From how many starts.
        starts: u32,
    },
    /// Replicas on their way count: no more than `limit`, or than there is.
    OnTheWay {
        /// How many start and are not overdue.
        starting: i32,
        /// What was asked for.
        asked: i32,
        /// What the load has been multiplied by since, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        growth: Option<Finite>,
        /// What that comes to.
        limit: i32,
    },
    /// More is wanted than the load can account for: a backlog is no load.
    BeyondTheLoad {
        /// What the load takes.
        takes: i32,
        /// No more than this.
        limit: i32,
    },
    /// What was asked for has just become ready, and works off what waited for it.
    JustReady {
        /// No more than this, or than there is.
        limit: i32,
    },
    /// What was asked for is not enough, or not coming.
    NotEnough {
        /// That.
        asked: i32,
        /// No more than this, or than there is.
        limit: i32,
    },
    /// A load is forecast, and at least what it takes is wanted.
    Forecast {
        /// The metric, by its place in the policy.
        metric: u32,
        /// Its name.
        name: String,
        /// The model that was best lately.
        model: ForecastModel,
        /// For when.
        at: Timestamp,
        /// What the model says.
        point: Finite,
        /// With the quantile of the model's errors.
        load: Finite,
        /// What one replica takes.
        target: Finite,
        /// The model's mean pinball loss.
        loss: Finite,
    },
    /// There is no forecast.
    ForecastIgnored {
        /// Its metric.
        name: String,
        /// Why.
        why: IgnoredReason,
    },
    /// A window is open, or opens within the lead time: at least its fewest replicas.
    Floor {
        /// The window.
        window: String,
        /// Its fewest.
        min: i32,
        /// When it opens, if it is not open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opens: Option<Timestamp>,
    },
    /// A window is open: at most its most replicas.
    Ceiling {
        /// The window.
        window: String,
        /// Its most.
        max: i32,
        /// What a window asks for at least, if that is more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<i32>,
    },
}

/// Subject, measure and rule.
pub(crate) fn words(step: &AnticipateStep) -> (String, String, String) {
    let plain = |rule: String| (String::new(), String::new(), rule);
    match step {
        AnticipateStep::LeadTime { lead_time, starts } => {
            plain(format!("a start takes {lead_time}, by the last {starts}"))
        }
        AnticipateStep::OnTheWay { starting, asked, growth, limit } => {
            let load = match growth.map(Finite::get) {
                Some(1.0) => ", and the load has not grown".to_string(),
                Some(growth) => format!(", and the load is {growth:.2} times that of then"),
                None => String::new(),
            };
            plain(format!("{starting} on the way of {asked}{load}: at most {limit}"))
        }
        AnticipateStep::BeyondTheLoad { takes, limit } => {
            plain(format!("the load takes {takes}: at most {limit} at first"))
        }
        AnticipateStep::JustReady { limit } => {
            plain(format!("what was asked for is at work: at most {limit}"))
        }
        AnticipateStep::NotEnough { asked, limit } => {
            plain(format!("{asked} are not enough: at most {limit}"))
        }
        AnticipateStep::Forecast { name, model, at, point, load, target, .. } => {
            let measure = format!("{} of {}", number(*load), number(*target));
            let margin = load.get() - point.get();
            let rule = match margin {
                0.0 => format!("expected by {at} ({})", model_word(*model)),
                _ => format!("expected by {at} ({}, {margin:+.2})", model_word(*model)),
            };
            (name.clone(), measure, rule)
        }
        AnticipateStep::ForecastIgnored { name, why } => {
            let rule = match why {
                IgnoredReason::Learning => "no forecast: too few have come due",
                IgnoredReason::Stale => "no forecast: nothing was seen for a lead time",
                IgnoredReason::WorseThanNaive => "no forecast: no model beats the load of now",
            };
            (name.clone(), String::new(), rule.to_string())
        }
        AnticipateStep::Floor { window, min, opens: None } => {
            plain(format!("`{window}` is open: at least {min}"))
        }
        AnticipateStep::Floor { window, min, opens: Some(opens) } => {
            plain(format!("`{window}` opens at {opens}: at least {min}"))
        }
        AnticipateStep::Ceiling { window, max, at_least: None } => {
            plain(format!("`{window}` is open: at most {max}"))
        }
        AnticipateStep::Ceiling { window, max, at_least: Some(least) } => {
            plain(format!("`{window}` is open: at most {max}, but another asks for {least}"))
        }
    }
}

fn model_word(model: ForecastModel) -> &'static str {
    match model {
        ForecastModel::Naive => "naive",
        ForecastModel::SeasonalNaive => "seasonal naive",
        ForecastModel::DampedTrend => "damped trend",
        ForecastModel::HoltWinters => "Holt-Winters",
        ForecastModel::LocalTrend => "local trend",
    }
}

fn number(value: Finite) -> String {
    let text = format!("{:.3}", value.get());
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
