//! What each format says.

use trimtab_sim::{TokenLength, TokenLengths, TraceFormat, TraceOptions, Workload};

use super::{File, HEADER, error, gzip, plain, rows};

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
