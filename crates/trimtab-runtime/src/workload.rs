//! What is scaled: a workload's name, its policy, and the ports that it is read and written through.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_engine::Policy;

use crate::{MetricSource, ScaleTarget};

/// The name of a workload, its own within one [`Controller`](crate::Controller); such as
/// `inference/llm`.
///
/// It is used as a label of metrics, in file names and in the paths of the status pages, so it is short and
/// plain.
///
/// ```
/// use trimtab_runtime::WorkloadId;
///
/// let id: WorkloadId = "inference/llm".parse()?;
/// assert_eq!(id.as_str(), "inference/llm");
/// assert!("../etc/passwd".parse::<WorkloadId>().is_err());
/// # Ok::<(), trimtab_runtime::InvalidWorkloadId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkloadId(Arc<str>);

/// A text that can't name a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` can't name a workload: use up to {} letters, digits, `-`, `_` and `.`, in parts \
     divided by `/` that each begin with a letter or a digit, such as `inference/llm`",
    WorkloadId::LONGEST
)]
pub struct InvalidWorkloadId {
    text: String,
}

impl WorkloadId {
    /// The longest name, in bytes: a namespace, a slash and a name as long as Kubernetes has them.
    pub const LONGEST: usize = 63 + 1 + 253;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for WorkloadId {
    type Err = InvalidWorkloadId;

    fn from_str(text: &str) -> Result<Self, InvalidWorkloadId> {
        let plain = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
        };
        if text.len() <= Self::LONGEST && text.split('/').all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidWorkloadId { text: text.chars().take(Self::LONGEST).collect() })
        }
    }
}

impl TryFrom<String> for WorkloadId {
    type Error = InvalidWorkloadId;

    fn try_from(text: String) -> Result<Self, InvalidWorkloadId> {
        text.parse()
    }
}

impl From<WorkloadId> for String {
    fn from(id: WorkloadId) -> Self {
        String::from(id.as_str())
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether decisions are carried out.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// They are.
    #[default]
    Active,
    /// They are made, recorded and reported, and nothing is written: beside another autoscaler.
    Shadow,
}

/// One workload: what decides about it, and how it is read and written.
///
/// It is a value. To change a policy, give the controller the workload anew
/// ([`Controller::set`](crate::Controller::set)); its history stays.
#[derive(Clone)]
pub struct Workload {
    /// Its name.
    pub id: WorkloadId,
    /// The policy. It is valid, since it exists.
    pub policy: Arc<Policy>,
    /// What is scaled.
    pub target: Arc<dyn ScaleTarget>,
    /// Where its metrics come from, asked all at once. Where two know the same, the first counts.
    pub sources: Vec<Arc<dyn MetricSource>>,
    /// Whether decisions are carried out.
    pub mode: Mode,
}

impl Workload {
    /// A workload whose decisions are carried out.
    pub fn new(id: WorkloadId, policy: Policy, target: Arc<dyn ScaleTarget>) -> Self {
        Self { id, policy: Arc::new(policy), target, sources: Vec::new(), mode: Mode::Active }
    }

    /// With one more source.
    #[must_use]
    pub fn with_source(mut self, source: Arc<dyn MetricSource>) -> Self {
        self.sources.push(source);
        self
    }

    /// In another mode.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<&str> = self.sources.iter().map(|source| source.name()).collect();
        f.debug_struct("Workload")
            .field("id", &self.id)
            .field("policy", &self.policy.digest())
            .field("target", &self.target.name())
            .field("sources", &sources)
            .field("mode", &self.mode)
            .finish()
    }
}
