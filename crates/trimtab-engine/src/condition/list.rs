//! The conditions of a workload, at most one of each type.

use core::fmt;
use core::hash::{Hash, Hasher};

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimtab_metric::Timestamp;

use super::{Condition, ConditionReason, ConditionStatus, ConditionType, Finding};

/// At most one condition of each type: the HPA's, then trimtab's own, each in the order in which they
/// first came up.
///
/// ```
/// use trimtab_engine::{ConditionReason, ConditionType, State};
///
/// let state = State::default();
/// assert!(state.status.conditions.get(ConditionType::AbleToScale).is_none());
/// ```
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    hpas: [Option<Condition>; 4],
    own: [Option<Condition>; 8],
}

impl Conditions {
    /// The conditions in order.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> + '_ {
        self.hpas.iter().chain(&self.own).flatten()
    }

    /// The condition of a type, if it has come up.
    pub fn get(&self, type_: ConditionType) -> Option<&Condition> {
        self.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether the condition of a type has come up and is `True`.
    pub fn is_true(&self, type_: ConditionType) -> bool {
        self.get(type_).is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Sets a condition of the HPA's. It keeps its place, and its time too unless the status changes.
    pub(crate) fn set(
        &mut self,
        type_: ConditionType,
        holds: bool,
        reason: ConditionReason,
        now: Timestamp,
    ) {
        let finding = if holds { Finding::holds(reason, [0; 2]) } else { Finding::fails(reason) };
        set(&mut self.hpas, Condition::new(type_, finding, now));
    }

    /// Takes note of what was found of a condition of trimtab's own. One that has never held does not
    /// come up by not holding.
    pub(crate) fn note(&mut self, type_: ConditionType, finding: Finding, now: Timestamp) {
        if finding.is_no() && self.get(type_).is_none() {
            return;
        }
        set(&mut self.own, Condition::new(type_, finding, now));
    }

    /// Takes a condition of the HPA's away; those behind it move up.
    pub(crate) fn remove(&mut self, type_: ConditionType) {
        let mut kept = <[Option<Condition>; 4]>::default();
        let rest = self.hpas.iter().flatten().filter(|condition| condition.type_ != type_);
        for (slot, condition) in kept.iter_mut().zip(rest) {
            *slot = Some(*condition);
        }
        self.hpas = kept;
    }
}

/// Sets a condition in its place, or in the first that is free.
fn set(slots: &mut [Option<Condition>], new: Condition) {
    for slot in slots {
        match slot {
            Some(known) if known.type_ == new.type_ => {
                let last_transition_time = match known.status == new.status {
                    true => known.last_transition_time,
                    false => new.last_transition_time,
                };
                *known = Condition { last_transition_time, ..new };
                return;
            }
            Some(_) => {}
            None => {
                *slot = Some(new);
                return;
            }
        }
    }
}

/// Only the HPA's count while no other has come up, as before there were others.
impl Hash for Conditions {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { hpas, own } = self;
        hpas.hash(hasher);
        own.iter().flatten().for_each(|condition| condition.hash(hasher));
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.iter().count()))?;
        for condition in self.iter() {
            list.serialize_element(condition)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Conditions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of conditions, at most one of each type")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Conditions, A::Error> {
                let mut conditions = Conditions::default();
                while let Some(condition) = list.next_element::<Condition>()? {
                    if conditions.get(condition.type_).is_some() {
                        return Err(serde::de::Error::custom(format_args!(
                            "condition `{:?}` is listed twice",
                            condition.type_
                        )));
                    }
                    let slots: &mut [_] = match condition.type_.is_hpas() {
                        true => &mut conditions.hpas,
                        false => &mut conditions.own,
                    };
                    set(slots, condition);
                }
                Ok(conditions)
            }
        }

        deserializer.deserialize_seq(ListVisitor)
    }
}
