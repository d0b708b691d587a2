//! The rules that turn load into a wanted count, each in a module of its own.

pub mod hpa;

use serde::{Deserialize, Serialize};

use crate::decision::Outcome;

/// What the strategy has to say.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sized {
    /// This many, by the metric at `winner`.
    Wanted {
        /// The count; never negative.
        replicas: i32,
        /// The metric that proposed it.
        winner: u32,
        /// [`Outcome::Decided`] or [`Outcome::PartiallyDecided`].
        outcome: Outcome,
    },
    /// Nothing: not enough is known, or the workload is switched off.
    Nothing(Outcome),
}

/// What a strategy remembers beside recommendations and scale events.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum StrategyState {}
