//! Stage 1, sense: what do we know of the pods, metric by metric, and what is missing?

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::observation::{PodReadings, PodTable, Readiness, Standing, Startup, Taken};

/// What one pod is to one metric.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PodClass {
    /// Terminating or failed: as if it were not there.
    Ignored,
    /// On its way: pending, or (for CPU) too young for its sample to be trusted.
    Unready,
    /// It should have reported and did not.
    Missing,
    /// It reported.
    Measured,
}

/// How many pods are of which class.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// Reported.
    pub measured: u32,
    /// Pending or too young.
    pub unready: u32,
    /// Did not report.
    pub missing: u32,
    /// Terminating or failed.
    pub ignored: u32,
}

/// When a pod's CPU use says nothing yet: it starts up, and starting up takes CPU.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct CpuReadiness {
    /// The time of the decision.
    pub now: Timestamp,
    /// For how long after its start a pod is young.
    pub initialization_period: Span,
    /// A pod that turned not ready within this time of its start counts as never having been ready.
    pub readiness_delay: Span,
}

impl CpuReadiness {
    /// Whether the sample is not to be trusted. While the pod is young, it has to be ready and the
    /// sample's window has to lie behind the moment it became so; later, only a pod that was never
    /// ready is left out.
    pub(crate) fn distrusts(self, pod: Startup, sample: Taken) -> bool {
        let grown = pod.start_time.saturating_add(self.initialization_period) <= self.now;
        if grown && pod.readiness == Readiness::True {
            return false;
        }
        if pod.start_time == Startup::NOT_STARTED || pod.readiness == Readiness::Absent {
            return true;
        }
        let not_ready = pod.readiness == Readiness::False;
        if grown {
            not_ready && pod.start_time.saturating_add(self.readiness_delay) > pod.ready_since
        } else {
            not_ready || sample.at < pod.ready_since.saturating_add(sample.window)
        }
    }
}

/// The class and the amount of each pod for one metric, in the table's order.
///
/// `cpu` is given for the resource `cpu` alone: no other metric looks at readiness. Rows that the
/// readings do not reach count as not reported.
///
/// ```
/// use trimtab_engine::{PodClass, PodPhase, PodReadings, PodRow, PodTable, classify};
///
/// let mut pods = PodTable::default();
/// let mut readings = PodReadings::default();
/// pods.push(PodRow::default());
/// readings.push_milli(700);
/// pods.push(PodRow { phase: PodPhase::Pending, ..PodRow::default() });
/// pods.push(PodRow::default());
/// let classes: Vec<PodClass> = classify(&pods, &readings, None).map(|(class, _)| class).collect();
/// assert_eq!(classes, [PodClass::Measured, PodClass::Unready, PodClass::Missing]);
/// ```
pub fn classify<'a>(
    pods: &'a PodTable,
    readings: &'a PodReadings,
    cpu: Option<CpuReadiness>,
) -> impl Iterator<Item = (PodClass, i64)> + 'a {
    classify_by(pods, readings, move |pod, taken| cpu.is_some_and(|cpu| cpu.distrusts(pod, taken)))
}

/// [`classify`], with the rule that says which sample is not to be trusted.
pub(crate) fn classify_by<'a>(
    pods: &'a PodTable,
    readings: &'a PodReadings,
    distrusts: impl Fn(Startup, Taken) -> bool + 'a,
) -> impl Iterator<Item = (PodClass, i64)> + 'a {
    let (milli, reported, taken) = readings.columns();
    let reached = pods.standing().iter().zip(pods.startup());
    let reached = reached.zip(milli).zip(reported).zip(taken).map(
        move |((((standing, startup), milli), reported), taken)| {
            let class = match standing {
                Standing::Ignored => PodClass::Ignored,
                Standing::Pending => PodClass::Unready,
                Standing::Live if !*reported => PodClass::Missing,
                Standing::Live if distrusts(startup, *taken) => PodClass::Unready,
                Standing::Live => PodClass::Measured,
            };
            (class, *milli)
        },
    );
    let unreached = pods.standing().iter().skip(milli.len()).map(|standing| match standing {
        Standing::Ignored => (PodClass::Ignored, 0),
        Standing::Pending => (PodClass::Unready, 0),
        Standing::Live => (PodClass::Missing, 0),
    });
    reached.chain(unreached)
}

impl PodCounts {
    pub(crate) fn add(&mut self, class: PodClass) {
        let count = match class {
            PodClass::Ignored => &mut self.ignored,
            PodClass::Unready => &mut self.unready,
            PodClass::Missing => &mut self.missing,
            PodClass::Measured => &mut self.measured,
        };
        *count = count.saturating_add(1);
    }
}
