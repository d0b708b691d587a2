//! The rules that turn load into a wanted count, each in a module of its own.

pub mod apa;
pub mod hpa;
pub mod keda;
pub mod knative;
mod one_total;
pub mod ray_serve;
pub mod slo;
pub mod wva;

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use self::apa::ApaState;
use self::keda::KedaState;
use self::knative::KnativeState;
use self::ray_serve::RayServeState;
use self::slo::SloState;
use self::wva::WvaState;
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
pub enum StrategyState {
    /// Of `keda`.
    Keda(Box<KedaState>),
    /// Of `knative`.
    Knative(Box<KnativeState>),
    /// Of `rayServe`.
    RayServe(Box<RayServeState>),
    /// Of `slo`.
    Slo(Box<SloState>),
    /// Of `wva`.
    Wva(Box<WvaState>),
    /// Of `apa`.
    Apa(Box<ApaState>),
}

impl StrategyState {
    /// How many bytes it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Keda(own) => size_of::<KedaState>() + own.list_bytes(),
            Self::Knative(own) => size_of::<KnativeState>() + own.list_bytes(),
            Self::RayServe(_) => size_of::<RayServeState>(),
            Self::Slo(own) => size_of::<SloState>() + own.list_bytes(),
            Self::Wva(own) => size_of::<WvaState>() + own.list_bytes(),
            Self::Apa(own) => size_of::<ApaState>() + own.list_bytes(),
        }
    }
}
