//! What is fed into a test: the series of its metrics, and what its replicas do.

use trimtab_metric::Span;

use super::Sample;
use crate::feed::Given;

/// The series of one name.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MetricInput {
    /// Without labels.
    pub plain: Option<Vec<Sample>>,
    /// Of single replicas, by their numbers.
    pub of_replicas: Vec<(u32, Vec<Sample>)>,
    /// With other labels.
    pub labelled: Vec<Vec<Sample>>,
}

impl MetricInput {
    /// What it gives at a step.
    pub fn at(&self, step: u64) -> Given {
        let plain = || self.plain.as_ref().map(|samples| sample(samples, step));
        if !self.labelled.is_empty() {
            let labelled = self.labelled.iter().map(|samples| sample(samples, step));
            return Given::Several(plain().into_iter().chain(labelled).collect());
        }
        let others = plain().unwrap_or(Sample::Missing);
        if self.of_replicas.is_empty() {
            return Given::One(others);
        }
        let own = self.of_replicas.iter().map(|(number, samples)| (*number, sample(samples, step)));
        Given::Own { own: own.collect(), others }
    }

    /// How many series it is made of.
    pub(super) fn series(&self) -> usize {
        self.labelled.len().saturating_add(self.of_replicas.len()).saturating_add(1)
    }

    /// How many steps it has values for.
    pub(super) fn len(&self) -> u64 {
        let own = self.of_replicas.iter().map(|(_, samples)| samples);
        let all = self.plain.iter().chain(own).chain(&self.labelled);
        all.map(|samples| samples.len() as u64).max().unwrap_or(0)
    }
}

/// Behind its last value, a series is missing.
fn sample(samples: &[Sample], step: u64) -> Sample {
    let at = usize::try_from(step).ok().and_then(|step| samples.get(step));
    at.copied().unwrap_or(Sample::Missing)
}

/// Counts, step by step; what is behind the last one is as the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountSeries {
    /// A count per step; nothing where it is unknown.
    pub counts: Vec<Option<u32>>,
}

impl CountSeries {
    /// The count at a step.
    pub fn at(&self, step: u64) -> Option<u32> {
        let at = usize::try_from(step).ok().and_then(|step| self.counts.get(step));
        at.or(self.counts.last()).copied().flatten()
    }
}

/// When replicas are ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// So long after they were asked for.
    After(Span),
    /// So many, the oldest first.
    Counts(CountSeries),
}

/// What the replicas do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetInput {
    /// What is observed, whatever is decided; nothing where decisions are carried out.
    pub replicas: Option<CountSeries>,
    /// When they are ready.
    pub ready: Ready,
    /// How many are not ready any more.
    pub unready: CountSeries,
    /// Requests that all of them serve, each, …
    pub in_flight: Option<CountSeries>,
    /// … or single ones, by their numbers.
    pub own_in_flight: Vec<(u32, CountSeries)>,
    /// The warm pool: ready and starting.
    pub warm: Option<(CountSeries, CountSeries)>,
    /// Node pools by name: free, allocatable and coming GPUs, and coming nodes.
    pub pools: Vec<(String, [Option<CountSeries>; 4])>,
}

impl Default for FleetInput {
    fn default() -> Self {
        Self {
            replicas: None,
            ready: Ready::After(Span::ZERO),
            unready: CountSeries::default(),
            in_flight: None,
            own_in_flight: Vec::new(),
            warm: None,
            pools: Vec::new(),
        }
    }
}
