//! What Knative remembers of a workload, and how it takes in what is observed.

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::autoscaler::AutoscalerState;
use super::delay::DelayWindow;
use super::revision::Revision;
use super::window::{Buckets, second_of};
use crate::float::from_i64;
use crate::observation::{MetricReading, Unavailable};
use crate::policy::KnativeSettings;

/// Everything that the `knative` strategy remembers: the load of the last seconds, the autoscaler's
/// panic and delay, and how far the revision has come.
///
/// Its size is that of the two windows, one number per second, and of the delay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KnativeState {
    /// Up to when the load was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_until: Option<Timestamp>,
    stable: Buckets,
    panic: Buckets,
    pub(super) autoscaler: AutoscalerState,
    pub(super) revision: Revision,
}

/// The load's averages over the two windows.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Averages {
    pub(super) stable: f64,
    pub(super) panic: f64,
}

impl KnativeState {
    /// Knative at its start, with so many replicas ready.
    pub(super) fn new(settings: &KnativeSettings, now: Timestamp, ready: i32) -> Self {
        Self {
            taken_until: None,
            stable: Buckets::new(seconds(settings.autoscaler.stable_window)),
            panic: Buckets::new(seconds(settings.panic_window)),
            autoscaler: AutoscalerState::new(&settings.autoscaler, now, ready),
            revision: Revision::new(now),
        }
    }

    /// Takes a reading in and returns the averages at `now`.
    ///
    /// # Errors
    ///
    /// Why there are none: the metric can't be read, which changes nothing, or nothing was counted
    /// for longer than the stable window. Where the activator is always in the path it would have
    /// counted, so nothing counted means no load.
    pub(super) fn averages(
        &mut self,
        settings: &KnativeSettings,
        reading: &MetricReading,
        now: Timestamp,
    ) -> Result<Averages, Unavailable> {
        self.stable.resize(seconds(settings.autoscaler.stable_window), now);
        self.panic.resize(seconds(settings.panic_window), now);
        match reading {
            MetricReading::Unavailable(why) => return Err(*why),
            MetricReading::PerPod(_) => return Err(Unavailable::Invalid),
            MetricReading::Total(milli) => self.take_total(*milli, now),
            MetricReading::Totals(values) => {
                self.take_total(
                    values.iter().fold(0, |sum, milli| sum.saturating_add(*milli)),
                    now,
                );
            }
            MetricReading::Series(sources) => {
                let until = self.taken_until;
                let fresh = |at: Timestamp| at <= now && until.is_none_or(|until| at > until);
                for point in sources.iter().flatten().filter(|point| fresh(point.at)) {
                    self.record(point.at, units(point.milli));
                }
            }
        }
        self.taken_until = self.taken_until.max(Some(now));
        if self.stable.is_empty(now) && settings.autoscaler.target_burst_capacity != -1.0 {
            return Err(Unavailable::Missing);
        }
        let average = |window: &Buckets| window.average(settings.aggregation, now);
        Ok(Averages { stable: average(&self.stable), panic: average(&self.panic) })
    }

    /// How many bytes its lists take.
    pub(crate) fn list_bytes(&self) -> usize {
        let delay = self.autoscaler.delay().map_or(0, DelayWindow::heap_bytes);
        self.stable.heap_bytes() + self.panic.heap_bytes() + delay
    }

    /// A plain value holds for every second since the last one, as far as the window goes, and for
    /// this one.
    fn take_total(&mut self, milli: i64, now: Timestamp) {
        let this = second_of(now);
        let first = match self.taken_until {
            None => this,
            Some(until) => second_of(until)
                .saturating_add(1)
                .max(this.saturating_sub(self.stable.window() - 1)),
        };
        for second in first..=this {
            self.record(Timestamp::from_secs(second), units(milli));
        }
    }

    fn record(&mut self, at: Timestamp, value: f64) {
        self.stable.record(at, value);
        self.panic.record(at, value);
    }
}

fn units(milli: i64) -> f64 {
    from_i64(milli) / 1000.0
}

/// Whole seconds of a window.
fn seconds(window: Span) -> u16 {
    u16::try_from((window.as_millis() / 1000).max(0)).unwrap_or(u16::MAX)
}
