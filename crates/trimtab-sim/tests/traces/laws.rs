//! What holds for every trace.

use std::fmt::Write as _;

use proptest::prelude::*;
use trimtab_sim::{Request, Scenario, TraceOptions, Workload};

use super::{File, HEADER, plain};

#[test]
fn written_requests_are_read_again() {
    let scenario = Scenario::named("step", 4).unwrap().with_duration_seconds(300.0);
    let mut written = String::from(HEADER);
    let made: Vec<Request> = scenario.requests().unwrap().map(Result::unwrap).collect();
    for r in &made {
        writeln!(written, "{},{},{}", r.arrival.seconds(), r.input_tokens, r.output_tokens)
            .unwrap();
    }
    assert_eq!(File::new("made.csv", written).read(&plain()).unwrap(), made);
}

fn any_requests() -> impl Strategy<Value = String> {
    proptest::collection::vec((0.0..5.0, 1_u32..5000, 1_u32..900), 1..200).prop_map(|steps| {
        let mut content = String::from(HEADER);
        let mut seconds = 0.0;
        for (later, input, output) in steps {
            // Ties are common in traces.
            seconds += if later < 1.0 { 0.0 } else { later };
            writeln!(content, "{seconds},{input},{output}").unwrap();
        }
        content
    })
}

fn any_options() -> impl Strategy<Value = TraceOptions> {
    (0.1..5.0, 0.1..10.0, any::<u64>(), proptest::option::of(0.0..5.0), any::<bool>()).prop_map(
        |(rate_scale, time_scale, seed, interarrival_cv, spread)| TraceOptions {
            rate_scale,
            time_scale,
            seed,
            interarrival_cv,
            spread: Some(spread),
            ..plain()
        },
    )
}

/// Text that looks like a trace, more or less.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let heads = [
        HEADER,
        "window_start_s,rate_rps,iat_cv_rate_weighted,mean_input_tokens\n",
        "window_start_s,requests\n",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        "Timestamp,Model,Request tokens,Response tokens\n",
        "{\"timestamp\":0,\"input_length\":1,\"output_length\":1}\n",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"values\":[[0,\"1\"],",
        "\u{1f}\u{8b}",
        "",
    ];
    let row = "[0-9]{1,2}(,[0-9]{1,9}){1,3}\n|[-0-9,.:eTZ \"\\[\\]{}]{0,30}\n|2023-11-16 [0-2][0-9]:00:00,1,[0-9]\n";
    (
        proptest::sample::select(heads.to_vec()),
        proptest::collection::vec(row, 0..6),
        proptest::collection::vec(any::<u8>(), 0..8),
    )
        .prop_map(|(head, rows, tail)| {
            let head = if head.starts_with('\u{1f}') { b"\x1f\x8b\x08\0" } else { head.as_bytes() };
            [head, rows.concat().as_bytes(), &tail].concat()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests_are_in_order_and_the_same_again(
        content in any_requests(),
        options in any_options(),
    ) {
        let file = File::new("trace", content);
        let first = file.read(&options).unwrap();
        prop_assert!(first.is_sorted_by_key(|request| request.arrival));
        prop_assert_eq!(&first, &file.read(&options).unwrap());
    }

    /// Whole copies exactly; a fraction within five standard deviations.
    #[test]
    fn rate_scale_multiplies(content in any_requests(), scale in 0.2..4.0, seed in any::<u64>()) {
        let file = File::new("trace", content);
        let once = file.read(&plain()).unwrap();
        let whole = f64::floor(scale);
        let count = |rate_scale| {
            file.read(&TraceOptions { rate_scale, seed, ..plain() }).unwrap().len() as f64
        };
        let n = once.len() as f64;
        if whole >= 1.0 {
            prop_assert_eq!(count(whole), n * whole);
        }
        let deviation = (n * (scale - whole) * (whole + 1.0 - scale)).sqrt();
        prop_assert!((count(scale) - n * scale).abs() <= 5.0 * deviation + 1.0);
    }

    /// A copy is the request itself or comes within a second after it.
    #[test]
    fn copies_stay_close(content in any_requests(), seed in any::<u64>()) {
        let file = File::new("trace", content);
        let tokens = |r: &Request| (r.input_tokens, r.output_tokens);
        let once = file.read(&plain()).unwrap();
        let thrice = file.read(&TraceOptions { rate_scale: 3.0, seed, ..plain() }).unwrap();
        for copy in &thrice {
            prop_assert!(once.iter().any(|r| tokens(r) == tokens(copy)
                && (0.0..=1.0).contains(&copy.arrival.seconds_since(r.arrival))));
        }
        for request in &once {
            prop_assert!(thrice.contains(request));
        }
    }

    #[test]
    fn the_rate_is_followed(
        rates in proptest::collection::vec(0.0..50.0, 2..30),
        cv in 0.0..3.0,
        seed in any::<u64>(),
        rate_scale in 0.5..2.0,
    ) {
        let mut content = String::from("window_start_s,rate_rps\n");
        for (n, rate) in rates.iter().enumerate() {
            writeln!(content, "{},{rate}", n * 30).unwrap();
        }
        let options =
            TraceOptions { rate_scale, interarrival_cv: Some(cv), seed, ..plain() };
        let requests = File::new("trace", content).read(&options).unwrap();
        prop_assert!(requests.is_sorted_by_key(|request| request.arrival));
        let expected = rates.iter().sum::<f64>() * 30.0 * rate_scale;
        let within = 5.0 * cv * expected.sqrt() + 2.0 + 5.0 * cv * cv;
        prop_assert!((requests.len() as f64 - expected).abs() <= within);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is in the file: requests in order and then perhaps an error, never a panic.
    #[test]
    fn any_text_is_read_or_refused(content in any_text(), options in any_options()) {
        let file = File::new("trace", content);
        if let Ok(trace) = file.open(&options) {
            let read: Vec<_> = trace.requests().unwrap().take(2000).collect();
            let good: Vec<&Request> = read.iter().map_while(|r| r.as_ref().ok()).collect();
            prop_assert!(good.is_sorted_by_key(|request| request.arrival));
            prop_assert!(read.len() - good.len() <= 1);
        }
    }
}
