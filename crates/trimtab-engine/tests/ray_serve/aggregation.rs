//! Adding up sources and averaging them over time.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trimtab_engine::RayServeAggregation;
use trimtab_engine::strategy::ray_serve::{HandleReport, Reports, Sample, TimeUnit, aggregate};

const AGGREGATIONS: [RayServeAggregation; 3] =
    [RayServeAggregation::Mean, RayServeAggregation::Max, RayServeAggregation::Min];

fn aggregation() -> impl Strategy<Value = RayServeAggregation> {
    prop::sample::select(&AGGREGATIONS)
}

/// Samples in the order of time, in milliseconds before and a little after 0.
fn source() -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec((-40_000_i32..100, -5.0..50.0_f64), 0..20).prop_map(|mut points| {
        points.sort_by_key(|(at, _)| *at);
        points.into_iter().map(|(at, value)| Sample { at: f64::from(at), value }).collect()
    })
}

/// What several sources are together: hundredths of a second, and what counts when.
fn by_hand(sources: &[Vec<Sample>], unit: TimeUnit) -> Vec<Sample> {
    let hundredth = |at: f64| match unit {
        TimeUnit::Seconds => (at * 100.0 + 0.5).floor() / 100.0,
        TimeUnit::Milliseconds => (at / 10.0 + 0.5).floor() * 10.0,
    };
    let mut times: Vec<f64> = sources.iter().flatten().map(|sample| hundredth(sample.at)).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let last = |source: &Vec<Sample>, at: f64| {
        source.iter().rev().find(|sample| hundredth(sample.at) <= at).map_or(0.0, |s| s.value)
    };
    let value = |at: f64| sources.iter().map(|source| last(source, at)).sum();
    times.into_iter().map(|at| Sample { at, value: value(at) }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A source that always counts the same is that.
    #[test]
    fn a_constant_source_is_the_constant(
        times in prop::collection::btree_set(-40_000_i32..=0, 1..30),
        value in 0_u32..1000,
        now in 0_i32..20_000,
        aggregation in aggregation(),
    ) {
        let value = f64::from(value);
        let source: Vec<Sample> =
            times.into_iter().map(|at| Sample { at: f64::from(at), value }).collect();
        let total = aggregate(&[source], f64::from(now), TimeUnit::Milliseconds, aggregation);
        prop_assert_eq!(total, Some(value));
    }

    /// No bit depends on which source is named first.
    #[test]
    fn the_order_of_sources_does_not_matter(
        (sources, shuffled) in prop::collection::vec(source(), 0..6)
            .prop_flat_map(|sources| (Just(sources.clone()), Just(sources).prop_shuffle())),
        aggregation in aggregation(),
    ) {
        let total =
            |sources: &[Vec<Sample>]| aggregate(sources, 50.0, TimeUnit::Milliseconds, aggregation);
        prop_assert_eq!(total(&sources), total(&shuffled));
    }

    /// The aggregate lies between the least and the most that was counted at once.
    #[test]
    fn the_aggregate_is_within_what_was_counted(
        sources in prop::collection::vec(source(), 2..5),
        aggregation in aggregation(),
    ) {
        // A source that is alone is taken as it is, where several move to hundredths of a second.
        let begun: Vec<_> = sources.iter().filter(|source| !source.is_empty()).collect();
        let sum = match begun.as_slice() {
            [alone] => alone.to_vec(),
            _ => by_hand(&sources, TimeUnit::Milliseconds),
        };
        let values = || sum.iter().map(|sample| sample.value).chain([0.0]);
        let most = values().max_by(f64::total_cmp).unwrap_or(0.0);
        let least = values().min_by(f64::total_cmp).unwrap_or(0.0);
        let total = aggregate(&sources, 50.0, TimeUnit::Milliseconds, aggregation);
        if let Some(total) = total {
            prop_assert!(least - 1e-9 <= total && total <= most + 1e-9, "{least} {total} {most}");
        }
        prop_assert_eq!(total.is_none(), sources.iter().all(Vec::is_empty));
    }

    /// Time may be counted from anywhere, and in either unit.
    #[test]
    fn the_origin_of_time_does_not_matter(
        sources in prop::collection::vec(source(), 0..5),
        hours in -500_000_i32..500_000,
        aggregation in aggregation(),
    ) {
        let moved = |by: f64, scale: f64| -> Vec<Vec<Sample>> {
            let sample = |s: &Sample| Sample { at: (s.at + by) * scale, value: s.value };
            sources.iter().map(|source| source.iter().map(sample).collect()).collect()
        };
        let by = f64::from(hours) * 3_600_000.0;
        let total = aggregate(&sources, 50.0, TimeUnit::Milliseconds, aggregation);
        let later = aggregate(&moved(by, 1.0), by + 50.0, TimeUnit::Milliseconds, aggregation);
        prop_assert_eq!(later, total);
        // Where halves fall is up to the rounding of seconds: only where there are none.
        let apart = |sample: &Sample| sample.at.rem_euclid(10.0) != 5.0;
        if aggregation == RayServeAggregation::Mean && sources.iter().flatten().all(apart) {
            let seconds = aggregate(&moved(0.0, 0.001), 0.05, TimeUnit::Seconds, aggregation);
            prop_assert_eq!(seconds.is_some(), total.is_some());
            let (seconds, total) = (seconds.unwrap_or(0.0), total.unwrap_or(0.0));
            prop_assert!((seconds - total).abs() < 1e-6, "{seconds} {total}");
        }
    }
}

#[test]
fn nothing_at_all_is_not_zero() {
    let nothing: [&[Sample]; 2] = [&[], &[]];
    let zero: &[Sample] = &[Sample { at: 1.0, value: 0.0 }];
    for aggregation in AGGREGATIONS {
        let total = |sources: &[&[Sample]]| aggregate(sources, 2.0, TimeUnit::Seconds, aggregation);
        assert_eq!(total(&nothing), None);
        assert_eq!(total(&[]), None);
        assert_eq!(total(&[zero, zero]), Some(0.0));
    }
}

#[test]
fn the_last_count_holds_a_millisecond_when_clocks_disagree() {
    let source = [Sample { at: 8.0, value: 0.0 }, Sample { at: 9.0, value: 1001.0 }];
    let mean = |now| aggregate(&[source], now, TimeUnit::Seconds, RayServeAggregation::Mean);
    let (ahead, behind) = (mean(10.0), mean(8.5));
    assert_eq!(ahead, Some(500.5));
    assert!(behind.is_some_and(|mean| (mean - 1.0).abs() < 1e-6), "{behind:?}");
}

/// A source that begins after the last step of the others does not move the start of the window.
#[test]
fn a_late_source_without_a_step_does_not_count() {
    let steps = [Sample { at: 0.0, value: 4.0 }, Sample { at: 1.0, value: 2.0 }];
    let late = [Sample { at: 3.0, value: 0.0 }];
    let sources: [&[Sample]; 2] = [&steps, &late];
    let mean = aggregate(&sources, 4.0, TimeUnit::Seconds, RayServeAggregation::Mean);
    assert_eq!(mean, Some((4.0 + 3.0 * 2.0) / 4.0));
}

#[test]
fn only_newer_reports_count_and_silent_handles_are_forgotten() {
    let at = |at, value| HandleReport {
        at,
        queued: vec![Sample { at, value }],
        running: BTreeMap::new(),
    };
    let mut reports = Reports::new(10.0);
    let total =
        |reports: &mut Reports, now| reports.total(now, &BTreeSet::new(), RayServeAggregation::Max);
    reports.record_handle("proxy", at(5.0, 3.0), 5.0);
    reports.record_handle("proxy", at(5.0, 9.0), 6.0); // not newer, and no sign of life
    assert_eq!(total(&mut reports, 24.9), 3.0);
    assert_eq!(total(&mut reports, 25.0), 0.0);
    reports.record_handle("proxy", at(4.0, 7.0), 26.0); // forgotten means forgotten
    assert_eq!(total(&mut reports, 26.0), 7.0);
    assert_eq!(total(&mut Reports::new(1.0), 0.0), 0.0);
}

#[test]
fn a_stopped_replica_no_longer_counts() {
    let mut reports = Reports::new(10.0);
    for (id, value) in [("a", 1.0), ("b", 2.0)] {
        reports.record_replica(id, 1.0, vec![Sample { at: 1.0, value }]);
        reports.record_replica(id, 0.5, vec![Sample { at: 0.5, value: 50.0 }]); // late
    }
    let both = BTreeSet::from(["a", "b"]);
    let total = |reports: &mut Reports, running: &BTreeSet<&str>| {
        reports.total(100.0, running, RayServeAggregation::Mean)
    };
    assert_eq!(total(&mut reports, &both), 3.0);
    assert_eq!(total(&mut reports, &BTreeSet::from(["b"])), 2.0);
    reports.forget_replica("b");
    assert_eq!(total(&mut reports, &both), 1.0);
}
