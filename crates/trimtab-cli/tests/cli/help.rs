//! What the command says of itself.

use crate::command::trimtab;
use snapbox::file;

#[test]
fn help() {
    trimtab(["--help"]).assert().success().stdout_eq(file!["golden/help.txt"]);
}

#[test]
fn help_of_every_command() {
    trimtab(["decide", "--help"]).assert().success().stdout_eq(file!["golden/help-decide.txt"]);
    trimtab(["evaluate", "--help"]).assert().success().stdout_eq(file!["golden/help-evaluate.txt"]);
    trimtab(["backtest", "--help"]).assert().success().stdout_eq(file!["golden/help-backtest.txt"]);
    trimtab(["sweep", "--help"]).assert().success().stdout_eq(file!["golden/help-sweep.txt"]);
    trimtab(["import", "--help"]).assert().success().stdout_eq(file!["golden/help-import.txt"]);
    trimtab(["lint", "--help"]).assert().success().stdout_eq(file!["golden/help-lint.txt"]);
    trimtab(["test", "--help"]).assert().success().stdout_eq(file!["golden/help-test.txt"]);
    trimtab(["explain", "--help"]).assert().success().stdout_eq(file!["golden/help-explain.txt"]);
    trimtab(["replay", "--help"]).assert().success().stdout_eq(file!["golden/help-replay.txt"]);
    trimtab(["conform", "--help"]).assert().success().stdout_eq(file!["golden/help-conform.txt"]);
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = trimtab(["completions", shell]).assert().success();
        let script = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        assert!(script.contains("evaluate") && script.contains("state-out"), "{shell}");
    }
}

#[test]
fn usage_errors_are_2_and_go_to_standard_error() {
    for arguments in [
        &["evaluate", "--policy", "hpa.yaml"][..],
        &["decide"],
        &["forecast"],
        &["evaluate", "--policy", "hpa.yaml", "--series", "series.csv", "--kv-tokens", "1"],
        &["evaluate", "--policy", "hpa.yaml", "--series", "series.csv", "--rate-scale", "NaN"],
        &["evaluate", "--policy", "hpa.yaml", "--series", "series.csv", "--sync", "15"],
    ] {
        let done = trimtab(arguments).assert().code(2).stdout_eq("");
        assert!(!done.get_output().stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn colour_is_for_those_who_ask() {
    let decide = ["decide", "--policy", "hpa.yaml", "--observation", "observation.yaml"];
    let coloured =
        |done: snapbox::cmd::OutputAssert| done.success().get_output().stdout.contains(&0x1b);
    assert!(!coloured(trimtab(decide).assert()));
    assert!(coloured(trimtab(decide).args(["--color", "always"]).assert()));
    let forced = trimtab(decide).env("CLICOLOR_FORCE", "1");
    assert!(coloured(forced.assert()));
    let refused = trimtab(decide).args(["--color=never"]).env("CLICOLOR_FORCE", "1");
    assert!(!coloured(refused.assert()));
}
