//! What is said of policies that are refused.

use serde_json::Value;

use crate::signals::checked;

/// What is wrong with each of them, all of which are.
pub(crate) fn refused(specs: impl IntoIterator<Item = Value>) -> String {
    let refused = specs.into_iter().map(|spec| match checked(spec) {
        Ok(policy) => panic!("{policy:?}"),
        Err(invalid) => invalid.to_string(),
    });
    refused.collect::<Vec<_>>().join("\n\n")
}
