//! The recorded traces, where they are at hand.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use trimtab_sim::{Trace, TraceOptions, summarize};

use super::plain;

/// As many requests as rows, by the table of the traces.
#[test]
fn shared_traces_of_requests_have_their_rows() {
    for (file, count, seconds) in [
        ("azure_llm_2023_conv.csv.gz", 19_366, 3501.722),
        ("azure_llm_2023_code.csv.gz", 8_819, 3435.948),
        ("mooncake_fast25_conversation.csv.gz", 12_031, 3536.999),
        ("mooncake_fast25_synthetic.csv.gz", 3_993, 1022.025),
        ("servegen_m-large_sampled_6h_requests.csv.gz", 103_374, 21_600.0),
        ("servegen_m-small_sampled_4h_requests.csv.gz", 96_424, 14_399.732),
    ] {
        let Some(path) = shared(file) else { return };
        let trace = Trace::open(&path, &plain()).unwrap();
        let summary = summarize(&trace).unwrap();
        assert_eq!((summary.requests, summary.seconds), (count, seconds), "{file}");
        assert_eq!(summary.name, file.trim_end_matches(".csv.gz"));
    }
    let Some(path) = shared("alibaba_gentd26_requests.csv.gz") else { return };
    let error = Trace::open(&path, &plain()).unwrap_err();
    assert!(error.message.starts_with("no columns `input_tokens`, `output_tokens`; there are "));
}

/// As many requests as the rates add up to, scaled to about twenty thousand.
#[test]
fn shared_traces_of_rates_have_their_sum() {
    for (file, column, is_rate) in [
        ("servegen_m-large_10min.csv.gz", "rate_rps", true),
        ("servegen_m-mid_10min.csv.gz", "rate_rps", true),
        ("servegen_m-small_10min.csv.gz", "rate_rps", true),
        ("servegen_mm-image_10min.csv.gz", "rate_rps", true),
        ("twitter_stream_2021-08_10s.csv.gz", "requests", false),
        ("nasa_http_1995_60s.csv.gz", "requests", false),
        ("nab_aws_elb_request_count_300s.csv.gz", "requests", false),
        ("nab_twitter_mentions_AAPL_300s.csv.gz", "mentions", false),
        ("nab_twitter_mentions_AMZN_300s.csv.gz", "mentions", false),
        ("alibaba_gentd26_qps_57s.csv.gz", "generative_qps", true),
    ] {
        let Some(path) = shared(file) else { return };
        let total = total(&path, column, is_rate);
        let rate_scale = 20_000.0 / total;
        let options = TraceOptions { rate_scale, interarrival_cv: Some(1.0), ..plain() };
        let summary = summarize(&Trace::open(&path, &options).unwrap()).unwrap();
        assert!((summary.requests as f64 - 20_000.0).abs() < 5.0 * 20_000_f64.sqrt(), "{file}");
        // As the trace says it, whatever that is.
        let stated = Trace::open(&path, &TraceOptions { rate_scale, ..plain() }).unwrap();
        assert!(summarize(&stated).unwrap().requests > 10_000, "{file}");
    }
}

/// The sum of a column; of rates, times their windows.
fn total(path: &Path, column: &str, is_rate: bool) -> f64 {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let at = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
    let parsed: Vec<(f64, f64)> = lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].parse().unwrap(), fields[at].parse().unwrap())
        })
        .collect();
    if !is_rate {
        return parsed.iter().map(|row| row.1).sum();
    }
    let lengths: Vec<f64> = parsed.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let last = lengths.last().copied();
    parsed.iter().zip(lengths.into_iter().chain(last)).map(|(row, length)| row.1 * length).sum()
}

fn shared(file: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("traces").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: there is no {}", path.display());
    None
}
