//! The policy of a file, or the one of them that is asked for.

use trimtab_manifest::{Limits, PolicyDocument, read_policies};

use crate::args::PolicyArgs;
use crate::error::CommandError;
use crate::input::read_source;

/// Reads the policy that the arguments name.
pub(crate) fn load(args: &PolicyArgs) -> Result<PolicyDocument, CommandError> {
    let source = read_source(&args.policy, Limits::default().max_bytes)?;
    let documents = read_policies(&source)?.policies;
    let names: Vec<String> =
        documents.iter().map(|document| format!("`{}`", document.metadata.name)).collect();
    let mut wanted: Vec<PolicyDocument> = documents
        .into_iter()
        .filter(|document| args.name.as_ref().is_none_or(|name| *name == document.metadata.name))
        .collect();
    match (wanted.pop(), wanted.is_empty(), &args.name) {
        (Some(document), true, _) => Ok(document),
        (None, _, Some(name)) => {
            let message = format!("there is no policy `{name}` here");
            Err(CommandError::in_file(source.name(), message)
                .with_help(format!("there is {}", names.join(", "))))
        }
        (_, _, Some(name)) => {
            let message = format!("there are several policies `{name}` here");
            Err(CommandError::in_file(source.name(), message)
                .with_help("keep each in a file of its own"))
        }
        (_, _, None) => {
            let message = format!("there are {} policies here", names.len());
            Err(CommandError::in_file(source.name(), message)
                .with_help(format!("choose one by `--name`: {}", names.join(", "))))
        }
    }
}
