//! KEDA: an executor between 0 and the minimum, and above it the HPA that KEDA generates.
//!
//! The rules are those of KEDA as of August 2026 (8b4f083), defects included. Its two loops have a
//! rhythm each; see [`KedaState`].

mod executor;
mod formula;
mod read;
mod state;
mod step;
mod tick;

pub use executor::{Action, ExecutorSettings, Poll, act};
pub use formula::{
    EvaluationError, EvaluationProblem, Formula, FormulaError, FormulaErrorKind, LONGEST_FORMULA,
    MOST_ITEMS, MOST_NESTING, MOST_NODES, MOST_STEPS, to_milli,
};
pub use state::{CachedRead, ExecutorChange, KedaState};
pub use step::{CompositeResult, KedaStep, TriggerRead};

pub(crate) use step::{reason_to_write, words};
pub(crate) use tick::{Execution, Tick};
