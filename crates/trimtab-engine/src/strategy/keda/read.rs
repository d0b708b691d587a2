//! What KEDA reads of a trigger, and what stands in for it when it cannot.

use trimtab_metric::Quantity;

use super::state::{CachedRead, KedaState};
use crate::float::{from_count, to_i64};
use crate::observation::{MetricReading, Observation, Scale, Unavailable};
use crate::policy::{FallbackBehavior, FallbackSpec, KedaSettings, Target};

/// What came of reading one trigger. Amounts are thousandths.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Its value, as it was observed.
    Value(i64),
    /// Its value at the last poll.
    Cached(i64),
    /// It has failed too often: the fallback's value.
    Fallback(i64),
    /// It has failed too often: nil in the formula.
    Nil,
    /// It failed.
    Failed(Unavailable),
}

/// What KEDA reports where a formula would see nil.
const PLACEHOLDER: i64 = -1000;

impl Read {
    /// The value that is reported, if any.
    pub(super) fn milli(self) -> Option<i64> {
        match self {
            Self::Value(milli) | Self::Cached(milli) | Self::Fallback(milli) => Some(milli),
            Self::Nil => Some(PLACEHOLDER),
            Self::Failed(_) => None,
        }
    }

    /// What the formula calculates with; nothing is nil.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Self::Nil => None,
            _ => self.milli().map(|milli| Quantity::from_milli(milli).approx_f64()),
        }
    }
}

/// Where reads come from and what they change.
pub(super) struct Reader<'a> {
    pub(super) settings: &'a KedaSettings,
    pub(super) memory: &'a mut KedaState,
    pub(super) observation: &'a Observation,
    pub(super) scale: Scale,
}

impl Reader<'_> {
    /// The executor's read of the trigger at `place`.
    pub(super) fn poll(&mut self, place: usize) -> Read {
        let raw = observed(self.observation.reading(place)).map(Read::Value);
        let read = self.with_fallback(place, raw);
        if self.settings.triggers.get(place).is_some_and(|trigger| trigger.use_cached_metrics)
            && let Some(cached) = self.memory.cached.get_mut(place)
        {
            *cached = Some(match read {
                Read::Failed(why) => CachedRead::Failed(why),
                read => CachedRead::Value(read.milli().unwrap_or(PLACEHOLDER)),
            });
        }
        read
    }

    /// The HPA's read of the trigger at `place`: of what the last poll found, where that is asked
    /// for. What stood in then counts as read now, so it ends a row of failures.
    pub(super) fn sync(&mut self, place: usize) -> Read {
        let raw = match self.memory.cached.get(place).copied().flatten() {
            Some(CachedRead::Value(milli)) => Ok(Read::Cached(milli)),
            Some(CachedRead::Failed(why)) => Err(why),
            None => observed(self.observation.reading(place)).map(Read::Value),
        };
        self.with_fallback(place, raw)
    }

    /// Counts failures; more of them than the threshold, and the fallback stands in.
    fn with_fallback(&mut self, place: usize, raw: Result<Read, Unavailable>) -> Read {
        let settings = self.settings;
        let (Some(fallback), Some(failures)) =
            (&settings.fallback, self.memory.failures.get_mut(place))
        else {
            return raw.unwrap_or_else(Read::Failed);
        };
        let why = match raw {
            Ok(read) => {
                *failures = 0;
                return read;
            }
            Err(why) => why,
        };
        *failures = failures.saturating_add(1);
        if *failures <= fallback.failure_threshold {
            return Read::Failed(why);
        }
        if fallback.behavior == FallbackBehavior::ScalingModifiers {
            return Read::Nil;
        }
        self.stand_in(fallback, place).map_or(Read::Failed(why), Read::Fallback)
    }

    /// The value at which the HPA asks for the fallback's count; nothing if that takes dividing by
    /// ready pods and there are none.
    fn stand_in(&self, fallback: &FallbackSpec, place: usize) -> Option<i64> {
        let (current, own) = (self.scale.spec_replicas, fallback.replicas);
        let replicas = match fallback.behavior {
            FallbackBehavior::Static | FallbackBehavior::ScalingModifiers => own,
            FallbackBehavior::CurrentReplicas => current,
            FallbackBehavior::CurrentReplicasIfHigher => current.max(own),
            FallbackBehavior::CurrentReplicasIfLower => current.min(own),
        };
        let (target, is_value) = self.target(place)?;
        let mut replicas = f64::from(replicas);
        if is_value {
            let ready = self.observation.pods.running_and_ready();
            if ready == 0 {
                return None;
            }
            replicas /= from_count(ready);
        }
        Some(to_i64(target * 1000.0 * replicas))
    }

    /// What the trigger's value should be, and whether that is for the whole. With a formula it is the
    /// composite metric's.
    fn target(&self, place: usize) -> Option<(f64, bool)> {
        if let Some(modifiers) = &self.settings.modifiers {
            return Some((modifiers.target, modifiers.is_value));
        }
        let number = |milli| Quantity::from_milli(milli).approx_f64();
        let inner = self.settings.places.iter().position(|it| usize::try_from(*it) == Ok(place))?;
        match self.settings.generated.metrics().get(inner)?.target() {
            Target::AverageValue { milli } => Some((number(milli), false)),
            Target::Value { milli } => Some((number(milli), true)),
            Target::Utilization { .. } | Target::Unusable => None,
        }
    }
}

/// The sum of what was observed of an External metric. No series is no value.
fn observed(reading: &MetricReading) -> Result<i64, Unavailable> {
    match reading {
        MetricReading::Unavailable(why) => Err(*why),
        MetricReading::Total(value) => Ok(*value),
        MetricReading::Totals(values) if !values.is_empty() => {
            Ok(values.iter().fold(0_i64, |sum, value| sum.saturating_add(*value)))
        }
        MetricReading::Totals(_) => Err(Unavailable::Missing),
        MetricReading::PerPod(_) | MetricReading::Series(_) => Err(Unavailable::Invalid),
    }
}
