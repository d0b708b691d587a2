//! The pods as columns: what the decision asks of a pod, one dense array per question.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::PodDetails;

/// One pod as it is added to a [`PodTable`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRow {
    /// Its phase.
    pub phase: PodPhase,
    /// It has a deletion timestamp.
    pub terminating: bool,
    /// When the kubelet took it on, if it has.
    pub start_time: Option<Timestamp>,
    /// Its first `Ready` condition, if it has one.
    pub readiness: Readiness,
    /// When that condition last changed.
    pub ready_since: Timestamp,
    /// What only some stages ask for.
    pub details: PodDetails,
}

/// A pod's phase. A phase that is not known counts as [`PodPhase::Unknown`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PodPhase {
    /// Not all containers have started.
    Pending,
    /// At least one container runs.
    #[default]
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one badly.
    Failed,
    /// The node can't be asked.
    #[serde(other)]
    Unknown,
}

/// A pod's `Ready` condition.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Readiness {
    /// There is no such condition.
    #[default]
    Absent,
    /// `True`
    True,
    /// `False`
    False,
    /// `Unknown`
    Unknown,
}

/// What a pod is to every metric, whatever that metric says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Terminating or failed: as if it were not there.
    Ignored,
    /// Pending: on its way, not yet measured.
    Pending,
    /// Everything else.
    Live,
}

/// How far a pod's start has come.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Startup {
    pub(crate) readiness: Readiness,
    /// [`Startup::NOT_STARTED`] for a pod that no kubelet has taken on.
    pub(crate) start_time: Timestamp,
    pub(crate) ready_since: Timestamp,
}

impl Startup {
    /// Later than any start.
    pub(crate) const NOT_STARTED: Timestamp = Timestamp::MAX;
}

/// The pods of a target, one row each, in columns.
///
/// ```
/// use trimtab_engine::{PodRow, PodTable, Readiness};
///
/// let mut pods = PodTable::default();
/// pods.push(PodRow { readiness: Readiness::True, ..PodRow::default() });
/// pods.push(PodRow { terminating: true, readiness: Readiness::True, ..PodRow::default() });
/// assert_eq!((pods.len(), pods.running_and_ready()), (2, 2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTable {
    standing: Vec<Standing>,
    readiness: Vec<Readiness>,
    start_time: Vec<Timestamp>,
    ready_since: Vec<Timestamp>,
    /// Up to the last pod that has any.
    details: Vec<PodDetails>,
    running_and_ready: usize,
}

impl PodTable {
    /// An empty table with room for `rows` pods.
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            standing: Vec::with_capacity(rows),
            readiness: Vec::with_capacity(rows),
            start_time: Vec::with_capacity(rows),
            ready_since: Vec::with_capacity(rows),
            details: Vec::new(),
            running_and_ready: 0,
        }
    }

    /// Adds a pod and returns its row.
    pub fn push(&mut self, pod: PodRow) -> usize {
        let standing = if pod.terminating || pod.phase == PodPhase::Failed {
            Standing::Ignored
        } else if pod.phase == PodPhase::Pending {
            Standing::Pending
        } else {
            Standing::Live
        };
        if pod.phase == PodPhase::Running && pod.readiness == Readiness::True {
            self.running_and_ready += 1;
        }
        self.standing.push(standing);
        self.readiness.push(pod.readiness);
        self.start_time.push(pod.start_time.unwrap_or(Startup::NOT_STARTED));
        self.ready_since.push(pod.ready_since);
        if pod.details != PodDetails::default() {
            self.details.resize(self.standing.len() - 1, PodDetails::default());
            self.details.push(pod.details);
        }
        self.standing.len() - 1
    }

    /// Forgets all pods and keeps the memory.
    pub fn clear(&mut self) {
        self.standing.clear();
        self.readiness.clear();
        self.start_time.clear();
        self.ready_since.clear();
        self.details.clear();
        self.running_and_ready = 0;
    }

    /// How many pods there are, in whatever phase.
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// How many are `Running` with `Ready` = `True`. Terminating ones count too, as for the HPA.
    pub fn running_and_ready(&self) -> usize {
        self.running_and_ready
    }

    /// How many are ready, without those that terminate, failed or have not started.
    pub(crate) fn ready(&self) -> usize {
        self.standing
            .iter()
            .zip(&self.readiness)
            .filter(|pod| *pod == (&Standing::Live, &Readiness::True))
            .count()
    }

    /// The starts of the pods that neither terminate nor failed, pending ones included.
    pub(crate) fn live_startup(&self) -> impl Iterator<Item = Startup> + '_ {
        let counts = |standing: &Standing| *standing != Standing::Ignored;
        self.standing.iter().zip(self.startup()).filter(move |pod| counts(pod.0)).map(|pod| pod.1)
    }

    /// The pods that neither terminate nor failed: whether each still waits for a node, and its details.
    pub(crate) fn placements(&self) -> impl Iterator<Item = (bool, PodDetails)> + '_ {
        let rows = self.standing.iter().zip(&self.start_time).enumerate();
        rows.filter(|(_, (standing, _))| **standing != Standing::Ignored).map(
            |(row, (standing, start_time))| {
                let details = self.details(row);
                let taken_on = *start_time != Startup::NOT_STARTED || details.node.is_some();
                (*standing == Standing::Pending && !taken_on, details)
            },
        )
    }

    /// What is known of the pod in `row` beside its start; nothing of a row that is not there.
    pub fn details(&self, row: usize) -> PodDetails {
        self.details.get(row).copied().unwrap_or_default()
    }

    /// The pods that take no new work and stay until they are told to go: row and since when.
    pub(crate) fn draining(&self) -> impl Iterator<Item = (usize, Timestamp)> + '_ {
        let rows = self.standing.iter().zip(&self.details).enumerate();
        rows.filter(|(_, (standing, _))| **standing != Standing::Ignored)
            .filter_map(|(row, (_, details))| Some((row, details.draining_since?)))
    }

    /// Whether the pod in `row` stands beyond the count, where replicas leave in order: it goes,
    /// whatever is decided now.
    pub(crate) fn is_beyond(&self, row: usize, replicas: i32) -> bool {
        let count = u32::try_from(replicas).unwrap_or(0);
        self.details(row).ordinal.is_some_and(|ordinal| ordinal >= count)
    }

    /// From now on the pod in `row` is no capacity, ready or on its way; with `keeps_load`, what it
    /// serves still counts.
    pub(crate) fn set_aside(&mut self, row: usize, keeps_load: bool) {
        let (Some(standing), Some(readiness), Some(start)) =
            (self.standing.get_mut(row), self.readiness.get_mut(row), self.start_time.get_mut(row))
        else {
            return;
        };
        if *standing == Standing::Live && *readiness == Readiness::True {
            self.running_and_ready = self.running_and_ready.saturating_sub(1);
        }
        if !keeps_load {
            *standing = Standing::Ignored;
        }
        *readiness = Readiness::False;
        *start = Startup::NOT_STARTED;
    }

    pub(crate) fn standing(&self) -> &[Standing] {
        &self.standing
    }

    pub(crate) fn startup(&self) -> impl Iterator<Item = Startup> + '_ {
        self.readiness.iter().zip(&self.start_time).zip(&self.ready_since).map(
            |((&readiness, &start_time), &ready_since)| Startup {
                readiness,
                start_time,
                ready_since,
            },
        )
    }
}
