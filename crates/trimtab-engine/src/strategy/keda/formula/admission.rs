//! What KEDA puts around expr: the cast to float, the trial with -1, and the cut to thousandths.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;

use super::error::{EvaluationError, EvaluationProblem, FormulaError, FormulaErrorKind, Place};
use super::value::Value;
use super::{Formula, LONGEST_FORMULA, check, evaluate, parse, residue, simplify};

/// A number in thousandths, the rest cut off; none if it is not finite or too large.
///
/// ```
/// use trimtab_engine::strategy::keda::to_milli;
///
/// assert_eq!(to_milli(4.052), Some(4051));
/// assert_eq!(to_milli(f64::NAN), None);
/// ```
#[must_use]
pub fn to_milli(value: f64) -> Option<i64> {
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    let thousandths = value * 1000.0;
    (-EDGE..EDGE).contains(&thousandths).then(|| crate::float::to_i64(thousandths))
}

pub(super) fn admit(text: &str, names: &[&str]) -> Result<Formula, FormulaError> {
    let whole = Place { start: 0, end: text.len() };
    if text.is_empty() {
        return Err(FormulaError::invalid(whole, "the formula is empty"));
    }
    if text.len() > LONGEST_FORMULA {
        let message = format!("the formula is longer than {LONGEST_FORMULA} bytes");
        return Err(FormulaError::too_large(whole, message));
    }
    let (prefix, wrapped) = wrapped(text);
    let compiled = compile(&wrapped, prefix + text.len(), names)
        .map_err(|error| error.inside(prefix, text.len()))?;
    let formula = Formula {
        text: text.into(),
        names: names.iter().map(|name| (*name).into()).collect(),
        prefix,
        root: Arc::new(compiled),
    };
    try_out(&formula, names.len())?;
    Ok(formula)
}

/// The text as KEDA compiles it, and how many bytes stand before it.
fn wrapped(text: &str) -> (usize, String) {
    const RESULT: &str = "let _kedaCompositeResult = ";
    let (before, after) = if text.contains("??") {
        if text.starts_with(RESULT) {
            ("", "")
        } else {
            const CAST: &str = "); _kedaCompositeResult == nil ? nil : float(_kedaCompositeResult)";
            ("let _kedaCompositeResult = (", CAST)
        }
    } else if text.starts_with("float(") {
        ("", "")
    } else {
        ("float(", ")")
    };
    (before.len(), [before, text, after].concat())
}

fn compile(text: &str, end: usize, names: &[&str]) -> Result<super::Node, FormulaError> {
    let mut root = parse::parse(text, end, names)?;
    check::check(&mut root, names)?;
    simplify::simplify(&mut root)?;
    residue::leaves_residue(&root)?;
    Ok(root)
}

/// KEDA runs a formula once with -1 for every trigger, and only wants no error.
fn try_out(formula: &Formula, triggers: usize) -> Result<(), FormulaError> {
    let dummies = vec![Some(-1.0); triggers];
    match evaluate::evaluate(&formula.root, &dummies) {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = error.inside(formula.prefix, formula.text.len());
            let message = format!("{error}, when it is tried with -1 for every trigger");
            let kind = match error.problem() {
                EvaluationProblem::TooManySteps { .. }
                | EvaluationProblem::TooManyItems { .. }
                | EvaluationProblem::TooDeep { .. } => FormulaErrorKind::TooLarge,
                EvaluationProblem::UnclearOrder => FormulaErrorKind::Unsupported,
                _ => FormulaErrorKind::Fails,
            };
            Err(FormulaError::new(kind, error.place(), message))
        }
    }
}

/// The value that KEDA would publish.
pub(super) fn evaluate(
    formula: &Formula,
    values: &[Option<f64>],
) -> Result<Option<f64>, EvaluationError> {
    let length = formula.text.len();
    let value = evaluate::evaluate(&formula.root, values)
        .map_err(|error| error.inside(formula.prefix, length))?;
    let problem = match value {
        Value::Nil => return Ok(None),
        Value::Float(value) if to_milli(value).is_some() => return Ok(Some(value)),
        Value::Float(_) => EvaluationProblem::NoAmount,
        other => EvaluationProblem::NotAFloat { given: other.describe() },
    };
    Err(EvaluationError::new(Place { start: 0, end: length }, problem))
}
