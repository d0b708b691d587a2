//! What one decision hands to the next: recommendations, scale events and the last status.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimtab_metric::{Span, Timestamp};

use crate::condition::Conditions;
use crate::digest::Digest;
use crate::envelope_state::EnvelopeState;
use crate::policy::{Policy, ScalingRules};
use crate::strategy::StrategyState;

/// Everything that a decision remembers. A plain value: it serializes, and a decision made with it
/// after a restart is the decision that would have been made without one.
///
/// Its size is bounded. A host that decides once per sync period keeps at most
/// `longest window / sync period + 2` recommendations and as many scale events per direction as
/// there were scale changes within the longest rate-limit period; whatever a host does, each of
/// the three lists holds at most [`State::MOST_ENTRIES`].
///
/// ```
/// use trimtab_engine::State;
///
/// let fresh = State::default();
/// let text = serde_json::to_string(&fresh)?;
/// assert_eq!(serde_json::from_str::<State>(&text)?, fresh);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct State {
    /// The version of this form.
    pub version: StateVersion,
    /// Past recommendations in storage order; `None` before the first observation.
    #[serde(default)]
    pub recommendations: Option<Vec<Recommendation>>,
    /// Past changes upwards, in storage order.
    #[serde(default)]
    pub scale_ups: Vec<ScaleEvent>,
    /// Past changes downwards, in storage order.
    #[serde(default)]
    pub scale_downs: Vec<ScaleEvent>,
    /// What the last decision reported.
    #[serde(default)]
    pub status: Status,
    /// What the strategy itself remembers; that of another strategy than the policy's is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyState>,
    /// What the stages remember that a policy has to turn on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Box<EnvelopeState>>,
}

/// The version of the state's form; reading any other is an error.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StateVersion;

/// A count that was recommended, before windows and limits.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recommendation {
    /// The count.
    pub replicas: i32,
    /// When.
    pub at: Timestamp,
}

/// A change of the scale that was carried out.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleEvent {
    /// By how many replicas; positive in both directions.
    pub change: i32,
    /// When.
    pub at: Timestamp,
    /// Its place may be taken by a newer event.
    #[serde(default)]
    pub outdated: bool,
}

/// What the HPA writes to its status subresource, without the metrics.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Status {
    /// The count that was last read.
    pub current_replicas: i32,
    /// The count that was last wanted.
    pub desired_replicas: i32,
    /// When the scale was last changed.
    #[serde(default)]
    pub last_scale_time: Option<Timestamp>,
    /// The conditions in the order in which they first came up.
    #[serde(default)]
    pub conditions: Conditions,
}

impl State {
    /// The most entries that each list ever holds.
    pub const MOST_ENTRIES: usize = 4096;

    /// A fresh state with room for what `policy` will keep, so that deciding allocates nothing
    /// once the windows have filled.
    pub fn for_policy(policy: &Policy) -> Self {
        let policy = policy.hpa_policy();
        let Some(rules) = policy.behavior() else { return Self::default() };
        let room = |rules: &ScalingRules| Vec::with_capacity(slots(policy, rules.longest_period));
        Self {
            scale_ups: room(&rules.scale_up),
            scale_downs: room(&rules.scale_down),
            ..Self::default()
        }
    }

    /// A fingerprint, equal for equal states on every platform.
    ///
    /// ```
    /// use trimtab_engine::State;
    /// assert_eq!(State::default().digest(), State::default().digest());
    /// ```
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// How many bytes it takes in memory, its lists' spare room included.
    ///
    /// ```
    /// use trimtab_engine::State;
    /// assert_eq!(State::default().size_in_bytes(), size_of::<State>());
    /// ```
    pub fn size_in_bytes(&self) -> usize {
        let recommendations = self.recommendations.as_ref().map_or(0, Vec::capacity);
        let events = self.scale_ups.capacity() + self.scale_downs.capacity();
        size_of::<Self>()
            + recommendations * size_of::<Recommendation>()
            + events * size_of::<ScaleEvent>()
            + self.strategy.as_ref().map_or(0, StrategyState::heap_bytes)
            + self.envelope.as_ref().map_or(0, |envelope| envelope.heap_bytes())
    }

    /// The recommendations and scale events of an HPA that is no more.
    pub(crate) fn forget_course(&mut self) {
        self.recommendations = None;
        self.scale_ups.clear();
        self.scale_downs.clear();
    }

    /// Before the first decision, the present count counts as recommended: a restart without state
    /// does not scale down at once.
    pub(crate) fn seed(&mut self, policy: &Policy, current: i32, now: Timestamp) {
        if self.recommendations.is_none() {
            let window = policy.behavior().map_or(policy.hpa().downscale_stabilization, |rules| {
                rules.scale_up.window.max(rules.scale_down.window)
            });
            // One more than the window holds: the first decision is recorded at the same time.
            let mut recommendations = Vec::with_capacity(slots(policy, window) + 1);
            recommendations.push(Recommendation { replicas: current, at: now });
            self.recommendations = Some(recommendations);
        }
    }
}

/// How many entries a span holds if one is made per sync period: one at each end.
fn slots(policy: &Policy, span: Span) -> usize {
    let sync = policy.period().as_millis().max(1);
    let slots = usize::try_from(span.as_millis() / sync).unwrap_or(0);
    slots.saturating_add(1).min(State::MOST_ENTRIES)
}

/// Adds an entry where the rhythm of the host asks for more room than was foreseen: a few at a time,
/// since there may be a million such lists.
pub(crate) fn push_tight<T>(entries: &mut Vec<T>, entry: T) {
    if entries.len() == entries.capacity() {
        entries.reserve_exact(4);
    }
    entries.push(entry);
}

/// What a later release adds counts only where it is set, so that a state keeps its digest.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { version, recommendations, scale_ups, scale_downs, status, strategy, envelope } =
            self;
        (version, recommendations, scale_ups, scale_downs, status).hash(hasher);
        strategy.iter().for_each(|strategy| strategy.hash(hasher));
        envelope.iter().for_each(|envelope| envelope.hash(hasher));
    }
}

impl Serialize for StateVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(1)
    }
}

impl<'de> Deserialize<'de> for StateVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!(
                "state version {other} is not supported: this release reads version 1"
            ))),
        }
    }
}
