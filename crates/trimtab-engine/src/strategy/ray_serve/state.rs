//! What Ray Serve remembers of a deployment, and how many requests an observation tells of.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::{Sample, Streak, TimeUnit, aggregate};
use crate::float::from_i64;
use crate::observation::{MetricReading, Point, Unavailable};
use crate::policy::RayServeSettings;

/// Everything that the `rayServe` strategy remembers. That it is there at all says that the deployment
/// has been registered: the count to begin with has been decided.
///
/// Its size is fixed. Samples are not part of it: every observation brings those of the look-back
/// period.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RayServeState {
    /// For how long a change has been wanted.
    #[serde(default)]
    pub streak: Streak,
}

/// The ongoing requests of the whole deployment.
///
/// A total is taken as it is. A series is aggregated as Ray's controller does: every point that is
/// handed over counts, however old it has become since it was reported, and no point at all is no
/// request. What Ray's handles and replicas drop before they report, points that are older than the
/// look-back period, is dropped as seen from the newest point of a source, so that nothing goes that Ray
/// would keep.
///
/// # Errors
///
/// Why the requests are not known.
pub(super) fn ongoing(
    settings: &RayServeSettings,
    reading: &MetricReading,
    now: Timestamp,
) -> Result<f64, Unavailable> {
    match reading {
        MetricReading::Unavailable(why) => Err(*why),
        MetricReading::PerPod(_) => Err(Unavailable::Invalid),
        MetricReading::Total(milli) => Ok(units(*milli)),
        MetricReading::Totals(values) if values.is_empty() => Err(Unavailable::Missing),
        MetricReading::Totals(values) => {
            Ok(units(values.iter().fold(0, |sum, milli| sum.saturating_add(*milli))))
        }
        MetricReading::Series(sources) => {
            let sources: Vec<Vec<Sample>> =
                sources.iter().map(|points| samples(settings, points)).collect();
            let now = from_i64(now.as_millis());
            let total = aggregate(&sources, now, TimeUnit::Milliseconds, settings.aggregation);
            Ok(total.unwrap_or(0.0))
        }
    }
}

fn samples(settings: &RayServeSettings, points: &[Point]) -> Vec<Sample> {
    let newest = points.iter().map(|point| point.at).max();
    let oldest = newest.map(|newest| newest.saturating_sub(settings.look_back_period));
    let kept = points.iter().filter(|point| oldest.is_none_or(|oldest| point.at > oldest));
    let sample =
        |point: &Point| Sample { at: from_i64(point.at.as_millis()), value: units(point.milli) };
    kept.map(sample).collect()
}

fn units(milli: i64) -> f64 {
    from_i64(milli) / 1000.0
}
