//! The rules: what each is called, how bad it is, and why.

use std::fmt;

use super::finding::Findings;
use super::rules::GROUPS;
use super::set::Set;

/// Something that manifests can have wrong.
///
/// ```
/// use trimtab_manifest::{Rule, Severity};
///
/// let rule = Rule::named("gpu-utilization-only").unwrap();
/// assert_eq!(rule.severity(), Severity::Warning);
/// assert!(Rule::all().count() > 20);
/// ```
pub struct Rule {
    /// In kebab case; it stays.
    pub(super) id: &'static str,
    /// What a finding of it is, unless that depends.
    pub(super) severity: Severity,
    /// One line, as a heading: what is found.
    pub(super) summary: &'static str,
    /// The reason, as whole sentences, and where it comes from.
    pub(super) why: &'static str,
    /// What to do, as whole sentences.
    pub(super) fix: &'static str,
    pub(super) check: fn(&Set<'_>, &mut Findings<'_>),
}

/// How bad a finding is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// To be considered.
    Note,
    /// Known to hurt.
    Warning,
    /// It does not work as it is written.
    Error,
}

impl Severity {
    /// `note`, `warning` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Rule {
    /// All rules, in the order of their subjects.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        GROUPS.iter().flat_map(|group| group.iter().copied())
    }

    /// The rule of this id.
    pub fn named(id: &str) -> Option<&'static Self> {
        Self::all().find(|rule| rule.id == id)
    }

    /// What it is called, in kebab case. An id that was released stays.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// How bad its findings are, unless one of them says otherwise.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is found, in one line.
    pub fn summary(&self) -> &'static str {
        self.summary
    }

    /// Why that hurts, and where it comes from.
    pub fn why(&self) -> &'static str {
        self.why
    }

    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        self.fix
    }

    pub(super) fn check(&self, set: &Set<'_>, findings: &mut Findings<'_>) {
        (self.check)(set, findings);
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("id", &self.id).field("severity", &self.severity).finish()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}
