//! The phases of a start, and when each of them ends.

use super::NodeId;
use super::node::{Fetch, Node};
use crate::cluster::Start;
use crate::{Moment, Random};

/// Where a replica goes, and when it gets how far. The moments never go back from one to the next.
///
/// With a `leadTimeSeconds`, nothing is known of the phases: all but `ready` are the moment of the
/// placement.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node.
    pub node: NodeId,
    /// The node is launched.
    pub node_ready: Moment,
    /// The image is there.
    pub image_ready: Moment,
    /// The weights are loaded.
    pub weights_ready: Moment,
    /// The engine is warm: the replica can serve.
    pub ready: Moment,
}

impl Placement {
    /// A replica that is ready.
    pub(super) fn running(node: NodeId, now: Moment) -> Self {
        Self { node, node_ready: now, image_ready: now, weights_ready: now, ready: now }
    }
}

/// Draws how long phases take, each from a stream of its own.
#[derive(Clone, Debug)]
pub(super) struct Phases {
    start: Start,
    node_launch: Random,
    image_pull: Random,
    weight_load: Random,
    cached_weight_load: Random,
    engine_warm_up: Random,
    wake: Random,
    lead_time: Random,
}

impl Phases {
    pub(super) fn new(start: &Start, seed: u64) -> Self {
        let stream = |phase: &str| Random::new(seed, &format!("supply: {phase}"));
        Self {
            start: start.clone(),
            node_launch: stream("node launch"),
            image_pull: stream("image pull"),
            weight_load: stream("weight load"),
            cached_weight_load: stream("cached weight load"),
            engine_warm_up: stream("engine warm-up"),
            wake: stream("wake"),
            lead_time: stream("lead time"),
        }
    }

    pub(super) fn wake_seconds(&mut self) -> f64 {
        self.start.wake.sample(&mut self.wake)
    }

    /// Nothing with a lead time, which the launch is part of.
    pub(super) fn node_launch_seconds(&mut self) -> f64 {
        match self.start.lead_time_seconds {
            Some(_) => 0.0,
            None => self.start.node_launch.sample(&mut self.node_launch),
        }
    }

    /// A replica is placed on `node` at `now`. The first one there pulls the image and loads the
    /// weights; one that comes meanwhile waits for the same end, and a later one finds them.
    pub(super) fn start(&mut self, node: &mut Node, now: Moment) -> Placement {
        if let Some(lead_time) = self.start.lead_time_seconds {
            let ready = now.after_seconds(lead_time.sample(&mut self.lead_time));
            node.image = Fetch { from: now, until: now };
            node.weights = Fetch { from: now, until: now };
            return Placement { ready, ..Placement::running(node.id, now) };
        }
        let node_ready = node.ready.max(now);
        let image_ready = self.image_ready(node, node_ready);
        let weights_ready = self.weights_ready(node, image_ready);
        let warm_up = self.start.engine_warm_up.sample(&mut self.engine_warm_up);
        let ready = weights_ready.after_seconds(warm_up);
        Placement { node: node.id, node_ready, image_ready, weights_ready, ready }
    }

    fn image_ready(&mut self, node: &mut Node, from: Moment) -> Moment {
        if node.image.until == Moment::NEVER {
            let pull = self.start.image_pull.sample(&mut self.image_pull);
            node.image = Fetch { from, until: from.after_seconds(pull) };
        }
        node.image.until.max(from)
    }

    /// A replica that is not the first reads what the page cache has, or gets while the first one
    /// loads.
    fn weights_ready(&mut self, node: &mut Node, from: Moment) -> Moment {
        if node.weights.until == Moment::NEVER {
            let load = self.start.weight_load.sample(&mut self.weight_load);
            node.weights = Fetch { from, until: from.after_seconds(load) };
            return node.weights.until;
        }
        let cached = self.start.cached_weight_load.sample(&mut self.cached_weight_load);
        node.weights.until.max(from.after_seconds(cached))
    }
}
