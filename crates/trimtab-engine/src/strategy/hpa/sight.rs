//! What an HPA sees: an observation, or what stands for parts of it.

use trimtab_metric::Timestamp;

use crate::observation::{MetricReading, Observation, PodTable, Selector};

/// What the HPA looks at beside the counts.
///
/// Its metrics are those of the policy, in order; or, for an HPA that another autoscaler generates,
/// some of them, with readings of that autoscaler's.
#[derive(Copy, Clone)]
pub(crate) struct Sight<'a> {
    pub(crate) now: Timestamp,
    pub(crate) selector: Selector,
    pub(crate) pods: &'a PodTable,
    observation: &'a Observation,
    generated: Option<Generated<'a>>,
}

/// The metrics of a generated HPA.
#[derive(Copy, Clone)]
pub(crate) struct Generated<'a> {
    /// Which of the policy's metrics each is.
    pub(crate) places: &'a [u32],
    /// What it gets instead of the reading that was observed.
    pub(crate) answers: &'a [Option<MetricReading>],
}

impl<'a> Sight<'a> {
    pub(crate) fn new(observation: &'a Observation) -> Self {
        let Observation { now, selector, ref pods, .. } = *observation;
        Self { now, selector, pods, observation, generated: None }
    }

    pub(crate) fn generated(observation: &'a Observation, generated: Generated<'a>) -> Self {
        Self { generated: Some(generated), ..Self::new(observation) }
    }

    /// Which of the policy's metrics the one at `index` is.
    pub(super) fn place(&self, index: u32) -> u32 {
        let places = self.generated.map(|generated| generated.places);
        places.and_then(|places| places.get(index as usize)).copied().unwrap_or(index)
    }

    /// The reading of the metric at `index`.
    pub(super) fn reading(&self, index: u32) -> &'a MetricReading {
        let answers = self.generated.map(|generated| generated.answers);
        let answer = answers.and_then(|answers| answers.get(index as usize)?.as_ref());
        answer.unwrap_or_else(|| self.observation.reading(self.place(index) as usize))
    }
}
