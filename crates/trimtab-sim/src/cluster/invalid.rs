//! What is wrong with a cluster: which field, what it says, and what would be right.

use core::fmt;

/// A cluster was refused: every broken rule, at least one.
///
/// ```
/// use trimtab_sim::{ClusterSpec, ServiceProfile};
///
/// let profile = ServiceProfile::named("llama-3.1-70b-a100x4").unwrap();
/// let mut spec = ClusterSpec::default();
/// spec.pools[0].gpus_per_node = Some(2);
/// spec.metrics.loss_probability = 1.0;
///
/// let refused = spec.check(&profile).unwrap_err();
/// assert_eq!(refused.to_string(), "\
/// the cluster breaks 2 rules
///   pools[0].gpusPerNode is 2: it has to be at least 4, the GPUs of a replica of `llama-3.1-70b-a100x4`
///   metrics.lossProbability is 1: it has to be at least 0 and below 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidCluster {
    broken: Vec<BrokenRule>,
}

/// One broken rule, at one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}: {help}")]
pub struct BrokenRule {
    field: String,
    message: String,
    help: String,
}

impl InvalidCluster {
    /// The broken rules in the order of the document; never empty.
    pub fn broken(&self) -> &[BrokenRule] {
        &self.broken
    }
}

impl BrokenRule {
    /// Path of the field from the root of the document: `pools[0].gpusPerNode`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong, as a sentence whose subject is the field: `is 2`.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right: `it has to be at least 4`.
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for InvalidCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.broken.len() {
            1 => f.write_str("the cluster breaks a rule")?,
            count => write!(f, "the cluster breaks {count} rules")?,
        }
        self.broken.iter().try_for_each(|rule| write!(f, "\n  {rule}"))
    }
}

/// Collects the broken rules.
#[derive(Default)]
pub(super) struct Rules {
    broken: Vec<BrokenRule>,
}

impl Rules {
    pub(super) fn broken(
        &mut self,
        field: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.broken.push(BrokenRule {
            field: field.into(),
            message: message.into(),
            help: help.into(),
        });
    }

    /// `value` has to be from `least` to `most`; NaN is not.
    pub(super) fn range(&mut self, field: impl Into<String>, value: f64, least: f64, most: f64) {
        if !(least..=most).contains(&value) {
            self.broken(
                field,
                format!("is {value}"),
                format!("it has to be from {least} to {most}"),
            );
        }
    }

    /// `value` has to be at most `most`.
    pub(super) fn at_most(&mut self, field: impl Into<String>, value: u32, most: u32) {
        if value > most {
            self.broken(field, format!("is {value}"), format!("it has to be at most {most}"));
        }
    }

    /// `value` has to be at least 1.
    pub(super) fn at_least_one(&mut self, field: impl Into<String>, value: u32) {
        if value == 0 {
            self.broken(field, "is 0", "it has to be at least 1");
        }
    }

    /// `value`, unless a rule is broken.
    pub(super) fn finish<T>(self, value: T) -> Result<T, InvalidCluster> {
        if self.broken.is_empty() { Ok(value) } else { Err(InvalidCluster { broken: self.broken }) }
    }
}
