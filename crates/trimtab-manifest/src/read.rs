//! Any serde type from one document, with the limits and the errors that policies have.

use serde::de::DeserializeOwned;

use crate::decode::decode;
use crate::{Limits, ManifestError, Problem, ProblemKind, Source, Span, yaml};

/// Reads one YAML or JSON document into any type that serde can make.
///
/// As everywhere here, a field that is null is absent, a key may stand once, numbers in quotes are
/// strings, and what aliases repeat counts against the limits.
///
/// # Errors
///
/// Everything that is wrong with the text or with its fields, each with its place; and a source
/// that holds no document, or more than one.
///
/// ```
/// use serde::Deserialize;
/// use trimtab_manifest::{Limits, Source, from_str};
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Observation {
///     replicas: u32,
/// }
///
/// let good = Source::new("now.yaml", "replicas: 3\n");
/// assert_eq!(from_str::<Observation>(&good, &Limits::default())?.replicas, 3);
///
/// let bad = Source::new("now.json", r#"{"replica": 3}"#);
/// let error = from_str::<Observation>(&bad, &Limits::default()).err().unwrap();
/// assert_eq!(error.to_string(), r#"
/// error: unknown field `replica`
///  --> now.json:1:2
///   |
/// 1 | {"replica": 3}
///   |  ^^^^^^^^^
///   |
///   = note: field `replica`
///   = help: did you mean `replicas`?"#.trim_start());
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
pub fn from_str<T: DeserializeOwned>(source: &Source, limits: &Limits) -> Result<T, ManifestError> {
    let (documents, mut problems) = yaml::documents(source, limits);
    if problems.is_empty() {
        match documents.as_slice() {
            [document] => match decode(document, "") {
                Ok(value) => return Ok(value),
                Err(found) => problems = found,
            },
            [] => problems.push(empty()),
            [_, second, ..] => {
                let count = documents.len();
                let message = format!("expected one document, found {count}");
                problems.push(Problem::new(ProblemKind::DocumentCount, second.span, message));
            }
        }
    }
    Err(ManifestError::from_problems(source.clone(), problems))
}

/// A source without any document.
pub(crate) fn empty() -> Problem {
    Problem::new(ProblemKind::DocumentCount, Span::default(), "there is no document here")
}
