//! `trimtab replay`, with logs that `trimtab evaluate` wrote.

use std::path::PathBuf;

use crate::command::{Desk, trimtab};

/// The log of the example's series.
fn log(desk: &Desk, name: &str) -> PathBuf {
    let path = desk.path(name);
    trimtab(["evaluate", "--policy", "hpa.yaml", "--series", "series.csv", "--log"])
        .arg(&path)
        .assert()
        .success();
    path
}

#[test]
fn a_log_replays() {
    let desk = Desk::new();
    for name in ["log.jsonl", "log.jsonl.gz"] {
        let log = log(&desk, name);
        trimtab(["replay"])
            .arg(log)
            .assert()
            .success()
            .stderr_eq("")
            .stdout_eq("241 decisions by 1 policy: all the same\n");
    }
    let unpacked = std::fs::read(desk.path("log.jsonl")).unwrap();
    assert!(std::fs::read(desk.path("log.jsonl.gz")).unwrap().len() * 5 < unpacked.len());
    trimtab(["replay", "-"]).stdin(unpacked).assert().success();
}

#[test]
fn a_difference_has_its_line_and_field() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(log(&desk, "log.jsonl")).unwrap();
    let changed = text.replacen(r#""scaleTo":3"#, r#""scaleTo":4"#, 1);
    assert_ne!(text, changed);
    trimtab(["replay"]).arg(desk.write("changed.jsonl", changed)).assert().code(1).stdout_eq(
        "line [..]: the decision differs\n  field     decision.scaleTo\n  recorded  4\n  replayed  \
         3\n[..] decisions before it are the same\n",
    );
}

#[test]
fn a_log_that_is_cut_says_where() {
    let desk = Desk::new();
    let text = std::fs::read(log(&desk, "log.jsonl")).unwrap();
    let line_10: usize = text.split_inclusive(|byte| *byte == b'\n').take(9).map(<[u8]>::len).sum();
    let cut = desk.write("cut.jsonl", &text[..line_10 + 100]);
    let place = format!("{} and ends at {}", line_10, line_10 + 100);
    trimtab(["replay"]).arg(cut).assert().code(2).stdout_eq("").stderr_eq(format!(
        "error: the log is cut off in the middle of line 10, which starts at byte {place}\n \
         --> [..]cut.jsonl:10\n  = help: up to there, 8 decisions were replayed: all the same\n"
    ));
    // Complete but for its last line feed.
    let whole = desk.write("whole.jsonl", &text[..text.len() - 1]);
    trimtab(["replay"]).arg(whole).assert().success();

    let packed = std::fs::read(log(&desk, "log.jsonl.gz")).unwrap();
    let cut = desk.write("cut.jsonl.gz", &packed[..packed.len() / 2]);
    trimtab(["replay"]).arg(cut).assert().code(2).stdout_eq("").stderr_eq(
        "error: the log is cut off in the middle of line [..], which starts at byte [..] and ends \
         at [..]\n --> [..]cut.jsonl.gz:[..]\n  = help: up to there, [..] decisions were replayed: \
         all the same\n",
    );
}

#[test]
fn a_gap_is_noted_and_a_policy_is_needed() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(log(&desk, "log.jsonl")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let gap = [&lines[..5], &lines[9..]].concat().concat();
    trimtab(["replay"]).arg(desk.write("gap.jsonl", gap)).assert().success().stdout_eq(
        "237 decisions by 1 policy: all the same\nnote: line 6 goes on from a state that no line \
         before it left: a part of the log is missing, or the state was kept elsewhere\n",
    );
    let orphan = desk.write("orphan.jsonl", lines[1..3].concat());
    trimtab(["replay"]).arg(orphan).assert().code(2).stderr_eq(
        "error: there is no policy `[..]` before this decision\n --> [..]orphan.jsonl:1\n  = help: \
         a log has its policies before their decisions\n",
    );
}

#[test]
fn what_is_no_log_is_refused() {
    let desk = Desk::new();
    for (content, message) in [
        ("", "error: the log is empty\n..."),
        ("{\"decision\": 1}\n", "error: the line is not an entry of a decision log: [..]\n..."),
        ("time,load\n0,1\n", "error: the line is not an entry of a decision log: [..]\n..."),
    ] {
        let log = desk.write("x.jsonl", content);
        trimtab(["replay"]).arg(log).assert().code(2).stdout_eq("").stderr_eq(message);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new();
    let program = snapbox::cmd::cargo_bin!("trimtab");
    let mut child = std::process::Command::new(program)
        .args(["evaluate", "--policy", "hpa.yaml", "--series", "series.csv", "--json", "--log"])
        .arg(desk.path("log.jsonl"))
        .current_dir(crate::command::example())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
