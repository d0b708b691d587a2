//! The rules, one file per subject. Each is a function from all documents to what it finds in them.

mod signals;
mod target;

use super::rule::Rule;

/// The rules by subject, in the order of the reference.
pub(super) static GROUPS: [&[&Rule]; 2] = [signals::RULES, target::RULES];
