//! Stage 6, supply: can the nodes carry it?
//!
//! Replicas without a node are no capacity. [`Nodes`] looks at what the pools have before anything is
//! decided, [`Nodes::carry`] cuts a count to what they carry and `maxPending` beyond that, and
//! [`Nodes::conclude`] plans the count that was decided over the pools. What is unknown cuts nothing.

mod backoff;
mod explain;
mod plan;
mod rooms;

pub use backoff::{PoolMemory, SupplyState};
pub use explain::SupplyStep;
pub use plan::{PoolPlan, SupplyPlan};

pub(crate) use backoff::next_deadline;
pub(crate) use explain::words;

use crate::condition::{ConditionReason, ConditionType, Finding};
use crate::float::saturated;
use crate::limit::Limited;
use crate::observation::{Observation, Scale};
use crate::policy::{Bounds, Policy, SupplySettings};
use crate::state::State;
use crate::trace::{Recorder, Rule, Stage, Step};
use rooms::Rooms;

/// The nodes as they are, and what has been made of them so far.
pub(crate) struct Nodes<'a> {
    settings: &'a SupplySettings,
    rooms: Rooms,
    current: i64,
    /// The count that went into the stage, within `maxReplicas`, and whether it was cut.
    asked: Option<(i64, bool)>,
}

impl<'a> Nodes<'a> {
    /// Looks at the nodes, where the policy asks for it, and remembers which pools fail.
    pub(crate) fn look(
        policy: &'a Policy,
        state: &mut State,
        observation: &Observation,
        scale: Scale,
    ) -> Option<Self> {
        let Some(settings) = policy.supply() else {
            if let Some(envelope) = &mut state.envelope {
                envelope.supply = None;
            }
            return None;
        };
        let mut rooms = Rooms::new(settings, observation, scale);
        let memory = state.envelope.as_mut().and_then(|envelope| envelope.supply.take());
        let memory =
            backoff::watch(settings, &mut rooms, memory.unwrap_or_default(), observation.now);
        if !memory.pools.is_empty() {
            state.envelope.get_or_insert_default().supply = Some(memory);
        }
        Some(Self { settings, rooms, current: i64::from(scale.spec_replicas), asked: None })
    }

    /// The most replicas that the nodes allow: those that have one, as many as are free or coming, and
    /// `maxPending`; no more than the pools may take. `None` where too little is known to say.
    pub(crate) fn allowed(&self) -> Option<i32> {
        let slots = self.rooms.slots()?;
        let more = slots.saturating_add(i64::from(self.settings.max_pending));
        let more = self.rooms.most().map_or(more, |most| more.min(most));
        Some(saturated(self.rooms.placed.saturating_add(more)))
    }

    /// Cuts a count to what the nodes allow; never below the present count, nor below the least one.
    pub(crate) fn carry<R: Recorder>(
        &mut self,
        bounds: Bounds,
        limited: Limited,
        trace: &mut R,
    ) -> Limited {
        let wanted = limited.replicas;
        // What wakes from 0 has one replica wait, so that there is a reason for a node.
        let floor = bounds.min.max(saturated(self.current)).max(1);
        let most = self.allowed().map_or(i32::MAX, |allowed| allowed.max(floor));
        let replicas = wanted.min(most);
        self.asked = Some((i64::from(wanted.min(bounds.max)), replicas < wanted.min(bounds.max)));
        trace.record(|| {
            let step = SupplyStep {
                placed: saturated(self.rooms.placed),
                waiting: saturated(self.rooms.waiting),
                slots: self.rooms.slots().map(saturated),
                room: self.rooms.most().map(saturated),
                max_pending: saturated(i64::from(self.settings.max_pending)),
                floor,
                backing_off: saturated(self.rooms.backing_off()),
            };
            let rule = Rule::Supply(step);
            Step { stage: Stage::Supply, from: wanted, to: replicas, rule }
        });
        Limited { replicas, ..limited }
    }

    /// The plan for the count that was decided, and the condition. `by_hand`: somebody set that count,
    /// and what the stage had been asked for does not matter.
    pub(crate) fn conclude(
        self,
        state: &mut State,
        decided: i32,
        by_hand: bool,
        observation: &Observation,
    ) -> SupplyPlan {
        let decided = i64::from(decided);
        let (asked, cut) = self.asked.filter(|_| !by_hand).unwrap_or((decided, false));
        let conditions = &mut state.status.conditions;
        let finding = self.finding(cut, [asked, decided]);
        conditions.note(ConditionType::SupplyLimited, finding, observation.now);
        plan::plan(self.settings, &self.rooms, decided, asked.max(decided))
    }

    /// `counts`: what is wanted, and what nodes carry of it.
    fn finding(&self, cut: bool, counts: [i64; 2]) -> Finding {
        let Some(slots) = self.rooms.slots() else {
            return Finding::unknown(ConditionReason::SupplyUnknown, [0; 2]);
        };
        let backs_off = self.rooms.backing_off() > 0;
        let pending = slots.saturating_add(i64::from(self.settings.max_pending));
        let full = self.rooms.most().is_some_and(|most| most < pending);
        let reason = match cut {
            true if !full => ConditionReason::NodesPending,
            true if backs_off => ConditionReason::PoolBackingOff,
            true => ConditionReason::NoRoom,
            // Nothing more is wanted, and what there is waits in vain.
            false if backs_off && self.rooms.waiting > slots => ConditionReason::PoolBackingOff,
            false => return Finding::fails(ConditionReason::NodesAvailable),
        };
        Finding::holds(reason, counts.map(|count| i32::try_from(count).unwrap_or(i32::MAX)))
    }
}

/// Stage 6, where the policy turns it on.
pub(crate) fn carry<R: Recorder>(
    nodes: Option<&mut Nodes<'_>>,
    bounds: Bounds,
    limited: Limited,
    trace: &mut R,
) -> Limited {
    match nodes {
        Some(nodes) => nodes.carry(bounds, limited, trace),
        None => limited,
    }
}
