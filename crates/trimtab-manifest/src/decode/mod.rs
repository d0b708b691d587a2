//! Trees to Rust types: a serde deserializer whose errors know their place and field.

mod access;
mod deserializer;
mod error;
mod number;

use serde::de::DeserializeOwned;

use self::deserializer::NodeDeserializer;
pub use self::error::did_you_mean;
use crate::node::Node;
use crate::{Problem, ProblemKind};

/// More problems of types and fields than this are not looked for in one document.
const MOST_PROBLEMS: usize = 50;

/// Reads a value from a tree; `path` is the place of the tree in its document.
///
/// An entry that is at fault is reported and then taken for absent, so that one pass finds them all.
pub(crate) fn decode<T: DeserializeOwned>(node: &Node, path: &str) -> Result<T, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut skipped = Vec::new();
    loop {
        match T::deserialize(NodeDeserializer { node, skipped: &skipped }) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => return Err(problems),
            // Perhaps the entry is missing only because it is skipped.
            Err(error) if error.kind == ProblemKind::MissingField && !skipped.is_empty() => {
                return Err(problems);
            }
            Err(error) => {
                let entry = error.entry;
                problems.push(error.into_problem(node, path));
                match entry {
                    Some(entry) if problems.len() < MOST_PROBLEMS => skipped.push(entry),
                    _ => return Err(problems),
                }
            }
        }
    }
}
