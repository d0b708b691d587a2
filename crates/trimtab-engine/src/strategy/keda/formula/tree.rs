//! A formula as a tree.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::error::Place;
use super::function::Function;
use super::nature::Nature;
use super::value::List;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) expr: Expr,
    /// [`Nature::Unknown`] until it is checked.
    pub(super) nature: Nature,
    pub(super) place: Place,
    /// How many nodes stand on the longest way down, this one included.
    pub(super) depth: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A string without its quotes: only as an order, or as a name in `$env`.
    Text(Box<str>),
    /// A name that is not resolved yet.
    Name(Box<str>),
    /// The trigger at that index.
    Trigger(usize),
    /// The variable of the so manieth `let` from outside.
    Variable(usize),
    Pointer(Pointer),
    Unary(UnaryOperator, Box<Node>),
    Binary(BinaryOperator, Box<[Node; 2]>),
    Conditional(Box<[Node; 3]>),
    List(Vec<Node>),
    /// A list's item; if `optional`, nil of nil.
    Item {
        of: Box<[Node; 2]>,
        optional: bool,
    },
    /// A part of a list, from and to.
    Part {
        list: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    Call(Box<Call>),
    Let {
        name: Box<str>,
        value: Box<Node>,
        body: Box<Node>,
    },
    Sequence(Vec<Node>),
    /// A list that is known; from here on only by simplification.
    Known(List),
    /// The items' sum, added up from the last to the first.
    SumFromRight(Vec<Node>),
    /// Whether a value is one of these integers.
    AmongIntegers(Box<Node>, Vec<i64>),
    /// Whether a value lies between two integers.
    Between(Box<Node>, [i64; 2]),
}

/// What `#` and its relatives mean.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    Item,
    Index,
    Accumulator,
    /// A name that no pointer has.
    Unknown,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) arguments: Vec<Node>,
    /// For `sort` and `sortBy`.
    pub(super) descending: bool,
    /// What becomes of an item that `filter` or `find` keeps; by simplification.
    pub(super) map: Option<Node>,
    /// As many are counted, at most; by simplification.
    pub(super) enough: Option<i64>,
    /// Whether it is an error that `find` finds nothing; by simplification.
    pub(super) must_find: bool,
}

impl Call {
    pub(super) fn new(function: Function, arguments: Vec<Node>) -> Self {
        Self { function, arguments, descending: false, map: None, enough: None, must_find: false }
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum UnaryOperator {
    Not,
    Plus,
    Minus,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum BinaryOperator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    More,
    LessOrEqual,
    MoreOrEqual,
    In,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Coalesce,
}

impl BinaryOperator {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::More => ">",
            Self::LessOrEqual => "<=",
            Self::MoreOrEqual => ">=",
            Self::In => "in",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "**",
            Self::Coalesce => "??",
        }
    }
}

impl Node {
    pub(super) fn new(expr: Expr, place: Place) -> Self {
        let mut node = Self { expr, nature: Nature::Unknown, place, depth: 0 };
        node.depth = 1 + node.children().map(|child| child.depth).max().unwrap_or(0);
        node
    }

    /// The nodes right below, without what simplification put aside.
    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        let (some, more): (&[Self], [Option<&Self>; 3]) = match &self.expr {
            Expr::Unary(_, node) | Expr::AmongIntegers(node, _) | Expr::Between(node, _) => {
                (&[], [Some(node), None, None])
            }
            Expr::Binary(_, nodes) | Expr::Item { of: nodes, .. } => (&nodes[..], [None; 3]),
            Expr::Conditional(nodes) => (&nodes[..], [None; 3]),
            Expr::List(nodes) | Expr::Sequence(nodes) | Expr::SumFromRight(nodes) => {
                (nodes, [None; 3])
            }
            Expr::Part { list, from, to } => (&[], [Some(list), from.as_deref(), to.as_deref()]),
            Expr::Call(call) => (&call.arguments, [None; 3]),
            Expr::Let { value, body, .. } => (&[], [Some(value), Some(body), None]),
            _ => (&[], [None; 3]),
        };
        some.iter().chain(more.into_iter().flatten())
    }

    /// The nodes right below, from left to right, without what simplification put aside.
    pub(super) fn children_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        let (some, more): (&mut [Self], [Option<&mut Self>; 3]) = match &mut self.expr {
            Expr::Unary(_, node) | Expr::AmongIntegers(node, _) | Expr::Between(node, _) => {
                (&mut [], [Some(node), None, None])
            }
            Expr::Binary(_, nodes) | Expr::Item { of: nodes, .. } => {
                (&mut nodes[..], [None, None, None])
            }
            Expr::Conditional(nodes) => (&mut nodes[..], [None, None, None]),
            Expr::List(nodes) | Expr::Sequence(nodes) | Expr::SumFromRight(nodes) => {
                (nodes, [None, None, None])
            }
            Expr::Part { list, from, to } => {
                (&mut [], [Some(list), from.as_deref_mut(), to.as_deref_mut()])
            }
            Expr::Call(call) => (&mut call.arguments, [None, None, None]),
            Expr::Let { value, body, .. } => (&mut [], [Some(value), Some(body), None]),
            _ => (&mut [], [None, None, None]),
        };
        some.iter_mut().chain(more.into_iter().flatten())
    }

    /// How many nodes it is, with all below.
    pub(super) fn size(&self) -> usize {
        1 + self.children().map(Self::size).sum::<usize>()
    }
}
