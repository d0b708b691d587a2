//! What names a document: the part of Kubernetes' object metadata that is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trimtab_engine::FieldErrorKind;

use crate::decode::decode;
use crate::locate::locate;
use crate::node::{Node, shortened};
use crate::{Problem, ProblemKind};

/// The `metadata` of a document. What else Kubernetes keeps there is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// A DNS subdomain; required.
    #[serde(default)]
    pub name: String,
    /// A DNS label. Absent is `kubectl`'s business: the namespace that it points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Longest DNS label, in bytes.
const LABEL_MAX: usize = 63;
/// Longest DNS subdomain, in bytes.
const SUBDOMAIN_MAX: usize = 253;

/// Reads and checks the metadata of the document at `root`.
pub(crate) fn read_metadata(root: &Node) -> Result<Metadata, Vec<Problem>> {
    let metadata = match root.get("metadata") {
        Some(node) => decode::<Metadata>(node, "metadata")?,
        None => Metadata::default(),
    };
    let mut problems = Vec::new();
    let mut add = |field: &str, kind: FieldErrorKind, message: String, help: &str| {
        let span = locate(root, field).span;
        let problem = Problem::new(ProblemKind::Rule(kind), span, message);
        problems.push(problem.with_field(field).with_help(help));
    };
    let name = &metadata.name;
    if name.is_empty() {
        let message = String::from("the name is missing");
        add("metadata.name", FieldErrorKind::Required, message, "give the document a name");
    } else if !is_dns_subdomain(name) {
        add(
            "metadata.name",
            FieldErrorKind::Invalid,
            format!("`{}` cannot be a name", shortened(name)),
            "lowercase letters, digits, `-` and `.`, with a letter or digit at both ends of every \
             part, and 253 characters at most",
        );
    }
    if let Some(namespace) = &metadata.namespace
        && (namespace.len() > LABEL_MAX || !is_dns_part(namespace))
    {
        add(
            "metadata.namespace",
            FieldErrorKind::Invalid,
            format!("`{}` cannot be a namespace", shortened(namespace)),
            "lowercase letters, digits and `-`, with a letter or digit at both ends, and 63 \
             characters at most",
        );
    }
    if problems.is_empty() { Ok(metadata) } else { Err(problems) }
}

pub(crate) fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= SUBDOMAIN_MAX && name.split('.').all(is_dns_part)
}

/// What keeps `key` from being the key of a label.
pub(crate) fn label_key_problem(key: &str) -> Option<&'static str> {
    let (domain, name) = key.split_once('/').unwrap_or(("a", key));
    (!is_dns_subdomain(domain) || name.is_empty() || !is_label_text(name)).then_some(
        "the key of a label is up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both \
         ends, and before it perhaps a domain and `/`",
    )
}

/// What keeps `value` from being the value of a label.
pub(crate) fn label_value_problem(value: &str) -> Option<&'static str> {
    (!is_label_text(value)).then_some(
        "the value of a label is up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at \
         both ends",
    )
}

fn is_label_text(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_end = |byte: u8| byte.is_ascii_alphanumeric();
    text.len() <= LABEL_MAX
        && text.bytes().all(inner)
        && text.bytes().next().is_none_or(is_end)
        && text.bytes().next_back().is_none_or(is_end)
}

fn is_dns_part(part: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
}
