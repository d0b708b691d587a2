//! `trimtab backtest --suite quality`: everybody tuned, one row for each load, size and lead time.

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
        .args(["--tuning-seeds", "2", "--other-seeds", "0"])
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

#[test]
fn policies_of_ones_own_are_refused() {
    suite()
        .args(["--policy", "hpa.yaml"])
        .assert()
        .code(2)
        .stderr_eq(snapbox::str!["..."])
        .stdout_eq("");
    for option in ["--replicas", "--tunings", "--tuning-seeds", "--other-seeds"] {
        trimtab(["backtest", option, "12"]).assert().code(2).stdout_eq("");
    }
}
