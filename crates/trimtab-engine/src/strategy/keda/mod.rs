//! KEDA: triggers with an activation threshold each, and a formula over them.

mod formula;

pub use formula::{
    EvaluationError, EvaluationProblem, Formula, FormulaError, FormulaErrorKind, LONGEST_FORMULA,
    MOST_ITEMS, MOST_NESTING, MOST_NODES, MOST_STEPS, to_milli,
};
