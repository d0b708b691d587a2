//! The formula of KEDA's `scalingModifiers`: its language, and what KEDA puts around it.
//!
//! The language is [expr](https://expr-lang.org) 1.17.8, the part about numbers, booleans and lists
//! of them. What is outside is refused with its place; what is inside has expr's value, down to the
//! bits, or is an error where expr has one.

mod admission;
mod check;
mod error;
mod evaluate;
mod function;
mod literal;
mod nature;
mod parse;
mod power;
mod residue;
mod simplify;
mod token;
mod tree;
mod value;

use alloc::boxed::Box;
use alloc::sync::Arc;

pub use admission::to_milli;
pub use error::{EvaluationError, EvaluationProblem, FormulaError, FormulaErrorKind};

use tree::Node;

/// The longest text of a formula, in bytes.
pub const LONGEST_FORMULA: usize = 4096;
/// How deep a formula is nested at most: parentheses, operators, calls.
pub const MOST_NESTING: usize = 64;
/// How many operands and operators a formula has at most.
pub const MOST_NODES: usize = 1024;
/// How many steps an evaluation takes at most: one for each operand, operator and item looked at.
pub const MOST_STEPS: u32 = 100_000;
/// How many items the lists that an evaluation makes have at most, together.
pub const MOST_ITEMS: u32 = 10_000;
/// How deep lists stand in lists at most.
const MOST_NESTED_LISTS: u8 = 16;

/// A formula that KEDA's admission lets pass, ready to be evaluated.
///
/// ```
/// use trimtab_engine::strategy::keda::Formula;
///
/// let formula = Formula::parse("count([rps, lag], {# > 10}) > 1 ? max(rps, lag) : 0", &["rps", "lag"])?;
/// assert_eq!(formula.evaluate(&[Some(12.0), Some(40.5)])?, Some(40.5));
/// assert_eq!(formula.evaluate(&[Some(12.0), Some(4.0)])?, Some(0.0));
///
/// // A trigger that has failed too often is nil.
/// let formula = Formula::parse("rps ?? lag", &["rps", "lag"])?;
/// assert_eq!(formula.evaluate(&[None, Some(3.0)])?, Some(3.0));
/// assert_eq!(formula.evaluate(&[None, None])?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Formula {
    text: Box<str>,
    names: Box<[Box<str>]>,
    /// What KEDA puts before the text.
    prefix: usize,
    root: Arc<Node>,
}

/// Formulas are equal if their texts and the triggers' names are.
impl PartialEq for Formula {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.names == other.names
    }
}

impl Eq for Formula {}

impl Formula {
    /// Reads a formula over triggers of these names, as KEDA does on admission: wrapped in
    /// `float(...)` or, with `??` in it, in the cast that leaves nil alone; compiled; and tried with
    /// -1 for every trigger.
    ///
    /// # Errors
    ///
    /// [`FormulaError`], with the place in the text.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, FormulaError> {
        admission::admit(text, names)
    }

    /// The formula's value for these values of the triggers, in the order of their names; none is
    /// nil, and so is one that is left out. The value is none if the formula is nil.
    ///
    /// # Errors
    ///
    /// [`EvaluationError`], where KEDA logs an error and has no metric, and where the value is not
    /// finite or too large for an amount, which KEDA leaves to the processor.
    pub fn evaluate(&self, values: &[Option<f64>]) -> Result<Option<f64>, EvaluationError> {
        admission::evaluate(self, values)
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
