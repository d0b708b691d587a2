//! How `slo` samples its demands by itself, instead of reading them where they are scraped.

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use crate::policy::Finite;
use crate::policy::strategy::Sampling;

/// Demands of the whole service are sampled, every few seconds, and a decision follows each sample.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20, "strategy": "slo",
///         "metrics": [{"type": "External", "external": {"metric": {"name": "requests_per_second"},
///             "target": {"type": "AverageValue", "averageValue": "7"}}}],
///         "slo": {"sampling": {"intervalSeconds": 5}}}"#,
/// )?)?;
/// assert_eq!(policy.period().to_string(), "5s");
/// let sampling = policy.sampling().ok_or("it samples")?;
/// assert_eq!(sampling.look_back.to_string(), "1m");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloSamplingSpec {
    /// From one sample to the next, in seconds, 1 to 60. Default 2. Without `hpa.syncPeriodSeconds` it is
    /// also how often is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<i32>,
    /// What the load is averaged over, in seconds, from `intervalSeconds` to 600. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<i32>,
    /// What a growth is looked for in: the last seconds of the window, from `intervalSeconds` to
    /// `windowSeconds`. Default: a tenth of the lead time, from 6 to 60 and at most half of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_seconds: Option<i32>,
    /// How many times what a stretch varies by when nothing changes may be chance: it is subtracted from
    /// what the last stretches read. What they vary by is learned. 0 to 10, default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Finite>,
    /// What the last stretches read counts where it is more than the replicas that are ready can take, in
    /// percent of what their target says. A target is far below what a replica can do, and a fleet may
    /// be left to bear a burst. 100 to 1000, default 100; 200 is what Knative begins to panic at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_threshold_percent: Option<i32>,
}

/// [`SloSamplingSpec`] with the defaults filled in.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct SloSampling {
    /// From one sample to the next.
    pub interval: Span,
    /// What the load is averaged over.
    pub window: Span,
    /// The end of the window in which a growth is looked for.
    pub recent: Span,
    /// How many times what a stretch varies by may be chance.
    pub noise: f64,
    /// What a replica that is ready bears of a burst, as a multiple of its target.
    pub burst_threshold: f64,
}

/// Seconds where the policy does not say.
pub(in crate::policy) const INTERVAL: i32 = 2;
pub(in crate::policy) const WINDOW: i32 = 60;
const RECENT: (i32, i32) = (6, 60);

impl SloSampling {
    /// As a host has to sample: it tells at once, and the whole window every time.
    pub(in crate::policy) fn rhythm(self) -> Sampling {
        Sampling { interval: self.interval, report_interval: self.interval, look_back: self.window }
    }
}

impl SloSamplingSpec {
    /// A growth is believed once it has lasted for a tenth of what a start takes: sooner saves little
    /// of the delay, and a burst is over before the replicas are there.
    pub(super) fn settings(&self, lead_time: Span) -> SloSampling {
        let seconds = |value: i32| Span::from_secs(i64::from(value));
        let interval = self.interval_seconds.unwrap_or(INTERVAL);
        let window = self.window_seconds.unwrap_or(WINDOW);
        let tenth = i32::try_from(lead_time.as_millis() / 10_000).unwrap_or(i32::MAX);
        let lasting = tenth.clamp(RECENT.0, RECENT.1).min(window / 2).max(interval).min(window);
        SloSampling {
            interval: seconds(interval),
            window: seconds(window),
            recent: seconds(self.recent_seconds.unwrap_or(lasting)),
            noise: self.noise.map_or(3.0, Finite::get),
            burst_threshold: f64::from(self.burst_threshold_percent.unwrap_or(100)) / 100.0,
        }
    }
}
