//! Laws of the generated workloads.

use proptest::prelude::*;
use trimtab_sim::{Request, Scenario, TokenLength, TokenLengths, Workload, summarize};

fn named(name: &str, seed: u64) -> Scenario {
    Scenario::named(name, seed).unwrap()
}

fn requests(scenario: &Scenario) -> Vec<Request> {
    scenario.requests().unwrap().map(Result::unwrap).collect()
}

/// Requests per second between two times, in minutes.
fn rate_between(requests: &[Request], from: f64, to: f64) -> f64 {
    let within = |r: &&Request| (from..to).contains(&(r.arrival.seconds() / 60.0));
    requests.iter().filter(within).count() as f64 / ((to - from) * 60.0)
}

/// The coefficient of variation of the gaps.
fn gap_cv(requests: &[Request]) -> f64 {
    let gaps: Vec<f64> =
        requests.windows(2).map(|pair| pair[1].arrival.seconds_since(pair[0].arrival)).collect();
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / n;
    variance.sqrt() / mean
}

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected, "{found}, not {expected}");
}

/// Means per second by the table in the documentation of `Scenario`; those of `flash-crowd` are the
/// integral of its decline.
#[test]
fn each_scenario_has_the_mean_rate_of_the_table() {
    let flash = 10.0 + 90.0 * (30.0 + 300.0 + 300.0 / core::f64::consts::LN_2) / 7200.0;
    let ramp = (5.0 * 30.0 + 42.5 * 75.0 + 80.0 * 15.0) / 120.0;
    for (name, mean, hours) in [
        ("steady", 40.0, 2.0),
        ("ramp", ramp, 2.0),
        ("step", 30.0, 2.0),
        ("flash-crowd", flash, 2.0),
        ("on-off", 20.0, 4.0),
    ] {
        let scenario = named(name, 3);
        assert_near(scenario.duration_seconds(), hours * 3600.0, 0.0);
        let count = requests(&scenario).len() as f64;
        assert_near(count / (hours * 3600.0), mean, 0.015);
    }
    for (name, mean, days) in [("diurnal", 40.0, 1.0), ("weekly", 8.0, 7.0)] {
        let scenario = named(name, 3).with_rate_scale(0.05);
        assert_near(scenario.duration_seconds(), days * 86_400.0, 0.0);
        let count = requests(&scenario).len() as f64;
        assert_near(count / (days * 86_400.0), mean * 0.05, 0.015);
    }
}

#[test]
fn every_name_is_a_scenario_and_the_default_is_one() {
    let names: Vec<&str> = Scenario::names().collect();
    assert_eq!(
        names,
        ["steady", "diurnal", "weekly", "ramp", "step", "flash-crowd", "on-off", "markov"]
    );
    for name in names {
        assert_eq!(named(name, 1).name(), name);
    }
    assert!(Scenario::named(Scenario::DEFAULT, 1).is_some());
    assert!(Scenario::named("Steady", 1).is_none());
}

#[test]
fn rates_follow_their_shape() {
    let diurnal = requests(&named("diurnal", 5).with_rate_scale(0.5));
    for (hour, rate) in [(3.5, 12.5), (10.0, 62.6), (12.0, 53.8), (15.0, 62.0)] {
        let minute = hour * 60.0;
        assert_near(rate_between(&diurnal, minute - 15.0, minute + 15.0) * 2.0, rate, 0.05);
    }
    let step = requests(&named("step", 5));
    assert_near(rate_between(&step, 0.0, 30.0), 10.0, 0.05);
    assert_near(rate_between(&step, 30.0, 90.0), 50.0, 0.02);
    assert_near(rate_between(&step, 90.0, 120.0), 10.0, 0.05);
    let flash = requests(&named("flash-crowd", 5));
    assert_near(rate_between(&flash, 0.0, 60.0), 10.0, 0.05);
    assert_near(rate_between(&flash, 61.0, 66.0), 100.0, 0.05);
    assert_near(rate_between(&flash, 70.0, 72.0), 55.0, 0.1);
    let on_off = requests(&named("on-off", 5));
    assert_near(rate_between(&on_off, 30.0, 45.0), 40.0, 0.03);
    assert_near(rate_between(&on_off, 15.0, 30.0), 0.0, 0.0);
    let ramp = requests(&named("ramp", 5));
    assert_near(rate_between(&ramp, 44.0, 46.0), 42.5, 0.1);
    assert_near(rate_between(&ramp, 75.0, 90.0), 80.0, 0.03);
}

#[test]
fn a_week_has_a_weekend() {
    let week = requests(&named("weekly", 5).with_rate_scale(0.1));
    let day = |n: f64| rate_between(&week, n * 1440.0, (n + 1.0) * 1440.0);
    for working_day in [0.0, 1.0, 2.0, 3.0, 4.0] {
        assert!(day(5.0) < 0.75 * day(working_day));
        assert!(day(6.0) < 0.75 * day(working_day));
    }
    let noon = |n: f64| rate_between(&week, n * 1440.0 + 660.0, n * 1440.0 + 780.0);
    assert_near(noon(5.0) / noon(2.0), 0.55 / 1.05, 0.1);
}

#[test]
fn gaps_vary_as_stated() {
    for cv in [0.3, 0.8, 1.0, 1.2, 2.0, 4.0] {
        let steady = named("steady", 9).with_interarrival_cv(cv).with_duration_seconds(3600.0);
        assert_near(gap_cv(&requests(&steady)), cv, 0.04);
    }
    let even = requests(&named("steady", 9).with_interarrival_cv(0.0).with_duration_seconds(60.0));
    assert_eq!(even.len(), 2400);
    assert!(gap_cv(&even) < 1e-6);
}

#[test]
fn lengths_are_those_asked_for() {
    let tokens = TokenLengths {
        input: TokenLength::constant(512),
        output: TokenLength::from_mean_and_sigma(200.0, 0.5).unwrap(),
    };
    let scenario = named("steady", 2).with_duration_seconds(600.0).with_tokens(tokens);
    let summary = summarize(&scenario).unwrap();
    assert_near(summary.mean_input_tokens, 512.0, 0.0);
    assert_near(summary.mean_output_tokens, 200.0, 0.02);
    assert_eq!(summary.name, "steady");
}

#[test]
fn what_lasts_longer_starts_over() {
    let step = requests(&named("step", 5).with_duration_seconds(4.0 * 3600.0));
    assert_near(rate_between(&step, 120.0, 150.0), 10.0, 0.05);
    assert_near(rate_between(&step, 150.0, 210.0), 50.0, 0.02);
    assert_near(rate_between(&step, 210.0, 240.0), 10.0, 0.05);
}

#[test]
fn numbers_out_of_range_are_errors() {
    let steady = || named("steady", 1);
    let message = |scenario: Scenario| scenario.requests().err().unwrap().to_string();
    assert_eq!(
        message(steady().with_rate_scale(0.0)),
        "steady: a rate scale of `0` is out of range"
    );
    assert_eq!(
        message(steady().with_interarrival_cv(f64::NAN)),
        "steady: a coefficient of variation of `NaN` is out of range"
    );
    assert_eq!(
        message(steady().with_duration_seconds(f64::INFINITY)),
        "steady: a duration of `inf` is out of range"
    );
}

/// Changes that move what every backtest on a scenario finds, so they must be meant.
#[test]
fn the_requests_are_pinned() {
    let first: Vec<String> = Scenario::names()
        .map(|name| {
            let summary = summarize(&named(name, 1).with_duration_seconds(4000.0)).unwrap();
            format!(
                "{name}: {} requests, the last at {}, {} and {} tokens, peak {}",
                summary.requests,
                summary.seconds,
                summary.mean_input_tokens,
                summary.mean_output_tokens,
                summary.peak_per_second
            )
        })
        .collect();
    insta::assert_snapshot!(first.join("\n"));
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    let names: Vec<&str> = Scenario::names().collect();
    let seconds = prop_oneof![1.0..200.0, 5000.0..9000.0];
    (proptest::sample::select(names), any::<u64>(), 0.01..1.0, 0.0..6.0, seconds).prop_map(
        |(name, seed, rate_scale, cv, seconds)| {
            named(name, seed)
                .with_rate_scale(rate_scale)
                .with_interarrival_cv(cv)
                .with_duration_seconds(seconds)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn requests_are_in_order_within_the_duration_and_the_same_again(scenario in any_scenario()) {
        let first = requests(&scenario);
        prop_assert!(first.is_sorted_by_key(|request| request.arrival));
        for request in &first {
            prop_assert!((0.0..=scenario.duration_seconds()).contains(&request.arrival.seconds()));
            prop_assert!((1..=TokenLength::MAX).contains(&request.input_tokens));
            prop_assert!((1..=TokenLength::MAX).contains(&request.output_tokens));
        }
        prop_assert_eq!(&first, &requests(&scenario));
        prop_assert_eq!(&first, &requests(&scenario.clone()));
    }

    /// In five standard deviations of a renewal process, whatever its variation.
    #[test]
    fn as_many_requests_as_the_rate_says(seed in any::<u64>(), cv in 0.0..4.0, scale in 0.1..1.0) {
        let scenario = named("step", seed).with_interarrival_cv(cv).with_rate_scale(scale);
        let expected = 30.0 * 7200.0 * scale;
        let count = requests(&scenario).len() as f64;
        prop_assert!((count - expected).abs() <= 5.0 * cv * expected.sqrt() + 1.0 + cv * cv);
    }

    #[test]
    fn another_seed_gives_other_requests(seed in any::<u64>()) {
        let of = |seed| requests(&named("steady", seed).with_duration_seconds(10.0));
        prop_assert_ne!(of(seed), of(seed.wrapping_add(1)));
    }
}
