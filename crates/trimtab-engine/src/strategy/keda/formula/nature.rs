//! What is known of a value before it is computed.
//!
//! Not only for refusing: expr chooses how it compares and where it looks up by these, also where
//! they are wrong (`max(1, a)` counts as an integer), so they are kept as it keeps them.

use alloc::boxed::Box;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Nature {
    /// Nothing is known.
    Unknown,
    /// As unknown, by another way. Only lists of unlike items and assignments see the difference.
    Any,
    Nil,
    Bool,
    Int,
    Float,
    /// A list, and what its items are.
    List(Box<Nature>),
}

impl Nature {
    pub(super) fn list_of(items: Self) -> Self {
        Self::List(Box::new(items))
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown | Self::Any)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// Of an item of the list that it is, if it is one.
    pub(super) fn item(&self) -> Self {
        match self {
            Self::List(items) => (**items).clone(),
            _ => Self::Unknown,
        }
    }

    /// What is left of it where only the outermost type is passed on.
    pub(super) fn outermost(&self) -> Self {
        match self {
            Self::Unknown => Self::Any,
            Self::List(_) => Self::list_of(Self::Any),
            other => other.clone(),
        }
    }

    /// Whether both are of one kind, as for the items of a list.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown | Self::Nil, Self::Unknown | Self::Nil)
            | (Self::List(_), Self::List(_)) => true,
            _ => self == other,
        }
    }

    pub(super) fn is_assignable_to(&self, to: &Self) -> bool {
        match (self, to) {
            (Self::Nil, Self::Any | Self::List(_)) => true,
            (Self::Unknown | Self::Nil, _) | (_, Self::Unknown | Self::Nil) => false,
            (_, Self::Any) | (Self::List(_), Self::List(_)) => true,
            _ => self == to,
        }
    }

    pub(super) fn is_comparable_to(&self, other: &Self) -> bool {
        self.is_unknown()
            || other.is_unknown()
            || matches!(self, Self::Nil)
            || matches!(other, Self::Nil)
            || self.is_number() && other.is_number()
            || self.is_assignable_to(other)
    }

    /// Whether one is unknown, and the other unknown too or what `fits` says.
    pub(super) fn may_fit(&self, other: &Self, fits: fn(&Self) -> bool) -> bool {
        match (self.is_unknown(), other.is_unknown()) {
            (true, true) => true,
            (true, false) => fits(other),
            (false, true) => fits(self),
            (false, false) => false,
        }
    }

    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Any => "something unknown",
            Self::Nil => "nil",
            Self::Bool => "a boolean",
            Self::Int => "an integer",
            Self::Float => "a float",
            Self::List(_) => "a list",
        }
    }
}
