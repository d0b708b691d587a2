//! One thing at a time.

use trimtab_sim::cluster::PoolSpec;
use trimtab_sim::supply::{PoolUse, Supply, SupplyEvent};
use trimtab_sim::{ClusterSpec, Moment};

use super::{at, checked, fixed, profile, spec, spot, supply};

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

/// Nodes of eight GPUs.
fn of_eight() -> PoolSpec {
    PoolSpec { gpus_per_node: Some(8), ..PoolSpec::default() }
}

fn gpu_seconds(supply: &Supply, now: f64) -> f64 {
    supply.usage(at(now)).iter().map(|pool: &PoolUse| pool.gpu_seconds).sum()
}

#[test]
fn a_node_launches_pulls_and_loads_once() {
    let mut supply = supply(vec![PoolSpec { gpus_per_node: Some(16), ..of_eight() }]);
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
    let mut supply = supply(vec![of_eight()]);
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
    let mut spec = spec(vec![PoolSpec { max_nodes: Some(1), ..of_eight() }]);
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
    let mut supply = supply(vec![of_eight()]);
    let running = supply.place_running(Moment::START).unwrap();
    assert_eq!(running.ready, Moment::START);
    assert_eq!(supply.place(at(5.0)).unwrap().ready, at(16.0));
    assert_eq!(supply.nodes(), 1);
}

#[test]
fn empty_nodes_go_after_their_time_and_cost_until_then() {
    let pool = PoolSpec { initial_nodes: 1, idle_seconds: 50.0, ..of_eight() };
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
        gpus_per_node: Some(4),
        max_nodes: Some(1),
        gpu_hour_price: Some(price),
        ..of_eight()
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
        gpus_per_node: Some(4),
        initial_nodes: 5,
        spot: Some(spot(30.0, &steps, None)),
        ..of_eight()
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
    let pool = PoolSpec { losses_per_node_hour: 6.0, initial_nodes: 1, ..of_eight() };
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
