//! What can't be used is refused: exit code 2, the place and the remedy, and nothing written.

use std::io::Write as _;
use std::path::Path;

use crate::command::{Desk, example, trimtab};

/// Runs `decide` with a policy, an observation and a state to write; checks that it is refused,
/// that it says so, and that nothing was written.
#[track_caller]
fn refused(desk: &Desk, policy: &Path, observation: &Path, message: &str) {
    let before = desk.names();
    trimtab(["decide", "--policy"])
        .arg(policy)
        .arg("--observation")
        .arg(observation)
        .arg("--state-out")
        .arg(desk.path("state.json"))
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(message.to_owned());
    assert_eq!(desk.names(), before);
}

#[track_caller]
fn policy_refused(desk: &Desk, policy: &Path, message: &str) {
    refused(desk, policy, Path::new("observation.yaml"), message);
}

/// The example's policy with something replaced.
fn altered(desk: &Desk, from: &str, to: &str) -> std::path::PathBuf {
    let policy = std::fs::read_to_string(example().join("hpa.yaml")).unwrap();
    assert!(policy.contains(from));
    desk.write("altered.yaml", policy.replacen(from, to, 1))
}

#[test]
fn fields_and_values_of_a_policy() {
    let desk = Desk::new();
    for (from, to, message) in [
        (
            "maxReplicas: 20",
            "maxReplica: 20",
            "error: unknown field `maxReplica`\n[..]--> [..]altered.yaml:[..]:3\n...",
        ),
        (
            "maxReplicas: 20",
            "maxReplicas: many",
            "error: [..]\n[..]--> [..]altered.yaml:[..]:16\n...",
        ),
        (
            "maxReplicas: 20",
            "maxReplicas: 1",
            "error: [..]`minReplicas`[..]\n[..]--> [..]altered.yaml:[..]:16\n...",
        ),
        (
            "averageValue: \"4\"",
            "averageValue: .nan",
            "error: [..]\n[..]--> [..]altered.yaml:[..]\n...",
        ),
        (
            "averageValue: \"4\"",
            "averageValue: NaN",
            "error: [..]\n[..]--> [..]altered.yaml:[..]\n...",
        ),
    ] {
        policy_refused(&desk, &altered(&desk, from, to), message);
    }
}

#[test]
fn a_policy_as_large_as_a_film() {
    let desk = Desk::new();
    let path = desk.path("large.yaml");
    std::fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    policy_refused(
        &desk,
        &path,
        "error: `[..]large.yaml` has 104857600 bytes, more than the 1048576 that such a file may \
         have\n",
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&vec![b'#'; 2 << 20]).unwrap();
    let path = desk.write("large.yaml.gz", packed.finish().unwrap());
    policy_refused(
        &desk,
        &path,
        "error: `[..]large.yaml.gz` has over 1048576 bytes, more than the 1048576 that such a file \
         may have\n",
    );
}

#[test]
fn a_billion_laughs() {
    let desk = Desk::new();
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", ")));
    }
    let laughs = desk.write("laughs.yaml", text);
    policy_refused(&desk, &laughs, "error: [..]\n[..]--> [..]laughs.yaml:[..]\n...");
    refused(
        &desk,
        Path::new("hpa.yaml"),
        &laughs,
        "error: [..]\n[..]--> [..]laughs.yaml:[..]\n...",
    );
}

#[test]
fn files_that_are_none() {
    let desk = Desk::new();
    policy_refused(
        &desk,
        Path::new("nothing.yaml"),
        "error: `nothing.yaml` can't be read: [..]\n  = help: check the path; `-` reads standard \
         input\n",
    );
    policy_refused(
        &desk,
        Path::new("."),
        "error: `.` is a directory\n  = help: name a file in it\n",
    );
    let latin = desk.write("latin.yaml", b"name: caf\xe9\n");
    policy_refused(&desk, &latin, "error: byte 9 is `0xe9`, which is not UTF-8\n...");
    let empty = desk.write("empty.yaml", "");
    policy_refused(&desk, &empty, "error: there is no document here\n...");
}

#[test]
fn an_observation_that_does_not_fit() {
    let desk = Desk::new();
    let observation =
        desk.write("o.json", r#"{"time": 0, "replicas": 2, "readings": [{"metric": "q"}]}"#);
    refused(
        &desk,
        Path::new("hpa.yaml"),
        &observation,
        "error: no metric is left to take the reading of `q`: the policy has \
         `inference_requests_waiting`, `inference_kv_cache_usage_ratio`, one reading each\n \
         --> [..]o.json\n",
    );
}

#[test]
fn standard_input_twice() {
    trimtab(["decide", "--policy", "-", "--observation", "-"]).assert().code(2).stderr_eq(
        "error: standard input can be read only once, and `--policy` and `--observation` both ask \
         for it\n  = help: give one of them as a file\n",
    );
}

/// Runs `evaluate` on a load, with a log; checks that it is refused and that no log is left.
#[track_caller]
fn load_refused(option: &str, content: &[u8], message: &str) {
    let desk = Desk::new();
    let load = desk.write("load.csv", content);
    trimtab(["evaluate", "--policy", "hpa.yaml", option])
        .arg(load)
        .arg("--log")
        .arg(desk.path("log.jsonl"))
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(message.to_owned());
    assert_eq!(desk.names(), ["load.csv"]);
}

#[test]
fn series_that_can_not_be_read() {
    let header = "time,requests_waiting,kv_cache_usage_ratio\n";
    let rows = |rows: &str| format!("{header}{rows}");
    for (content, message) in [
        (String::new(), "error: the file is empty\n..."),
        (String::from(header), "error: the series has no rows\n..."),
        (
            rows("0,NaN,0.5\n"),
            "error: column `requests_waiting`: `NaN` is not a finite number\n --> [..]load.csv:2\n...",
        ),
        (
            rows("0,1,0.5\n15,many,0.5\n"),
            "error: column `requests_waiting`: `many` is not a number\n --> [..]load.csv:3\n...",
        ),
        (
            rows("15,1,0.5\n0,1,0.5\n"),
            "error: time 0 stands behind time 15, which is later\n --> [..]load.csv:3\n...",
        ),
        (rows("NaN,1,0.5\n"), "error: time `NaN` is not a number\n --> [..]load.csv:2\n"),
        (rows("-1,1,0.5\n"), "error: time `-1` is negative\n --> [..]load.csv:2\n"),
        (
            rows("1700000000000,1,0.5\n"),
            "error: time `1700000000000` is beyond the year 9999: times are in seconds\n --> [..]load.csv:2\n",
        ),
        (
            rows("0,1\n"),
            "error: the row has 2 cells, and the header has 3\n --> [..]load.csv:2\n...",
        ),
        (
            String::from("when,x\n0,1\n"),
            "error: there is no column of times; there is `when`, `x`\n --> [..]load.csv:1\n...",
        ),
        (String::from("t,x,x\n0,1,1\n"), "error: there are two columns `x`\n --> [..]load.csv:1\n"),
        (
            rows(&format!("0,{},1\n", "1".repeat(2 << 20))),
            "error: `[..]load.csv` can't be read: it has a row of more than 1048576 bytes\n",
        ),
        (
            String::from("{\"time\": 0, \"replica\": 2}\n"),
            "error: the line is not an observation: unknown field `replica`[..]\n --> [..]load.csv:1\n",
        ),
    ] {
        load_refused("--series", content.as_bytes(), message);
    }
    load_refused(
        "--series",
        b"time,a\xe9\n0,1\n",
        "error: the row is not UTF-8\n --> [..]load.csv:1\n",
    );
}

#[test]
fn requests_that_can_not_be_read() {
    let header = "timestamp_s,input_tokens,output_tokens\n";
    let rows = |rows: &str| format!("{header}{rows}");
    for (content, message) in [
        (String::from(header), "error: the file has no requests\n..."),
        (
            rows("0,10,10\n"),
            "error: the file ends before the first decision, 15s after its start\n --> [..]load.csv\n...",
        ),
        (
            rows("5,10,10\n4,10,10\n"),
            "error: time 4 stands behind time 5, which is later\n --> [..]load.csv:3\n...",
        ),
        (
            rows("0,-10,10\n"),
            "error: column `input_tokens`: `-10` is not a number of tokens\n --> [..]load.csv:2\n...",
        ),
        (
            rows("0,10,NaN\n"),
            "error: column `output_tokens`: `NaN` is not a number of tokens\n --> [..]load.csv:2\n...",
        ),
        (
            rows("0,10,\n"),
            "error: column `output_tokens`: `` is not a number of tokens\n --> [..]load.csv:2\n...",
        ),
        (
            String::from("time,rps\n0,1\n"),
            "error: there is no column `input_tokens`; there is `time`, `rps`\n --> [..]load.csv:1\n...",
        ),
    ] {
        load_refused("--requests", content.as_bytes(), message);
    }
}
