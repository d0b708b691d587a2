//! The functions of expr: which there are, and which of them formulas have.

/// A function that formulas have.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Function {
    All,
    None,
    Any,
    One,
    Filter,
    Map,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    Count,
    Sum,
    SortBy,
    Reduce,
    Len,
    Abs,
    Ceil,
    Floor,
    Round,
    Int,
    Float,
    Max,
    Min,
    Mean,
    Median,
    First,
    Last,
    Get,
    Take,
    Reverse,
    Uniq,
    Concat,
    Flatten,
    Sort,
    BitAnd,
    BitOr,
    BitXor,
    BitNand,
    BitShl,
    BitShr,
    BitUshr,
    BitNot,
}

const FUNCTIONS: [(Function, &str); 42] = [
    (Function::All, "all"),
    (Function::None, "none"),
    (Function::Any, "any"),
    (Function::One, "one"),
    (Function::Filter, "filter"),
    (Function::Map, "map"),
    (Function::Find, "find"),
    (Function::FindIndex, "findIndex"),
    (Function::FindLast, "findLast"),
    (Function::FindLastIndex, "findLastIndex"),
    (Function::Count, "count"),
    (Function::Sum, "sum"),
    (Function::SortBy, "sortBy"),
    (Function::Reduce, "reduce"),
    (Function::Len, "len"),
    (Function::Abs, "abs"),
    (Function::Ceil, "ceil"),
    (Function::Floor, "floor"),
    (Function::Round, "round"),
    (Function::Int, "int"),
    (Function::Float, "float"),
    (Function::Max, "max"),
    (Function::Min, "min"),
    (Function::Mean, "mean"),
    (Function::Median, "median"),
    (Function::First, "first"),
    (Function::Last, "last"),
    (Function::Get, "get"),
    (Function::Take, "take"),
    (Function::Reverse, "reverse"),
    (Function::Uniq, "uniq"),
    (Function::Concat, "concat"),
    (Function::Flatten, "flatten"),
    (Function::Sort, "sort"),
    (Function::BitAnd, "bitand"),
    (Function::BitOr, "bitor"),
    (Function::BitXor, "bitxor"),
    (Function::BitNand, "bitnand"),
    (Function::BitShl, "bitshl"),
    (Function::BitShr, "bitshr"),
    (Function::BitUshr, "bitushr"),
    (Function::BitNot, "bitnot"),
];

/// Those that expr has and formulas have not.
const LEFT_OUT: [&str; 29] = [
    "groupBy",
    "type",
    "string",
    "trim",
    "trimPrefix",
    "trimSuffix",
    "upper",
    "lower",
    "split",
    "splitAfter",
    "replace",
    "repeat",
    "join",
    "indexOf",
    "lastIndexOf",
    "hasPrefix",
    "hasSuffix",
    "toJSON",
    "fromJSON",
    "toBase64",
    "fromBase64",
    "now",
    "duration",
    "date",
    "timezone",
    "keys",
    "values",
    "toPairs",
    "fromPairs",
];

/// What a name says that stands before a parenthesis.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Function(Function),
    LeftOut,
    Nothing,
}

/// The function of that name.
pub(super) fn named(name: &str) -> Named {
    match FUNCTIONS.iter().find(|(_, own)| *own == name) {
        Some((function, _)) => Named::Function(*function),
        None if LEFT_OUT.contains(&name) => Named::LeftOut,
        None => Named::Nothing,
    }
}

/// What an argument is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Value,
    Predicate,
    OptionalPredicate,
    OptionalValue,
}

impl Function {
    pub(super) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(own, _)| *own == self).map_or("", |(_, name)| name)
    }

    /// The arguments of a function that goes through a list, `None` for an ordinary one.
    pub(super) fn loop_arguments(self) -> Option<&'static [Argument]> {
        use Argument::{OptionalPredicate, OptionalValue, Predicate, Value};
        match self {
            Self::All
            | Self::None
            | Self::Any
            | Self::One
            | Self::Filter
            | Self::Map
            | Self::Find
            | Self::FindIndex
            | Self::FindLast
            | Self::FindLastIndex => Some(&[Value, Predicate]),
            Self::Count | Self::Sum => Some(&[Value, OptionalPredicate]),
            Self::SortBy | Self::Reduce => Some(&[Value, Predicate, OptionalValue]),
            _ => None,
        }
    }
}
