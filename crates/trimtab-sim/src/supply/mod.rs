//! Where replicas run: nodes that are launched, filled, emptied, released, taken back and lost.

mod availability;
mod node;
mod phases;
mod pool;
mod view;

pub use availability::Availability;
pub use phases::Placement;
pub use pool::PoolUse;
pub use view::PoolView;

use crate::cluster::Cluster;
use crate::{Moment, Random, ServiceProfile};
use node::{Fetch, Node};
use phases::Phases;
use pool::PoolState;

/// The nodes of a cluster in virtual time.
///
/// Times that are handed in never go back. The caller's loop is: at [`Supply::next_event`], call
/// [`Supply::advance`]; both [`Supply::place`] and [`Supply::release`] may change the next event.
/// The same seed and the same calls give the same answers.
///
/// ```
/// use trimtab_sim::supply::{Supply, SupplyEvent};
/// use trimtab_sim::{ClusterSpec, Moment, ServiceProfile, cluster::Delay};
///
/// let profile = ServiceProfile::named("llama-3.1-70b-a100x4").unwrap();
/// let mut spec = ClusterSpec::default();
/// spec.start.lead_time_seconds = Some(Delay::fixed(120.0)?);
/// spec.pools[0].max_nodes = Some(1);
/// spec.pools[0].gpus_per_node = Some(8); // room for two replicas
/// let mut supply = Supply::new(&spec.check(&profile)?, &profile, 1);
///
/// let now = Moment::from_seconds(10.0);
/// let first = supply.place(now).unwrap();
/// let second = supply.place(now).unwrap();
/// assert_eq!(first.ready, Moment::from_seconds(130.0));
/// assert_eq!(first.node, second.node);
/// assert!(supply.place(now).is_none()); // it stays pending ...
///
/// supply.release(now, first.node);
/// let mut events = Vec::new();
/// supply.advance(supply.next_event(), &mut events);
/// assert_eq!(events, [SupplyEvent::Room]); // ... until it may try again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Supply {
    pools: Vec<PoolState>,
    /// All that exist, in the order of their launch, which is that of their ids.
    nodes: Vec<Node>,
    launched: u64,
    gpus_per_replica: u32,
    phases: Phases,
    /// Which node a notice hits.
    interruptions: Random,
    /// When nodes fail.
    losses: Random,
    /// A replica found no room and nothing has been said of room since.
    starved: bool,
    /// When to say so.
    room_at: Moment,
    next: Moment,
}

/// A node, as long as the simulation runs: no two ever have the same.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u64);

/// What happened to the nodes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum SupplyEvent {
    /// A node with replicas will be taken back. It takes no new ones, and goes at once when its last
    /// replica leaves it.
    Notice {
        /// The node.
        node: NodeId,
        /// When it is lost.
        lost_at: Moment,
    },
    /// A node with replicas is gone, and they with it; they need no [`Supply::release`].
    Lost {
        /// The node.
        node: NodeId,
    },
    /// There is room again since [`Supply::place`] found none.
    Room,
}

/// What is due next.
#[derive(Copy, Clone)]
enum Due {
    /// The node at this place in the list is lost.
    Loss(usize),
    /// The availability of this pool may change.
    Step(usize),
    /// The node at this place in the list has been empty for long enough.
    Idle(usize),
    /// Pending replicas may try again.
    Room,
}

impl Supply {
    /// The nodes of `cluster` at the start of the trace, for replicas of `profile`.
    ///
    /// `profile` has to be the one that the cluster was checked for.
    pub fn new(cluster: &Cluster, profile: &ServiceProfile, seed: u64) -> Self {
        let (gpus, start) = (profile.gpus.max(1), Moment::START);
        let mut supply = Self {
            pools: cluster.pools().iter().map(|pool| PoolState::new(pool, gpus)).collect(),
            nodes: Vec::new(),
            launched: 0,
            gpus_per_replica: gpus,
            phases: Phases::new(cluster.start(), seed),
            interruptions: Random::new(seed, "supply: interruptions"),
            losses: Random::new(seed, "supply: losses"),
            starved: false,
            room_at: Moment::NEVER,
            next: Moment::NEVER,
        };
        for (index, pool) in cluster.pools().iter().enumerate() {
            for _ in 0..pool.initial_nodes {
                let available =
                    supply.pools.get(index).is_some_and(|pool| pool.has_capacity(start));
                if available {
                    supply.launch(index, start, start);
                }
            }
        }
        supply.reschedule();
        supply
    }

    /// Reserves the GPUs of a replica, and says when it can be ready; `None` when there is no room,
    /// nor a node to be had.
    ///
    /// A node that is ready comes before one that is launching, and that before one that has to be
    /// launched; [`SupplyEvent::Room`] tells when to try again.
    pub fn place(&mut self, now: Moment) -> Option<Placement> {
        let index = self.find(now, false)?;
        let node = self.nodes.get_mut(index)?;
        node.take();
        let placement = self.phases.start(node, now);
        self.reschedule();
        Some(placement)
    }

    /// Reserves the GPUs of a replica that is there already: the node is ready, with image and
    /// weights, and so is the replica. For what a simulation starts with.
    pub fn place_running(&mut self, now: Moment) -> Option<Placement> {
        let index = self.find(now, true)?;
        let node = self.nodes.get_mut(index)?;
        node.take();
        node.ready = node.ready.min(now);
        node.image = Fetch { from: now, until: now };
        node.weights = Fetch { from: now, until: now };
        let placement = Placement::running(node.id, now);
        self.reschedule();
        Some(placement)
    }

    /// A replica has left its node. The GPUs are free at once; an empty node is released when nothing
    /// has come for `idleSeconds`, and at once if it is under notice.
    ///
    /// Does nothing for a node that is gone.
    pub fn release(&mut self, now: Moment, node: NodeId) {
        let Ok(index) = self.nodes.binary_search_by_key(&node, |node| node.id) else { return };
        let Some(node) = self.nodes.get_mut(index) else { return };
        let idle_seconds = self.pools.get(node.pool).map_or(0.0, |pool| pool.idle_seconds());
        node.give_back(now, idle_seconds);
        if node.noticed && node.replicas == 0 {
            self.remove(index, now);
        }
        self.note_room(now);
        self.reschedule();
    }

    /// How long the promotion of a replica from the warm pool takes, in seconds: a draw.
    pub fn wake_seconds(&mut self) -> f64 {
        self.phases.wake_seconds()
    }

    /// When to call [`Supply::advance`] next; [`Moment::NEVER`] if nothing is to come. It changes only
    /// in `place`, `release` and `advance`.
    pub fn next_event(&self) -> Moment {
        self.next
    }

    /// Lets happen what is due at or before `now`, in the order of time, and appends what there is to
    /// know of it to `events`.
    pub fn advance(&mut self, now: Moment, events: &mut Vec<SupplyEvent>) {
        while self.next <= now {
            let at = self.next;
            match self.due().1 {
                Due::Loss(index) => self.lose(index, at, events),
                Due::Step(pool) => self.step(pool, at, events),
                Due::Idle(index) => drop(self.remove(index, at)),
                Due::Room => self.say_room(at, events),
            }
            self.note_room(at);
            self.reschedule();
        }
    }

    /// What each pool has been used for up to `now`, in their order.
    pub fn usage(&self, now: Moment) -> Vec<PoolUse> {
        let alive = |pool: usize| -> i128 {
            let nodes = self.nodes.iter().filter(move |node| node.pool == pool);
            nodes.map(|node| i128::from(now.nanos_since(node.launched))).sum()
        };
        self.pools.iter().enumerate().map(|(index, pool)| pool.usage(alive(index))).collect()
    }

    /// How many nodes there are, launching ones included.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The place in the list of the node that the next replica goes to, launched if need be.
    fn find(&mut self, now: Moment, running: bool) -> Option<usize> {
        let with_room = self.nodes.iter().enumerate().filter(|(_, node)| node.has_room());
        let best = with_room.min_by_key(|(_, node)| node.rank(now)).map(|(index, _)| index);
        let found = best.or_else(|| {
            let pool = self.pools.iter().position(|pool| pool.has_capacity(now))?;
            let seconds = if running { 0.0 } else { self.phases.node_launch_seconds() };
            self.launch(pool, now, now.after_seconds(seconds))
        });
        self.starved |= found.is_none();
        found
    }

    fn launch(&mut self, index: usize, now: Moment, ready: Moment) -> Option<usize> {
        let pool = self.pools.get_mut(index)?;
        pool.nodes += 1;
        let lost_at = match pool.losses_per_node_hour() {
            rate if rate > 0.0 => now.after_seconds(self.losses.exponential(3600.0 / rate)),
            _ => Moment::NEVER,
        };
        let id = NodeId(self.launched);
        self.launched += 1;
        self.nodes.push(Node {
            id,
            pool: index,
            launched: now,
            ready,
            slots: pool.slots,
            replicas: 0,
            image: Fetch::NONE,
            weights: Fetch::NONE,
            idle_until: ready.after_seconds(pool.idle_seconds()),
            lost_at,
            noticed: false,
        });
        self.nodes.len().checked_sub(1)
    }

    fn remove(&mut self, index: usize, now: Moment) -> Option<Node> {
        let node = (index < self.nodes.len()).then(|| self.nodes.remove(index))?;
        if let Some(pool) = self.pools.get_mut(node.pool) {
            pool.close(now.nanos_since(node.launched));
        }
        Some(node)
    }

    fn lose(&mut self, index: usize, at: Moment, events: &mut Vec<SupplyEvent>) {
        if let Some(node) = self.remove(index, at)
            && node.replicas > 0
        {
            events.push(SupplyEvent::Lost { node: node.id });
        }
    }

    /// Tells nodes that they will be taken back, until the rest is no more than can be had.
    fn step(&mut self, index: usize, at: Moment, events: &mut Vec<SupplyEvent>) {
        let Some(pool) = self.pools.get_mut(index) else { return };
        let Some((available, lost_at)) = pool.step(at) else { return };
        let kept = |node: &Node| node.pool == index && !node.noticed;
        let mut left = self.nodes.iter().filter(|node| kept(node)).count();
        while left > available {
            let chosen = self.interruptions.below(left as u64);
            let mut candidates = self.nodes.iter().enumerate().filter(|(_, node)| kept(node));
            let chosen = usize::try_from(chosen).ok().and_then(|nth| candidates.nth(nth));
            let Some((place, _)) = chosen else { return };
            left -= 1;
            self.notify(place, at, lost_at, events);
        }
    }

    fn notify(&mut self, index: usize, at: Moment, lost_at: Moment, events: &mut Vec<SupplyEvent>) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        if node.replicas == 0 {
            self.remove(index, at);
            return;
        }
        node.noticed = true;
        events.push(SupplyEvent::Notice { node: node.id, lost_at });
        node.lost_at = node.lost_at.min(lost_at);
    }

    fn has_room(&self, now: Moment) -> bool {
        self.nodes.iter().any(Node::has_room)
            || self.pools.iter().any(|pool| pool.has_capacity(now))
    }

    /// If a replica waits for room, and there is some, says so once all that is due now has happened.
    fn note_room(&mut self, now: Moment) {
        if self.starved && self.has_room(now) {
            self.room_at = self.room_at.min(now);
        }
    }

    fn say_room(&mut self, now: Moment, events: &mut Vec<SupplyEvent>) {
        self.room_at = Moment::NEVER;
        if self.has_room(now) {
            self.starved = false;
            events.push(SupplyEvent::Room);
        }
    }

    /// What is due first, and when. Of what is due at once, losses come first, then availability, then
    /// empty nodes, and then word of room.
    fn due(&self) -> (Moment, Due) {
        let mut first = (Moment::NEVER, Due::Room);
        let mut consider = |at: Moment, due: Due| {
            if at < first.0 {
                first = (at, due);
            }
        };
        for (index, node) in self.nodes.iter().enumerate() {
            consider(node.lost_at, Due::Loss(index));
        }
        for (index, pool) in self.pools.iter().enumerate() {
            consider(pool.next_step, Due::Step(index));
        }
        for (index, node) in self.nodes.iter().enumerate() {
            consider(node.idle_until, Due::Idle(index));
        }
        consider(self.room_at, Due::Room);
        first
    }

    fn reschedule(&mut self) {
        self.next = self.due().0;
    }
}
