//! Why a formula is refused, and why an accepted one has no value this time.

use alloc::borrow::Cow;
use alloc::string::String;
use core::ops::Range;

use thiserror::Error;

/// A place in a formula, in bytes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Place {
    pub(super) fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// In a text that this one's text encloses, `prefix` bytes in, `length` bytes long.
    pub(super) fn inside(self, prefix: usize, length: usize) -> Self {
        let inner = |at: usize| at.saturating_sub(prefix).min(length);
        Self { start: inner(self.start), end: inner(self.end) }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// What kind of reason a formula is refused for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormulaErrorKind {
    /// KEDA refuses it too: it is not expr, or its types do not fit.
    Invalid,
    /// It may be good expr, of the part that has nothing to do with numbers.
    Unsupported,
    /// It is larger than the limits allow.
    TooLarge,
    /// With -1 for every trigger it has no value. KEDA tries that on admission, and refuses it.
    Fails,
}

/// Why a text is not a formula, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct FormulaError {
    kind: FormulaErrorKind,
    message: String,
    help: Option<Cow<'static, str>>,
    place: Place,
}

impl FormulaError {
    pub(super) fn new(kind: FormulaErrorKind, place: Place, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, place }
    }

    pub(super) fn invalid(place: Place, message: impl Into<String>) -> Self {
        Self::new(FormulaErrorKind::Invalid, place, message)
    }

    pub(super) fn unsupported(place: Place, message: impl Into<String>) -> Self {
        let help = "a formula is about numbers, booleans and lists of them";
        Self::new(FormulaErrorKind::Unsupported, place, message).help(help)
    }

    pub(super) fn too_large(place: Place, message: impl Into<String>) -> Self {
        Self::new(FormulaErrorKind::TooLarge, place, message)
    }

    /// Says what would be right.
    pub(super) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The error told of a text that this one's text encloses.
    pub(super) fn inside(mut self, prefix: usize, length: usize) -> Self {
        self.place = self.place.inside(prefix, length);
        self
    }

    /// What kind of reason it is.
    #[must_use]
    pub fn kind(&self) -> FormulaErrorKind {
        self.kind
    }

    /// Where in the formula, in bytes. Empty and at the end where something is missing.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.place.range()
    }

    /// What would be right, if there is something to say.
    #[must_use]
    pub fn what_would_be_right(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// What went wrong in an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvaluationProblem {
    /// An operator or function was given what it is not defined for.
    #[error("`{operation}` is not defined for {given}")]
    Undefined {
        /// The operator or function.
        operation: &'static str,
        /// What it was given: `nil`, `a boolean`, ...
        given: &'static str,
    },
    /// Two values can't be taken together.
    #[error("`{operation}` is not defined for {left} and {right}")]
    UndefinedPair {
        /// The operator.
        operation: &'static str,
        /// What stood to its left.
        left: &'static str,
        /// What stood to its right.
        right: &'static str,
    },
    /// `%` by an integer 0.
    #[error("an integer is divided by zero")]
    DivisionByZero,
    /// A list is shorter than that.
    #[error("there is no item {index} in a list of {length}")]
    OutOfRange {
        /// The index that was asked for.
        index: i64,
        /// How many items the list has.
        length: usize,
    },
    /// `filter(...)[0]` where nothing passes.
    #[error("no item passes the filter")]
    NothingFound,
    /// `reduce` of nothing, from nothing.
    #[error("`reduce` of an empty list needs a value to start from")]
    NothingToReduce,
    /// A count that is negative.
    #[error("`{operation}` takes no negative count, and {count} is one")]
    Negative {
        /// The function.
        operation: &'static str,
        /// The count.
        count: i64,
    },
    /// Go leaves the order of such a list open.
    #[error("a list of more than 12 items with equal or unordered ones has no defined order")]
    UnclearOrder,
    /// It takes too long.
    #[error("the evaluation takes more than {most} steps")]
    TooManySteps {
        /// As many are allowed.
        most: u32,
    },
    /// Its lists are too long.
    #[error("the lists have more than {most} items together")]
    TooManyItems {
        /// As many are allowed.
        most: u32,
    },
    /// Lists in lists in lists.
    #[error("lists are nested more than {most} deep")]
    TooDeep {
        /// As deep is allowed.
        most: u8,
    },
    /// KEDA takes only a float.
    #[error("the formula gives {given}, and only a float counts")]
    NotAFloat {
        /// What it gives.
        given: &'static str,
    },
    /// NaN, an infinity, or a number whose thousandths no 64-bit integer holds.
    #[error("the formula gives a number that is not finite or too large for an amount")]
    NoAmount,
}

/// Why a formula has no value for these values of the triggers, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct EvaluationError {
    problem: EvaluationProblem,
    place: Place,
}

impl EvaluationError {
    pub(super) fn new(place: Place, problem: EvaluationProblem) -> Self {
        Self { problem, place }
    }

    pub(super) fn inside(mut self, prefix: usize, length: usize) -> Self {
        self.place = self.place.inside(prefix, length);
        self
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// What went wrong.
    #[must_use]
    pub fn problem(&self) -> &EvaluationProblem {
        &self.problem
    }

    /// Where in the formula, in bytes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.place.range()
    }
}
