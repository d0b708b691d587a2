//! Random calls against a naive model of what has to hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trimtab_sim::cluster::{Pool, PoolSpec, SpotSpec};
use trimtab_sim::supply::{NodeId, Placement, Supply, SupplyEvent};
use trimtab_sim::{Cluster, ClusterSpec, Moment};

use super::{checked, fixed, profile, spot};

/// What a caller may do.
#[derive(Copy, Clone, Debug)]
enum Step {
    Place,
    /// Release the replica at this place among those there are.
    Release(usize),
    Wait(f64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Place),
        3 => any::<prop::sample::Index>().prop_map(|index| Step::Release(index.index(1 << 20))),
        3 => (0.0..200.0_f64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..150)
}

fn spots() -> impl Strategy<Value = Option<SpotSpec>> {
    let steps = prop::collection::vec((1.0..150.0_f64, 0_u32..5), 1..8);
    prop::option::of((0.0..100.0_f64, steps, any::<bool>()).prop_map(|(notice, steps, repeats)| {
        let mut time = 0.0;
        let steps = steps.into_iter().enumerate().map(|(index, (gap, nodes))| {
            time += if index == 0 { 0.0 } else { gap };
            (time, nodes)
        });
        let steps: Vec<(f64, u32)> = steps.collect();
        spot(notice, &steps, repeats.then_some(time + 50.0))
    }))
}

fn pools() -> impl Strategy<Value = Vec<PoolSpec>> {
    let pool = (4_u32..14, prop::option::of(1_u32..4), 0_u32..2, spots(), prop::bool::ANY);
    prop::collection::vec(pool, 1..4).prop_map(|pools| {
        let named = pools.into_iter().enumerate();
        named
            .map(|(index, (gpus_per_node, max_nodes, initial_nodes, spot, fails))| PoolSpec {
                name: Some(format!("pool {index}")),
                gpus_per_node: Some(gpus_per_node),
                max_nodes,
                initial_nodes,
                idle_seconds: 60.0,
                spot,
                losses_per_node_hour: if fails { 10.0 } else { 0.0 },
                ..PoolSpec::default()
            })
            .collect()
    })
}

/// The naive model: what a caller knows, and the laws that have to hold of it.
struct Model<'a> {
    cluster: &'a Cluster,
    supply: Supply,
    now: Moment,
    /// Every replica by its number, with its node.
    replicas: BTreeMap<usize, NodeId>,
    placed: usize,
    notices: BTreeMap<NodeId, Moment>,
    lost: Vec<NodeId>,
    /// A replica waits for word of room.
    waiting: bool,
    /// The integral of the number of nodes, in node-seconds.
    node_seconds: f64,
    log: Vec<(Moment, String)>,
}

impl<'a> Model<'a> {
    fn new(cluster: &'a Cluster, seed: u64) -> Self {
        Self {
            cluster,
            supply: Supply::new(cluster, &profile(), seed),
            now: Moment::START,
            replicas: BTreeMap::new(),
            placed: 0,
            notices: BTreeMap::new(),
            lost: Vec::new(),
            waiting: false,
            node_seconds: 0.0,
            log: Vec::new(),
        }
    }

    fn run(mut self, steps: &[Step]) -> Self {
        self.settle(self.now);
        for &step in steps {
            match step {
                Step::Place => self.place(),
                Step::Release(index) => self.release(index),
                Step::Wait(seconds) => self.settle(self.now.after_seconds(seconds)),
            }
            self.check_laws();
        }
        self
    }

    /// Lets everything happen up to `until`.
    fn settle(&mut self, until: Moment) {
        while self.supply.next_event() <= until {
            let next = self.supply.next_event();
            assert!(next >= self.now, "the past is over");
            self.pass(next);
            let mut events = Vec::new();
            self.supply.advance(next, &mut events);
            assert!(self.supply.next_event() > next, "all that was due has happened");
            for event in events {
                self.log.push((next, format!("{event:?}")));
                self.hear(event);
            }
            self.check_laws();
        }
        self.pass(until);
    }

    fn pass(&mut self, until: Moment) {
        self.node_seconds += self.supply.nodes() as f64 * until.seconds_since(self.now);
        self.now = until;
    }

    fn hear(&mut self, event: SupplyEvent) {
        match event {
            SupplyEvent::Notice { node, lost_at } => {
                assert!(lost_at >= self.now && self.holds(node) > 0);
                assert_eq!(self.notices.insert(node, lost_at), None, "one notice is enough");
            }
            SupplyEvent::Lost { node } => {
                assert!(self.holds(node) > 0);
                assert!(self.notices.get(&node).is_none_or(|&lost_at| self.now <= lost_at));
                self.replicas.retain(|_, on| *on != node);
                self.lost.push(node);
            }
            SupplyEvent::Room => {
                assert!(self.waiting, "word of room is for those who wait");
                self.waiting = false;
                self.place();
                assert!(!self.waiting, "there is room");
            }
        }
    }

    fn place(&mut self) {
        let placed = self.supply.place(self.now);
        self.log.push((self.now, format!("{placed:?}")));
        let Some(Placement { node, node_ready, image_ready, weights_ready, ready }) = placed else {
            self.waiting = true;
            return;
        };
        let course = [self.now, node_ready, image_ready, weights_ready, ready];
        assert!(course.is_sorted(), "{course:?}");
        assert!(!self.lost.contains(&node), "nothing runs on a lost node");
        assert!(!self.notices.contains_key(&node), "nothing comes to a node under notice");
        self.replicas.insert(self.placed, node);
        self.placed += 1;
    }

    fn release(&mut self, index: usize) {
        let numbers: Vec<usize> = self.replicas.keys().copied().collect();
        if numbers.is_empty() {
            return;
        }
        let node = self.replicas.remove(&numbers[index % numbers.len()]).unwrap();
        self.supply.release(self.now, node);
    }

    fn holds(&self, node: NodeId) -> usize {
        self.replicas.values().filter(|&&on| on == node).count()
    }

    fn check_laws(&self) {
        let pools = self.cluster.pools();
        let used: BTreeSet<NodeId> = self.replicas.values().copied().collect();
        assert!(used.len() <= self.supply.nodes(), "a node with replicas exists");
        let most = pools.iter().map(|pool| pool.gpus_per_node / 4).max().unwrap() as usize;
        assert!(used.iter().all(|&node| self.holds(node) <= most), "GPUs are reserved once");
        for (&node, &lost_at) in &self.notices {
            assert!(self.holds(node) == 0 || lost_at >= self.now, "a notice is carried out");
        }
        // At the start of a moment, before what is due then, the law is that of the moment before.
        if self.supply.next_event() > self.now {
            let limit: usize = pools.iter().map(|pool| self.most_nodes(pool)).sum();
            assert!(self.supply.nodes() <= limit, "{} of {limit}", self.supply.nodes());
        }
        if let [pool] = pools {
            let expected = self.node_seconds * f64::from(pool.gpus_per_node);
            let spent = self.supply.usage(self.now)[0].gpu_seconds;
            assert!((spent - expected).abs() < 1e-3, "{spent} and not {expected}");
            let free = self.supply.nodes() * most - self.replicas.len();
            let blocked = |node: &&NodeId| self.notices.contains_key(node);
            let blocked: usize = used.iter().filter(blocked).map(|&on| most - self.holds(on)).sum();
            if self.waiting && self.supply.next_event() > self.now {
                assert_eq!(free, blocked, "who waits has nowhere to go");
            }
        }
    }

    /// The most nodes that could be had within the last notice.
    fn most_nodes(&self, pool: &Pool) -> usize {
        let unlimited = pool.max_nodes.map_or(usize::MAX / 8, |nodes| nodes as usize);
        let Some(spot) = &pool.spot else { return unlimited };
        let mut moment = self.now.after_seconds(-spot.notice_seconds);
        let mut most = 0;
        while moment <= self.now {
            most = most.max(spot.availability.nodes_at(moment) as usize);
            moment = spot.availability.next_step(moment);
        }
        most.min(unlimited)
    }
}

proptest! {
    #[test]
    fn the_laws_hold(pools in pools(), steps in steps(), seed in any::<u64>(), lead in any::<bool>()) {
        let mut spec = ClusterSpec { pools, ..ClusterSpec::default() };
        if lead {
            spec.start.lead_time_seconds = Some(fixed(120.0));
        }
        let cluster = checked(&spec);
        let mut model = Model::new(&cluster, seed).run(&steps);
        let same = Model::new(&cluster, seed).run(&steps);
        prop_assert_eq!(&model.log, &same.log);

        // What nobody uses goes.
        while !model.replicas.is_empty() {
            model.release(0);
            // Whoever waits takes the place, once.
            model.settle(model.now);
        }
        let idle = model.now.after_seconds(2000.0);
        model.waiting = false;
        let mut events = Vec::new();
        model.supply.advance(idle, &mut events);
        prop_assert!(events.iter().all(|event| *event == SupplyEvent::Room), "{:?}", events);
        prop_assert_eq!(model.supply.nodes(), 0);
    }
}
