//! What holds of the nodes, whatever is asked of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use trimtab_sim::cluster::{AvailabilitySpec, AvailabilityStep, Delay, PoolSpec, SpotSpec, Start};
use trimtab_sim::supply::{NodeId, Placement, PoolUse, Supply, SupplyEvent};
use trimtab_sim::{Cluster, ClusterSpec, Moment, ServiceProfile};

/// Replicas of four GPUs.
fn profile() -> ServiceProfile {
    ServiceProfile::named("llama-3.1-70b-a100x4").unwrap()
}

fn checked(spec: &ClusterSpec) -> Cluster {
    spec.check(&profile()).unwrap()
}

fn at(seconds: f64) -> Moment {
    Moment::from_seconds(seconds)
}

fn fixed(seconds: f64) -> Delay {
    Delay::fixed(seconds).unwrap()
}

/// Every phase takes a time that tells it from the sums of others.
fn phases() -> Start {
    Start {
        node_launch: fixed(1000.0),
        image_pull: fixed(100.0),
        weight_load: fixed(30.0),
        cached_weight_load: fixed(10.0),
        engine_warm_up: fixed(1.0),
        ..Start::default()
    }
}

fn spec(pools: Vec<PoolSpec>) -> ClusterSpec {
    ClusterSpec { start: phases(), pools, ..ClusterSpec::default() }
}

fn supply(pools: Vec<PoolSpec>) -> Supply {
    Supply::new(&checked(&spec(pools)), &profile(), 1)
}

fn spot(notice_seconds: f64, steps: &[(f64, u32)], repeat_seconds: Option<f64>) -> SpotSpec {
    let step = |&(at_seconds, nodes): &(f64, u32)| AvailabilityStep { at_seconds, nodes };
    let steps = Some(steps.iter().map(step).collect());
    let availability = AvailabilitySpec { steps, repeat_seconds, ..AvailabilitySpec::default() };
    SpotSpec { notice_seconds, availability }
}

/// All that happens until `until`, with its moments.
fn events_until(supply: &mut Supply, until: f64) -> Vec<(f64, SupplyEvent)> {
    let (mut all, mut events) = (Vec::new(), Vec::new());
    while supply.next_event() <= at(until) {
        let now = supply.next_event();
        supply.advance(now, &mut events);
        all.extend(events.drain(..).map(|event| (now.seconds(), event)));
    }
    all
}

fn gpu_seconds(supply: &Supply, now: f64) -> f64 {
    supply.usage(at(now)).iter().map(|pool: &PoolUse| pool.gpu_seconds).sum()
}

#[test]
fn a_node_launches_pulls_and_loads_once() {
    let mut supply = supply(vec![PoolSpec { gpus_per_node: 16, ..PoolSpec::default() }]);
    let first = supply.place(at(0.0)).unwrap();
    assert_eq!(
        [first.node_ready, first.image_ready, first.weights_ready, first.ready],
        [at(1000.0), at(1100.0), at(1130.0), at(1131.0)]
    );
    let while_launching = supply.place(at(500.0)).unwrap();
    assert_eq!(while_launching, first);
    let while_pulling = supply.place(at(1095.0)).unwrap();
    assert_eq!(
        (while_pulling.node_ready, while_pulling.image_ready, while_pulling.weights_ready),
        (at(1095.0), at(1100.0), at(1130.0))
    );
    let while_loading = supply.place(at(1125.0)).unwrap();
    assert_eq!(
        (while_loading.image_ready, while_loading.weights_ready),
        (at(1125.0), at(1135.0)),
        "it reads the page cache, which takes its time"
    );
    supply.release(at(2000.0), first.node);
    let cached = supply.place(at(2001.0)).unwrap();
    assert_eq!((cached.node, cached.ready), (first.node, at(2012.0)));
    assert_eq!(supply.nodes(), 1);
    assert_ne!(supply.place(at(2002.0)).unwrap().node, first.node);
}

#[test]
fn what_has_not_begun_is_not_done_when_the_only_replica_leaves() {
    let mut supply = supply(vec![PoolSpec::default()]);
    let first = supply.place(at(0.0)).unwrap();
    supply.release(at(10.0), first.node);
    let late = supply.place(at(1200.0)).unwrap();
    assert_eq!((late.node, late.ready), (first.node, at(1331.0)), "nothing was pulled");
    supply.release(at(1201.0), late.node);
    let again = supply.place(at(1500.0)).unwrap();
    assert_eq!(again.ready, at(1531.0), "the pull had begun and went on, the load had not");
}

#[test]
fn a_lead_time_stands_for_all_phases() {
    let mut spec = spec(vec![PoolSpec { max_nodes: Some(1), ..PoolSpec::default() }]);
    spec.start.lead_time_seconds = Some(fixed(120.0));
    let mut supply = Supply::new(&checked(&spec), &profile(), 1);
    for now in [0.0, 60.0] {
        let placement = supply.place(at(now)).unwrap();
        assert_eq!((placement.weights_ready, placement.ready), (at(now), at(now + 120.0)));
    }
    assert_eq!(supply.place(at(60.0)), None, "the pool is finite all the same");
}

#[test]
fn what_runs_at_the_start_runs_on_warm_nodes() {
    let mut supply = supply(vec![PoolSpec::default()]);
    let running = supply.place_running(Moment::START).unwrap();
    assert_eq!(running.ready, Moment::START);
    assert_eq!(supply.place(at(5.0)).unwrap().ready, at(16.0));
    assert_eq!(supply.nodes(), 1);
}

#[test]
fn empty_nodes_go_after_their_time_and_cost_until_then() {
    let pool = PoolSpec { initial_nodes: 1, idle_seconds: 50.0, ..PoolSpec::default() };
    let mut supply = supply(vec![pool]);
    assert_eq!((supply.nodes(), supply.next_event()), (1, at(50.0)));
    let placement = supply.place(at(40.0)).unwrap();
    assert_eq!((placement.node_ready, supply.next_event()), (at(40.0), Moment::NEVER));
    supply.release(at(100.0), placement.node);
    assert_eq!(supply.next_event(), at(150.0));
    assert_eq!(events_until(&mut supply, 1000.0), []);
    assert_eq!((supply.nodes(), supply.next_event()), (0, Moment::NEVER));
    assert_eq!(gpu_seconds(&supply, 1000.0), 150.0 * 8.0);
}

#[test]
fn pools_are_tried_in_their_order() {
    let one = |name: &str, price| PoolSpec {
        name: Some(String::from(name)),
        gpus_per_node: 4,
        max_nodes: Some(1),
        gpu_hour_price: Some(price),
        ..PoolSpec::default()
    };
    let mut supply = supply(vec![one("reserved", 1.0), one("on-demand", 2.0)]);
    assert!(supply.place(at(0.0)).is_some() && supply.place(at(10.0)).is_some());
    assert_eq!(supply.place(at(10.0)), None);
    let usage = supply.usage(at(20.0));
    let seen = usage.iter().map(|pool| (pool.pool.as_str(), pool.gpu_seconds, pool.gpu_hour_price));
    let expected = [("reserved", 80.0, Some(1.0)), ("on-demand", 40.0, Some(2.0))];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn spot_nodes_get_notice_and_are_lost() {
    let steps = [(0.0, 3), (100.0, 1), (110.0, 3)];
    let pool = PoolSpec {
        gpus_per_node: 4,
        initial_nodes: 5,
        spot: Some(spot(30.0, &steps, None)),
        ..PoolSpec::default()
    };
    let mut supply = supply(vec![pool]);
    assert_eq!(supply.nodes(), 3, "no more than can be had");
    let nodes: Vec<_> = (0..3).map(|_| supply.place(at(0.0)).unwrap().node).collect();
    assert_eq!(supply.place(at(0.0)), None);

    let events = events_until(&mut supply, 129.9);
    let [(a, SupplyEvent::Notice { node: first, lost_at }), (b, SupplyEvent::Notice { node, .. })] =
        events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((a, b, lost_at), (100.0, 100.0, at(130.0)));
    assert!(first != node && nodes.contains(&first) && nodes.contains(&node));

    supply.release(at(129.9), first);
    assert_eq!(supply.nodes(), 2, "an empty node under notice goes at once");
    let events = events_until(&mut supply, 1000.0);
    let expected = [(129.9, SupplyEvent::Room), (130.0, SupplyEvent::Lost { node })];
    assert_eq!(events, expected);
    supply.release(at(1000.0), node); // of no consequence
    assert_eq!(supply.nodes(), 1);
    assert!(supply.place(at(1000.0)).is_some() && supply.place(at(1000.0)).is_some());
    assert_eq!(supply.place(at(1000.0)), None);
}

#[test]
fn nodes_fail_at_their_rate() {
    let pool = PoolSpec { losses_per_node_hour: 6.0, initial_nodes: 1, ..PoolSpec::default() };
    let mut supply = supply(vec![pool]);
    let mut now = Moment::START;
    let (mut events, failures) = (Vec::new(), 4000);
    for _ in 0..failures {
        supply.place(now).unwrap();
        now = supply.next_event();
        supply.advance(now, &mut events);
    }
    assert_eq!(events.len(), failures);
    assert!(events.iter().all(|event| matches!(event, SupplyEvent::Lost { .. })));
    let mean = now.seconds() / 4000.0;
    assert!((mean / 600.0 - 1.0).abs() < 0.05, "{mean}");
}

#[test]
fn promotions_take_the_time_to_wake() {
    let mut spec = ClusterSpec::default();
    spec.start.lead_time_seconds = Some(fixed(120.0));
    let mut supply = Supply::new(&checked(&spec), &profile(), 1);
    let mut drawn: Vec<f64> = (0..10_001).map(|_| supply.wake_seconds()).collect();
    drawn.sort_by(f64::total_cmp);
    assert!((drawn[5000] - 8.0).abs() < 0.3 && (drawn[9500] - 20.0).abs() < 1.0);
}

#[test]
fn gzip_goes_by_the_name() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("supply-spot.csv.gz");
    let mut file =
        flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), Default::default());
    file.write_all(b"t_s,a\n0,7\n60,2\n").unwrap();
    file.finish().unwrap();
    let mut supply = supply(vec![recorded(path, "a", 1)]);
    supply.place(Moment::START).unwrap();
    assert_eq!(supply.next_event(), at(60.0));
}

fn recorded(file: PathBuf, column: &str, nodes_per_unit: u32) -> PoolSpec {
    let availability = AvailabilitySpec {
        file: Some(file),
        column: Some(column.to_owned()),
        nodes_per_unit: Some(nodes_per_unit),
        ..AvailabilitySpec::default()
    };
    PoolSpec {
        gpus_per_node: 4,
        spot: Some(SpotSpec { notice_seconds: 120.0, availability }),
        ..PoolSpec::default()
    }
}

/// As many replicas as there can be, on a recorded spot pool: two minutes after any change there are
/// exactly as many nodes as the file says.
#[test]
fn recordings_are_followed() {
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    for (file, column, units) in [
        ("spot_capacity_v100_aws_3zones_16node_2023-08.csv.gz", "us-west-2a_v100_1", 1),
        ("spot_availability_v100_aws_9zones_2023-02.csv.gz", "us-east-1f_v100_1", 3),
    ] {
        let path = shared.join("traces").join(file);
        if !path.exists() {
            eprintln!("skipped: there is no {}", path.display());
            continue;
        }
        follow(&path, column, units);
    }
}

fn follow(path: &Path, column: &str, units: u32) {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let index = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
    let rows: Vec<(f64, u32)> = lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].parse().unwrap(), fields[index].parse::<u32>().unwrap() * units)
        })
        .collect();

    let mut supply = supply(vec![recorded(path.to_owned(), column, units)]);
    let (mut events, mut losses, mut notices) = (Vec::new(), 0, 0);
    let length = rows[rows.len() - 1].0 + rows[1].0;
    // Once through, and a little of the repetition.
    let again = rows.iter().take(50).map(|&(seconds, nodes)| (seconds + length, nodes));
    for (seconds, nodes) in rows.iter().copied().chain(again) {
        let settled = at(seconds + 121.0);
        while supply.next_event() <= settled {
            let now = supply.next_event();
            supply.advance(now, &mut events);
            for event in events.drain(..) {
                match event {
                    SupplyEvent::Notice { lost_at, .. } => {
                        assert_eq!(lost_at, now.after_seconds(120.0));
                        notices += 1;
                    }
                    SupplyEvent::Lost { .. } => losses += 1,
                    SupplyEvent::Room => while supply.place(now).is_some() {},
                }
            }
        }
        while supply.place(settled).is_some() {}
        assert_eq!(supply.nodes(), nodes as usize, "{column} at {seconds}");
    }
    assert!(losses > 20 && losses == notices, "{losses} of {notices}");
}

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
                gpus_per_node,
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
        let used: std::collections::BTreeSet<NodeId> = self.replicas.values().copied().collect();
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
    fn most_nodes(&self, pool: &trimtab_sim::cluster::Pool) -> usize {
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
