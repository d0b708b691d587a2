//! What is wrong with a trace, and where.

use std::fmt::Write as _;

use trimtab_sim::{Trace, TraceOptions, Workload};

use super::{File, HEADER, error, gzip, plain};

#[test]
fn errors_say_where_and_what() {
    let request = |row: &str| error(format!("{HEADER}1,2,3\n{row}\n"), &plain());
    assert_eq!(request("0.5,2,3"), "3: the timestamp `0.5` is before `1`, the one before it");
    assert_eq!(request("inf,2,3"), "3: the timestamp `inf` is not finite");
    assert_eq!(request("nan,2,3"), "3: the timestamp `NaN` is not finite");
    assert_eq!(request("1e11,2,3"), "3: the timestamp `100000000000` is too far from the start");
    assert_eq!(request("soon,2,3"), "3: `timestamp_s` is `soon`, which is not a number");
    assert_eq!(request(",2,3"), "3: `timestamp_s` has no value");
    assert_eq!(request("2,2"), "3: `output_tokens` has no value");
    assert_eq!(request("2,0,3"), "3: a request with 0 input tokens");
    assert_eq!(request("2,2,0"), "3: a request with 0 output tokens");
    assert_eq!(request("2,-2,3"), "3: `input_tokens` is `-2`, which is not a number of tokens");
    assert_eq!(
        request("2,4294967296,3"),
        "3: `input_tokens` is `4294967296`, which is too many tokens"
    );
    assert_eq!(error(format!("{HEADER}-1,2,3\n"), &plain()), "2: the timestamp `-1` is negative");
    let rate = |row: &str| error(format!("window_start_s,rate_rps\n0,1\n{row}\n"), &plain());
    assert_eq!(rate("10,-1"), "3: `rate_rps` is `-1`");
    assert_eq!(rate("10,NaN"), "3: `rate_rps` is `NaN`");
    assert_eq!(rate("10,"), "3: `rate_rps` has no value");
    assert_eq!(rate("0,1"), "3: the window starts at `0`, as the one before it");
    assert_eq!(rate("10,1e10"), "3: a rate of `10000000000` requests per second");
    assert_eq!(
        error("window_start_s,rate_rps\n5,1\n3,1\n", &plain()),
        "3: the timestamp `3` is before `5`, the one before it"
    );
    assert_eq!(
        error("window_start_s,rate_rps\n0,1\n", &plain()),
        "2: the trace has a single window"
    );
}

#[test]
fn what_is_no_trace_is_refused() {
    assert_eq!(error("", &plain()), "the trace is empty");
    assert_eq!(error("\n \n", &plain()), "the trace is empty");
    assert_eq!(error(gzip(""), &plain()), "the trace is empty");
    assert_eq!(error(HEADER, &plain()), "the trace has no rows");
    assert_eq!(error("window_start_s,requests\n", &plain()), "the trace has no rows");
    assert_eq!(error("t_s,zone\n0,1\n", &plain()), "1: not a known format of traces: `t_s,zone`");
    assert_eq!(error("{\"a\": 1}", &plain()), "1: not a known format of traces: JSON");
    assert_eq!(
        error("timestamp_s,exec_s,status\n0,32.0,SUCCEED\n", &plain()),
        "1: no columns `input_tokens`, `output_tokens`; there are `timestamp_s`, `exec_s`, `status`"
    );
    assert_eq!(
        error("window_start_s,load\n0,1\n", &plain()),
        "1: no columns `rate_rps` or `requests` or `mentions` or `generative_qps`; there are `window_start_s`, `load`"
    );
    assert_eq!(
        error("TIMESTAMP,ContextTokens\n", &plain()),
        "1: no column `GeneratedTokens`; there are `TIMESTAMP`, `ContextTokens`"
    );
    let help = File::new("a", "a,b\n").open(&plain()).unwrap_err().help.unwrap();
    insta::assert_snapshot!(help);
    let none = Trace::open("/nowhere/trace.csv", &plain()).unwrap_err();
    assert!(none.to_string().starts_with("/nowhere/trace.csv: can't be read: "), "{none}");
}

#[test]
fn gzip_that_ends_early_is_an_error_where_it_ends() {
    let mut content = String::from(HEADER);
    for n in 0_u64..50_000 {
        let token = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50;
        writeln!(content, "{n},{},{}", token + 1, token / 7 + 1).unwrap();
    }
    let whole = gzip(&content);
    let file = File::new("cut.csv.gz", &whole[..whole.len() / 2]);
    let trace = file.open(&plain()).unwrap();
    let read: Vec<_> = trace.requests().unwrap().collect();
    let last = read.last().unwrap().as_ref().unwrap_err();
    assert_eq!(last.message, "the file ends in the middle of its gzip data");
    let line = usize::try_from(last.line.unwrap()).unwrap();
    assert!(line.abs_diff(read.len()) <= 1, "{line}");
    assert!(read.iter().rev().skip(1).all(Result::is_ok));
    assert_eq!(error(&whole[..20], &plain()), "the file ends in the middle of its gzip data");
    let mut broken = whole;
    let middle = broken.len() / 2;
    broken[middle..middle + 50].fill(0xff);
    assert!(error(&broken, &plain()).contains(": can't be read: "));
}

#[test]
fn options_out_of_range_are_errors() {
    let rates = "window_start_s,requests\n0,100\n10,300\n";
    for (options, expected) in [
        (TraceOptions { rate_scale: 0.0, ..plain() }, "a rate scale of `0` is out of range"),
        (TraceOptions { time_scale: -1.0, ..plain() }, "a time scale of `-1` is out of range"),
        (
            TraceOptions { interarrival_cv: Some(f64::NAN), ..plain() },
            "a coefficient of variation of `NaN` is out of range",
        ),
    ] {
        assert_eq!(error(rates, &options), expected);
    }
}
