//! How often requests may miss what was promised, and what is done about more or fewer that do.

use alloc::string::String;

use libm::log;
use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use crate::policy::Finite;

/// The error budget of a service: of all requests one less the objective may miss it. Where more do, every load
/// counts as more, and where fewer do as less, until over the window just so many do.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20, "strategy": "slo",
///         "metrics": [
///           {"type": "External", "external": {"metric": {"name": "requests_per_second"},
///             "target": {"type": "AverageValue", "averageValue": "7"}}},
///           {"type": "External", "external": {"metric": {"name": "attained_ratio"},
///             "target": {"type": "Value", "value": "990m"}}}],
///         "slo": {"errorBudget": {"attained": "attained_ratio", "objective": 0.99},
///           "signals": [{"metric": "attained_ratio", "role": "part"}]}}"#,
/// )?)?;
/// assert_eq!(policy.metrics().len(), 2);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloErrorBudgetSpec {
    /// The share of requests that kept the promise, 0 to 1, by the name of a metric that is none of a demand.
    pub attained: String,
    /// The share that is promised, above 0 and below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Finite>,
    /// Over how long it has to come out, in seconds, 60 to 2592000. Default 86400, a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<i32>,
    /// A load counts as at least so much of it, in percent, 10 to 100. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_percent: Option<Finite>,
    /// A load counts as at most so much of it, in percent, 100 to 1000. Default 160.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_percent: Option<Finite>,
}

/// [`SloErrorBudgetSpec`] with the defaults filled in.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct SloErrorBudget {
    /// The place of the metric.
    pub attained: Option<u32>,
    /// The share of requests that may miss.
    pub may_miss: f64,
    /// Over how long it has to come out.
    pub window: Span,
    /// The logarithms of what a load is multiplied by at least and at most.
    pub logs: (f64, f64),
}

/// Seconds and percent where the policy does not say.
const WINDOW: i32 = 86_400;
const LEAST: f64 = 60.0;
const MOST: f64 = 160.0;

impl SloErrorBudgetSpec {
    pub(super) fn settings(&self, place: impl Fn(&str) -> Option<u32>) -> SloErrorBudget {
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        let log_of = |percent: f64| log(percent / 100.0);
        SloErrorBudget {
            attained: place(&self.attained),
            may_miss: 1.0 - number(self.objective, 1.0),
            window: Span::from_secs(i64::from(self.window_seconds.unwrap_or(WINDOW))),
            logs: (
                log_of(number(self.least_percent, LEAST)),
                log_of(number(self.most_percent, MOST)),
            ),
        }
    }
}
