//! Reading traces: every format, every error, and laws of what comes out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail by panic, and says what it skips"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use trimtab_sim::{
    Request, Scenario, TokenLength, TokenLengths, Trace, TraceFormat, TraceOptions, Workload,
    WorkloadError, summarize,
};

/// A file that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("trimtab-traces-{}-{unique}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn open(&self, options: &TraceOptions) -> Result<Trace, WorkloadError> {
        Trace::open(&self.0, options)
    }

    fn read(&self, options: &TraceOptions) -> Result<Vec<Request>, WorkloadError> {
        self.open(options)?.requests()?.collect()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn plain() -> TraceOptions {
    TraceOptions::default()
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Seconds, input and output tokens of each request.
fn rows(content: impl AsRef<[u8]>, options: &TraceOptions) -> Vec<(f64, u32, u32)> {
    File::new("trace", content)
        .read(options)
        .unwrap()
        .iter()
        .map(|r| (r.arrival.seconds(), r.input_tokens, r.output_tokens))
        .collect()
}

/// What is wrong, with the line but without the path.
fn error(content: impl AsRef<[u8]>, options: &TraceOptions) -> String {
    let file = File::new("trace", content);
    let error = file.read(options).unwrap_err();
    assert_eq!(*error.source_name, *file.0.display().to_string());
    error.line.map_or_else(String::new, |line| format!("{line}: ")) + &error.message
}

const HEADER: &str = "timestamp_s,input_tokens,output_tokens\n";

#[test]
fn requests_as_csv() {
    let content = format!("{HEADER}0.0,374,44\n4.315,396,109\n4.315,1,2\n");
    let expected = [(0.0, 374, 44), (4.315, 396, 109), (4.315, 1, 2)];
    assert_eq!(rows(&content, &plain()), expected);
    assert_eq!(rows(gzip(&content), &plain()), expected);
    // Two gzip members, a byte order mark, line ends of Windows, no line end at the end.
    let (a, b) = content.split_at(50);
    assert_eq!(rows([gzip(a), gzip(b)].concat(), &plain()), expected);
    let dos = content.replace('\n', "\r\n");
    assert_eq!(rows(format!("\u{feff}{}", dos.trim_end()), &plain()), expected);
    // Columns in another order, quoted, with blanks, and more of them.
    let other = "model,\"output_tokens\", timestamp_s ,input_tokens\nm,44, 0,\"374\"\nm,109,4.315,396,more\nm,2,4315e-3, 1\n";
    assert_eq!(rows(other, &plain()), expected);
}

#[test]
fn times_since_1970_count_from_the_first() {
    let content = format!("{HEADER}1700158546.5,3,4\n1700158547.75,5,6\n");
    assert_eq!(rows(content, &plain()), [(0.0, 3, 4), (1.25, 5, 6)]);
}

#[test]
fn azure() {
    let of_2023 = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
        2023-11-16 18:15:46.6805900,374,44\n\
        2023-11-16 18:15:50.9951690,396,109\n\
        2023-11-17 18:15:46.6805900,5,6\n";
    let expected = [(0.0, 374, 44), (4.314_579, 396, 109), (86_400.0, 5, 6)];
    assert_eq!(rows(of_2023, &plain()), expected);
    let of_2024 = of_2023
        .replace("2023-11-16 18:15:46.6805900", "2023-11-16 18:15:46.680590+00:00")
        .replace("2023-11-16 18:15:50.9951690", "2023-11-16T18:15:50.995169Z")
        .replace("2023-11-17 18:15:46.6805900", "2023-11-17T19:15:46.680590+01:00");
    assert_eq!(rows(of_2024, &plain()), expected);
    assert_eq!(
        error(of_2023.replace("2023-11-17 ", "17.11.2023 "), &plain()),
        "4: `TIMESTAMP` is `17.11.2023 18:15:46.6805900`, which is not a date and time"
    );
    assert_eq!(
        error(of_2023.replace("2023-11-17", "2023-11-15"), &plain()),
        "4: the timestamp `-86400` is before `4.314579`, the one before it"
    );
}

#[test]
fn burst_gpt() {
    let content = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        5,ChatGPT,472,18,490,Conversation log\n\
        45,ChatGPT,1087,0,1087,Conversation log\n\
        118,GPT-4,417,276,693,API log\n";
    let expected = "3: a request with 0 output tokens";
    assert_eq!(error(content, &plain()), expected);
    let skip = TraceOptions { skip_zero_tokens: true, ..plain() };
    assert_eq!(rows(content, &skip), [(5.0, 472, 18), (118.0, 417, 276)]);
    let file = File::new("BurstGPT_1.csv", content);
    let trace = file.open(&skip).unwrap();
    assert_eq!(trace.format(), TraceFormat::BurstGpt);
    assert_eq!((trace.name(), trace.skipped_requests().unwrap()), ("BurstGPT_1", 1));
    assert!(file.open(&plain()).unwrap().skipped_requests().is_err());
    let sessions = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        5.5,x,3,ChatGPT,472,18,490,Conversation log\n";
    assert_eq!(rows(sessions, &plain()), [(5.5, 472, 18)]);
}

const MOONCAKE: &str = r#"{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 0, "input_length": 7322, "output_length": 490, "hash_ids": [0, 14]}
{"timestamp": 0, "input_length": 7236, "output_length": 794, "hash_ids": []}

{"timestamp": 3000, "input_length": 2290, "output_length": 316, "hash_ids": [0]}
{"timestamp": 3000, "input_length": 2, "output_length": 3}
"#;

#[test]
fn mooncake_is_spread_within_its_ticks() {
    let spread = [
        (0.0, 6758, 500),
        (1.0, 7322, 490),
        (2.0, 7236, 794),
        (3.0, 2290, 316),
        (4.5, 2, 3), // the last tick is as long as the one before it
    ];
    assert_eq!(rows(MOONCAKE, &plain()), spread);
    let as_it_is: Vec<f64> = rows(MOONCAKE, &TraceOptions { spread: Some(false), ..plain() })
        .iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(as_it_is, [0.0, 0.0, 0.0, 3.0, 3.0]);
    let broken = MOONCAKE.replace("2290", "\"x\"");
    let found = error(broken, &plain());
    assert!(found.starts_with("5: is not a request: invalid type: string \"x\""), "{found}");
    let found = error(MOONCAKE.replace("\"output_length\": 3}", "\"hash_ids\": []}"), &plain());
    assert!(found.starts_with("6: is not a request: missing field `output_length`"), "{found}");
    let found = error(MOONCAKE.replace(": 2290", ": 22.5"), &plain());
    assert_eq!(found, "5: `input_length` is `22.5`, which is not a number of tokens");
}

#[test]
fn one_tick_has_no_length() {
    let content = format!("{HEADER}1,2,3\n1,4,5\n");
    let spread = TraceOptions { spread: Some(true), ..plain() };
    assert_eq!(rows(content, &spread), [(1.0, 2, 3), (1.0, 4, 5)]);
}

/// Even spacing and constant lengths show the rate itself.
fn even() -> TraceOptions {
    let length = TokenLength::constant(9);
    TraceOptions {
        interarrival_cv: Some(0.0),
        tokens: Some(TokenLengths { input: length, output: length }),
        ..plain()
    }
}

/// Arrivals in each ten seconds.
fn per_ten_seconds(content: &str, options: &TraceOptions) -> Vec<usize> {
    let mut counts = Vec::new();
    for (seconds, ..) in rows(content, options) {
        let at = (seconds / 10.0) as usize;
        counts.resize(counts.len().max(at + 1), 0);
        counts[at] += 1;
    }
    counts
}

#[test]
fn rates_as_csv() {
    for (column, values) in [
        ("rate_rps", [100.0, 0.0, 50.0, 200.0]),
        ("generative_qps", [100.0, 0.0, 50.0, 200.0]),
        ("requests", [1000.0, 0.0, 1000.0, 2000.0]),
        ("mentions", [1000.0, 0.0, 1000.0, 2000.0]),
    ] {
        let [a, b, c, d] = values;
        // The third window is twice as long; the last one is as long as it.
        let content = format!("window_start_s,{column},other\n0,{a},\n10,{b},\n20,{c},\n40,{d},\n");
        let [.., last] = values;
        let last = if last == 200.0 { 2000 } else { 1000 };
        let expected = [1000, 0, 500, 500, last, last];
        let found = per_ten_seconds(&content, &even());
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.abs_diff(expected) <= 1, "{column}: {found}, not {expected}");
        }
    }
}

#[test]
fn rates_have_the_lengths_and_the_variation_of_the_trace() {
    let content = "window_start_s,rate_rps,iat_cv_rate_weighted,mean_input_tokens,mean_output_tokens\n\
        0,2000,3,400,50\n10,0,,,\n20,2000,3,800,100\n";
    let of = |from: f64, to: f64, options: &TraceOptions| {
        let all = rows(content, options);
        let within: Vec<_> = all.into_iter().filter(|row| (from..to).contains(&row.0)).collect();
        let n = within.len() as f64;
        let input = within.iter().map(|row| f64::from(row.1)).sum::<f64>() / n;
        let output = within.iter().map(|row| f64::from(row.2)).sum::<f64>() / n;
        let gaps: Vec<f64> = within.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let mean = gaps.iter().sum::<f64>() / n;
        let square = gaps.iter().map(|gap| gap * gap).sum::<f64>() / n;
        [input, output, (square / mean / mean - 1.0).sqrt()]
    };
    let near = |found: [f64; 3], expected: [f64; 3]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 0.06, "{found}, not {expected}");
        }
    };
    near(of(0.0, 10.0, &plain()), [400.0, 50.0, 3.0]);
    near(of(20.0, 30.0, &plain()), [800.0, 100.0, 3.0]);
    let tokens =
        Some(TokenLengths { input: TokenLength::constant(7), output: TokenLength::constant(8) });
    let own = TraceOptions { tokens, interarrival_cv: Some(0.5), ..plain() };
    near(of(20.0, 30.0, &own), [7.0, 8.0, 0.5]);
}

const PROMETHEUS: &str = r#"{
  "status": "success",
  "data": {
    "resultType": "matrix",
    "result": [
      {"metric": {"pod": "a"}, "values": [[1700000000, "60"], [1700000010, "0"], [1700000020.5, "10"]]},
      {"metric": {"pod": "b"}, "values": [[1700000000, "40"], [1700000020.5, "1e1"]]}
    ]
  }
}"#;

#[test]
fn prometheus_adds_series_up() {
    let one_line: String = PROMETHEUS.split_whitespace().collect();
    for content in [PROMETHEUS, &one_line] {
        let file = File::new("rps.json.gz", gzip(content));
        let trace = file.open(&even()).unwrap();
        assert_eq!((trace.name(), trace.format()), ("rps", TraceFormat::Prometheus));
        let all = rows(content, &even());
        let count = |from: f64, to: f64| {
            all.iter().filter(|row| (from..to).contains(&row.0)).count() as f64
        };
        assert!((count(0.0, 10.0) - 1000.0).abs() <= 1.0);
        assert!((count(10.0, 20.5) - 0.0).abs() <= 1.0);
        assert!((count(20.5, 31.0) - 210.0).abs() <= 1.0);
        assert_eq!(count(31.0, f64::INFINITY), 0.0);
    }
    for (from, to, expected) in [
        ("\"60\"", "\"NaN\"", "series 1 at `1700000000`: `value` is `NaN`"),
        (
            "\"60\"",
            "\"sixty\"",
            "series 1 at `1700000000`: `value` is `sixty`, which is not a number",
        ),
        ("\"60\"", "\"-1\"", "series 1 at `1700000000`: `value` is `-1`"),
        ("matrix", "vector", "the result is a `vector`, not a `matrix`"),
        (
            "1700000010",
            "1600000000",
            "series 1 at `1600000000`: the timestamp is not after `1700000000`, the one before it",
        ),
    ] {
        assert_eq!(error(PROMETHEUS.replace(from, to), &plain()), expected);
    }
    let failed = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    assert_eq!(error(failed, &plain()), "the query has the status `error`: parse error");
    let empty = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    assert_eq!(error(empty, &plain()), "the trace has no rows");
    let cut = &PROMETHEUS[..200];
    assert!(error(cut, &plain()).contains(": is not an answer of Prometheus: EOF"));
}

#[test]
fn time_scale_stretches() {
    let requests = format!("{HEADER}0,1,1\n10,1,1\n");
    let half = TraceOptions { time_scale: 2.0, ..even() };
    assert_eq!(rows(requests, &half)[1].0, 20.0);
    let rates = "window_start_s,requests\n0,100\n10,300\n";
    let counts = per_ten_seconds(rates, &half);
    assert_eq!(counts.len(), 4);
    for (found, expected) in counts.iter().zip([50, 50, 150, 150]) {
        assert!(found.abs_diff(expected) <= 1);
    }
}

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
