//! `trimtab backtest --suite quality`: everybody tuned, one row for each load, size and lead time.

use std::fmt::Write;

use crate::command::{Desk, trimtab};
use snapbox::file;

fn suite() -> snapbox::cmd::Command {
    trimtab(["backtest", "--suite", "quality", "--most-requests", "800", "--tunings", "70"])
}

#[test]
fn a_row_for_each_load_size_and_lead_time() {
    suite()
        .args(["--scenario", "step", "--scenario", "steady", "--lead-time", "30s"])
        .args(["--replicas", "2,5"])
        .assert()
        .success()
        .stderr_eq(file!["golden/quality-tunings.txt"])
        .stdout_eq(file!["golden/quality.txt"]);
}

/// A row has the worst share of both seeds and the mean cost.
#[test]
fn everybody_is_tuned_on_as_many_seeds_as_are_asked_for() {
    suite()
        .args(["--scenario", "markov", "--lead-time", "120s", "--replicas", "2"])
        .args(["--tuning-seeds", "2", "--other-seeds", "0", "--later-requests", "0"])
        .assert()
        .success()
        .stdout_eq(file!["golden/quality-two-seeds.txt"]);
}

#[test]
fn what_nobody_can_serve_is_left_out_and_said() {
    let desk = Desk::new();
    desk.write("long.csv", "timestamp_s,input_tokens,output_tokens\n0.5,30000,20\n2,30000,80\n");
    suite()
        .args(["--lead-time", "30s", "--trace"])
        .arg(desk.path("long.csv"))
        .assert()
        .success()
        .stderr_eq(
            "note: left out: `llama-3.1-8b-a100` can't meet `ttft<=2s@99%` on `long`, [..]\n",
        )
        .stdout_eq(file!["golden/quality-none.txt"]);
}

/// Eight of a thousand are longer than can be served in time, where ten may be. Thinned out for a first look, more
/// than one in a hundred are.
#[test]
fn of_few_requests_nobody_is_told_to_be_impossible() {
    let desk = Desk::new();
    let mut rows = String::from("timestamp_s,input_tokens,output_tokens\n");
    for at in 0..1000 {
        let input = if at % 125 == 20 { 30_000 } else { 300 };
        writeln!(rows, "{at},{input},80").unwrap();
    }
    desk.write("some-long.csv", &rows);
    let done =
        trimtab(["backtest", "--suite", "quality", "--most-requests", "20000", "--tunings", "1"])
            .args(["--lead-time", "30s", "--replicas", "2", "--other-seeds", "0", "--trace"])
            .arg(desk.path("some-long.csv"))
            .assert()
            .success();
    let out = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(out.contains("| some-long |"), "{out}");
}

/// Of a load that ends with the part that everybody is tuned on nothing comes after.
#[test]
fn a_load_that_ends_has_no_later_row() {
    let desk = Desk::new();
    let mut rows = String::from("timestamp_s,input_tokens,output_tokens\n");
    for at in 0..300 {
        writeln!(rows, "{at},300,80").unwrap();
    }
    desk.write("short.csv", &rows);
    let done = trimtab(["backtest", "--suite", "quality", "--tunings", "1", "--other-seeds", "0"])
        .args(["--lead-time", "30s", "--replicas", "1", "--trace"])
        .arg(desk.path("short.csv"))
        .assert()
        .success();
    let out = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(out.contains("| short |") && !out.contains("comes after"), "{out}");
}

#[test]
fn policies_of_ones_own_are_refused() {
    suite()
        .args(["--policy", "hpa.yaml"])
        .assert()
        .code(2)
        .stderr_eq(snapbox::str!["..."])
        .stdout_eq("");
    for option in ["--replicas", "--tunings", "--tuning-seeds", "--other-seeds", "--later-requests"]
    {
        trimtab(["backtest", option, "12"]).assert().code(2).stdout_eq("");
    }
}
