//! The laws of the service model, and what is known of it by hand.

use proptest::prelude::*;

use super::*;

/// Llama 3.1 8B on an A100, as fitted.
const A100: ServiceModel = ServiceModel {
    prefill_fixed: 7.742e-3,
    prefill_per_token: 5.462_3e-5,
    prefill_per_token_squared: 1.531_6e-9,
    decode_fixed: 1.167_9e-2,
    decode_per_sequence: 3.045e-5,
    decode_per_context_token: 8.059_9e-8,
    max_sequences: 256.0,
    max_batched_tokens: 2048.0,
    kv_cache_tokens: 396_848.0,
};
const CHAT: Mix = Mix { input: 1024.0, output: 256.0 };
const PROMISED: Objectives = Objectives {
    ttft: 2.0,
    tpot: Some(0.05),
    quantile: 0.99,
    arrival_variation: 1.0,
    service_variation: 1.0,
    shared_queue: true,
};

fn least(objectives: &Objectives, rate: f64) -> f64 {
    ceil(A100.staff(CHAT, objectives, rate).replicas - 1e-9)
}

/// By hand: a token alone takes 11.679 + 0.03045 + 0.0928 ms, a prompt 65.28 ms, a request 65.28 +
/// 255 × 0.1233 ms; 50 ms for a token is at 1 - 11.80 / 50 of what a replica can do.
#[test]
fn a_replica_by_hand() {
    let alone = A100.at(CHAT, 1e-9).unwrap();
    assert!((alone.prefill - 0.065_282).abs() < 1e-6, "{alone:?}");
    assert!((alone.tpot - 0.011_802_3).abs() < 1e-6, "{alone:?}");
    let most = (1.0 - 0.011_802_3 / 0.05) / (0.065_282 + 255.0 * 0.000_123_3);
    let sustained = A100.sustained(CHAT, &PROMISED);
    assert!((sustained - most).abs() < 0.01, "{sustained} {most}");
    assert!((A100.at(CHAT, sustained).unwrap().tpot - 0.05).abs() < 1e-9);
    assert_eq!(A100.most_sequences(CHAT), 256.0);
    assert_eq!(A100.most_sequences(Mix { input: 16_000.0, output: 1.0 }), 396_848.0 / 16_000.5);
}

#[test]
fn what_is_out_of_reach_neither_runs_away_nor_is_given_up() {
    let impossible = Objectives { ttft: 0.01, tpot: Some(0.001), ..PROMISED };
    let staffing = A100.staff(CHAT, &impossible, 40.0);
    assert!(staffing.out_of_reach && staffing.replicas < 40.0, "{staffing:?}");
    assert!(!A100.staff(CHAT, &PROMISED, 40.0).out_of_reach);
}

/// One that is twice as slow is seen to be, whatever its load.
#[test]
fn slowness_is_told_from_a_token() {
    for rate in [0.1, 2.0, 4.0] {
        let tpot = A100.slower(2.0).at(CHAT, rate).unwrap().tpot;
        assert!((A100.slowness(CHAT, rate, tpot) - 2.0).abs() < 1e-9);
    }
}

#[test]
fn many_replicas_are_the_rate_over_what_one_sustains() {
    let rate = 1e7;
    let staffing = A100.staff(CHAT, &PROMISED, rate);
    assert_eq!(staffing.replicas, rate / staffing.sustained);
    assert_eq!(A100.staff(CHAT, &PROMISED, 0.0).replicas, 0.0);
    assert_eq!(A100.staff(CHAT, &PROMISED, f64::NAN).replicas, 0.0);
}

fn models() -> impl Strategy<Value = ServiceModel> {
    let seconds = |most: f64| (-3.0..0.0_f64).prop_map(move |power| most * libm::pow(10.0, power));
    (
        seconds(0.05),
        seconds(1e-3),
        seconds(1e-8),
        seconds(0.1),
        seconds(1e-3),
        seconds(1e-6),
        1.0..512.0_f64,
        512.0..16_384.0_f64,
        1e4..1e6_f64,
    )
        .prop_map(|(c0, c1, c2, a, b, c, sequences, batched, kv)| ServiceModel {
            prefill_fixed: c0,
            prefill_per_token: c1,
            prefill_per_token_squared: c2,
            decode_fixed: a,
            decode_per_sequence: b,
            decode_per_context_token: c,
            max_sequences: sequences,
            max_batched_tokens: batched,
            kv_cache_tokens: kv,
        })
}

fn mixes() -> impl Strategy<Value = Mix> {
    (1.0..16_000.0_f64, 1.0..2_000.0_f64).prop_map(|(input, output)| Mix { input, output })
}

fn promises() -> impl Strategy<Value = Objectives> {
    (
        0.01..10.0_f64,
        proptest::option::of(0.005..0.5_f64),
        0.5..0.999_f64,
        0.0..4.0_f64,
        any::<bool>(),
    )
        .prop_map(|(ttft, tpot, quantile, variation, shared_queue)| Objectives {
            ttft,
            tpot,
            quantile,
            arrival_variation: variation,
            service_variation: 1.0,
            shared_queue,
        })
}

/// The least whole number; what rounding may make of a value at a whole number is not looked at.
fn whole(model: &ServiceModel, mix: Mix, objectives: &Objectives, rate: f64) -> f64 {
    ceil(model.staff(mix, objectives, rate).replicas - 1e-6)
}

proptest! {
    #[test]
    fn more_requests_never_take_fewer(
        model in models(), mix in mixes(), promised in promises(), rate in 0.0..2_000.0_f64,
        more in 0.0..500.0_f64,
    ) {
        let (few, many) =
            (whole(&model, mix, &promised, rate), whole(&model, mix, &promised, rate + more));
        prop_assert!(few <= many, "{few} {many}");
    }

    #[test]
    fn a_stricter_objective_never_takes_fewer(
        model in models(), mix in mixes(), promised in promises(), rate in 0.0..2_000.0_f64,
        ttft in 0.1..=1.0_f64, tpot in 0.1..=1.0_f64, quantile in 0.0..=1.0_f64,
    ) {
        let strict = Objectives {
            ttft: promised.ttft * ttft,
            tpot: promised.tpot.map(|most| most * tpot),
            quantile: promised.quantile + (0.999 - promised.quantile) * quantile,
            ..promised
        };
        let (few, many) =
            (whole(&model, mix, &promised, rate), whole(&model, mix, &strict, rate));
        prop_assert!(few <= many, "{few} {many}");
    }

    /// Enough is enough, one less is not, and no replica is asked for more than it sustains.
    #[test]
    fn it_is_the_least(
        model in models(), mix in mixes(), promised in promises(), rate in 0.001..2_000.0_f64,
    ) {
        let staffing = model.staff(mix, &promised, rate);
        prop_assert!(staffing.replicas.is_finite() && staffing.replicas > 0.0);
        prop_assert!(rate / staffing.replicas <= staffing.sustained * (1.0 + 1e-9));
        let promised = model.within_reach(mix, &promised).0;
        let enough = ceil(staffing.replicas - 1e-6);
        let slow = |replicas: f64| model.ttft(mix, &promised, replicas, rate);
        prop_assert!(enough >= MOST_SERVERS || slow(enough) <= promised.ttft * (1.0 + 1e-5));
        if enough > 1.0 && enough < MOST_SERVERS {
            let sustains = rate / (enough - 1.0) <= staffing.sustained;
            prop_assert!(!sustains || slow(enough - 1.0) > promised.ttft * (1.0 - 1e-5));
        }
    }

    /// In seconds or in halves of them, it is the same.
    #[test]
    fn the_unit_of_time_is_nothing(
        model in models(), mix in mixes(), promised in promises(), rate in 0.0..2_000.0_f64,
        power in -8..8_i32,
    ) {
        let times = libm::pow(2.0, f64::from(power));
        let longer = Objectives {
            ttft: promised.ttft * times,
            tpot: promised.tpot.map(|most| most * times),
            ..promised
        };
        let one = model.staff(mix, &promised, rate);
        let other = model.slower(times).staff(mix, &longer, rate / times);
        prop_assert_eq!(one.replicas, other.replicas);
    }
}

#[test]
fn more_replicas_in_one_pool_take_less_each() {
    let [few, some, many] = [8.0, 80.0, 800.0]
        .map(|rate| least(&PROMISED, rate) / rate * A100.sustained(CHAT, &PROMISED));
    assert!(few > some && some >= many && many < 1.01, "{few} {some} {many}");
}
