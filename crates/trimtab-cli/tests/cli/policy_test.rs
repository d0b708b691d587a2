//! `trimtab test` and `trimtab explain`: what they tell in which form, what they write, and their exit codes.

use std::path::{Path, PathBuf};

use snapbox::cmd::Command;
use snapbox::{assert_data_eq, file};

use crate::command::{Desk, trimtab};

/// `trimtab test …` in the directory of the tests for it.
fn test(arguments: &[&str]) -> Command {
    trimtab(["test"]).args(arguments).current_dir(folder())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/policy-tests")
}

/// A desk with the tests on it, to be changed.
fn desk() -> Desk {
    let desk = Desk::new();
    for name in ["checkout.yaml", "checkout_test.yaml"] {
        desk.write(name, std::fs::read(folder().join(name)).unwrap());
    }
    desk
}

#[test]
fn text_is_as_readable_as_a_compilers() {
    test(&["."]).assert().code(1).stdout_eq(file!["golden/policy-test.txt"]).stderr_eq("");
}

#[test]
fn json_has_places_and_explanations() {
    test(&["--format", "json", "--coverage", "."])
        .assert()
        .code(1)
        .stdout_eq(file!["golden/policy-test.json"]);
}

#[test]
fn tap_is_of_version_14() {
    let done = test(&["--format", "tap", "."]).assert().code(1);
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert_tap_14(&text);
    assert_data_eq!(text, file!["golden/policy-test.tap"]);
}

/// The version line, the plan, and then test points in order with their blocks of YAML.
fn assert_tap_14(text: &str) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan: usize = lines.next().unwrap().strip_prefix("1..").unwrap().parse().unwrap();
    let mut points = 0;
    let mut in_block = false;
    for line in lines {
        match line {
            "  ---" => in_block = true,
            "  ..." => in_block = false,
            line if in_block => assert!(line.starts_with("  "), "{line}"),
            line if line.starts_with('#') => {}
            line => {
                points += 1;
                let rest = line.strip_prefix("not ").unwrap_or(line);
                let rest = rest.strip_prefix(&format!("ok {points} - ")).expect(line);
                // An unescaped `#` would begin a directive.
                assert!(!rest.replace("\\\\", "").replace("\\#", "").contains('#'), "{line}");
            }
        }
    }
    assert_eq!((points, in_block), (plan, false));
}

#[test]
fn junit_has_the_shape_that_ci_servers_read() {
    let done = test(&["--format", "junit", "."]).assert().code(1);
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    let text = without_times(&text);
    assert_junit(&text);
    assert_data_eq!(text, file!["golden/policy-test.xml"]);
}

#[test]
fn junit_of_a_file_that_is_refused() {
    let desk = desk();
    desk.write("broken_test.yaml", "policy: checkout.yaml\ntest: []\ntests: []\n");
    let done = trimtab(["test", "--format", "junit", "broken_test.yaml"])
        .current_dir(desk.directory())
        .assert()
        .code(2);
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert_junit(&text);
    assert!(!text.contains("time=\"-"), "{text}");
    let error =
        "<error type=\"refused\" message=\"error: unknown field `test`\">error: unknown field";
    assert!(text.contains(error), "{text}");
}

/// The same with all times 0.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" time=\"") {
        let (_, after) = after.split_once('"').unwrap();
        out.push_str(before);
        out.push_str(" time=\"0.000\"");
        rest = after;
    }
    out + rest
}

/// Elements nest as `testsuites > testsuite > testcase > failure | error`, have the attributes that the
/// common schema requires, and the counts are those of what is inside.
fn assert_junit(text: &str) {
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let (_, after) = tag.split_once(&format!(" {name}=\""))?;
        Some(after.split_once('"')?.0.to_owned())
    };
    let number = |tag: &str, name: &str| attribute(tag, name).unwrap().parse::<usize>().unwrap();
    let mut open: Vec<(String, usize, usize, usize)> = Vec::new();
    let (mut tests, mut failures) = (0, 0);
    let tags = text.split('<').skip(1).map(|piece| piece.split_once('>').expect("a tag ends").0);
    for tag in tags.filter(|tag| !tag.starts_with('?')) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap().to_owned();
        if tag.starts_with('/') {
            let (opened, of_tests, of_failures, _) = open.pop().unwrap();
            assert_eq!(opened, name);
            if name == "testsuite" || name == "testsuites" {
                assert!(of_tests <= tests && of_failures <= failures);
            }
            if name == "testsuites" {
                assert_eq!((of_tests, of_failures), (tests, failures));
            }
            continue;
        }
        let parent = open.last().map(|(name, ..)| name.as_str());
        match name.as_str() {
            "testsuites" => assert_eq!(parent, None),
            "testsuite" => {
                assert_eq!(parent, Some("testsuites"));
                assert!(attribute(tag, "name").is_some());
            }
            "testcase" => {
                assert_eq!(parent, Some("testsuite"));
                tests += 1;
                for required in ["name", "classname", "time"] {
                    assert!(attribute(tag, required).is_some(), "{tag}");
                }
            }
            "failure" | "error" => {
                assert_eq!(parent, Some("testcase"));
                failures += usize::from(name == "failure");
                for required in ["type", "message"] {
                    assert!(attribute(tag, required).is_some(), "{tag}");
                }
            }
            other => panic!("`{other}` is no element of JUnit"),
        }
        if !tag.ends_with('/') {
            let counts = match name.as_str() {
                "testsuites" | "testsuite" => (number(tag, "tests"), number(tag, "failures")),
                _ => (0, 0),
            };
            open.push((name, counts.0, counts.1, 0));
        }
    }
    assert!(open.is_empty());
}

#[test]
fn github_gets_annotations() {
    test(&["--format", "github", "."])
        .assert()
        .code(1)
        .stdout_eq(file!["golden/policy-test-github.txt"]);
}

#[test]
fn only_some_run_and_only_failures_are_told() {
    let told = |arguments: &[&str]| {
        let done = test(arguments).assert();
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    };
    let text = told(&["--run", "missing|queue", "."]);
    assert!(text.starts_with("running 2 tests from 2 files\n"), "{text}");
    assert!(text.ends_with("results: 2 passed, 0 failed\n"), "{text}");
    let text = told(&["--fail-only", "."]);
    assert!(text.contains("down only after") && !text.contains("never scales down ."), "{text}");
    test(&["--run", "(", "."]).assert().code(2);
}

#[test]
fn coverage_says_what_never_decided_anything() {
    let done = test(&["--coverage", "--run", "missing", "."]).assert().success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.contains("coverage of `checkout`: 0 of 5 parts (0 %)\n"), "{text}");
    assert!(text.contains("never decided anything: rate_limit.up[0] (4 pods per 1m)\n"), "{text}");
    test(&["--coverage-min", "70", "more"]).assert().code(1);
    test(&["--coverage-min", "60%", "more"]).assert().success();
}

#[test]
fn what_is_not_there_can_be_required() {
    let desk = Desk::new();
    trimtab(["test", "."]).current_dir(desk.directory()).assert().success();
    trimtab(["test", "--require-tests", "."]).current_dir(desk.directory()).assert().code(1);
    trimtab(["test", "none_test.yaml"]).current_dir(desk.directory()).assert().code(2);
}

#[test]
fn a_warning_can_be_denied() {
    let desk = desk();
    let tests = std::fs::read_to_string(desk.path("checkout_test.yaml")).unwrap();
    let (_, kept) = tests.split_once("- name: a missing").unwrap();
    let tests = format!(
        "policy: checkout.yaml\ntests:\n- name: nothing\n  \
         input_series: [{{series: cpu_utilization, values: 1}}]\n- name: a missing{kept}"
    );
    desk.write("checkout_test.yaml", tests);
    let run =
        |arguments: &[&str]| trimtab(["test", "."]).args(arguments).current_dir(desk.directory());
    let done = run(&[]).assert().success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.contains("warning: the test `nothing` expects nothing\n"), "{text}");
    run(&["--deny-warnings"]).assert().code(3);
}

#[test]
fn a_file_that_is_refused_does_not_stop_the_others() {
    let desk = desk();
    desk.write("broken_test.yaml", "policy: checkout.yaml\ntest: []\n");
    let done =
        trimtab(["test", "--run", "missing", "."]).current_dir(desk.directory()).assert().code(2);
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.ends_with("results: 1 passed, 0 failed, 1 file refused\n"), "{text}");
    let text = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(text.contains("error: unknown field `test`\n --> broken_test.yaml:2:1\n"), "{text}");
}

#[test]
fn blessing_writes_numbers_and_keeps_the_rest() {
    let desk = desk();
    let path = desk.path("checkout_test.yaml");
    let before = std::fs::read_to_string(&path).unwrap();
    trimtab(["test", "--bless", "."])
        .current_dir(desk.directory())
        .assert()
        .success()
        .stderr_eq("blessed 3 numbers in checkout_test.yaml\n");
    let after = std::fs::read_to_string(&path).unwrap();
    let expected = before
        .replace("{at: 3m, replicas: 16,", "{at: 3m, replicas: 12,")
        .replace("{at: 10m, replicas: 2}", "{at: 10m, replicas: 6}")
        .replace("changes: {max: 2}", "changes: {max: 4}");
    assert_eq!(after, expected);
    trimtab(["test", "."]).current_dir(desk.directory()).assert().success();
}

#[test]
fn what_the_help_points_to_exists() {
    let explain = |arguments: &[&str]| trimtab(["explain"]).args(arguments).current_dir(folder());
    explain(&["checkout_test.yaml", "--test", "1", "--at", "10m"])
        .assert()
        .success()
        .stdout_eq(file!["golden/policy-test-explain.txt"]);
    explain(&["checkout_test.yaml", "--test", "a missing metric never scales down"])
        .assert()
        .success();
    let desk = Desk::new();
    let done =
        explain(&["checkout_test.yaml", "--test", "1", "--at", "1m", "--json"]).assert().success();
    let log = desk.write("log.jsonl", &done.get_output().stdout);
    trimtab(["replay"]).arg(log).assert().success();
    explain(&["checkout_test.yaml", "--test", "7"]).assert().code(2);
    explain(&["checkout_test.yaml", "--test", "1", "--at", "7s"]).assert().code(2);
}

#[test]
fn a_backtest_is_run_by_the_simulator() {
    let desk = desk();
    desk.write("hpa.yaml", std::fs::read(crate::command::example().join("hpa.yaml")).unwrap());
    let file = |attainment: &str| {
        format!(
            "policy: hpa.yaml\ntests:\n- name: closed loop\n  backtest: {{scenario: steady, \
             lead_time: 1m, duration: 5m, rate_scale: 0.2, attainment: {attainment}, cost: {{max: 10}}}}\n"
        )
    };
    desk.write("hpa_test.yaml", file("{min: 0.5}"));
    let run = || trimtab(["test", "hpa_test.yaml"]).current_dir(desk.directory()).assert();
    run().success();
    desk.write("hpa_test.yaml", file("{max: 0.01}"));
    let text = String::from_utf8(run().code(1).get_output().stdout.clone()).unwrap();
    assert!(
        text.contains("error[T009]: expected at most 0.01 `attainment` of the backtest"),
        "{text}"
    );
}

/// What the pages show is what comes of it.
#[test]
fn the_examples_of_the_pages_pass() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let block = |page: &str| {
        let text = std::fs::read_to_string(docs.join(page)).unwrap();
        let (_, after) = text.split_once("```yaml\n").unwrap();
        let (block, after) = after.split_once("```").unwrap();
        (block.to_owned(), after.to_owned())
    };
    let desk = desk();
    let run = |arguments: &[&str]| {
        trimtab(["test"]).args(arguments).current_dir(desk.directory()).assert()
    };
    desk.write("checkout_test.yaml", block("reference/test-format.md").0);
    run(&["."]).success();
    let (test, page) = block("guide/test.md");
    desk.write("checkout_test.yaml", test);
    let told = |done: snapbox::cmd::OutputAssert| {
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    };
    for (command, arguments) in [
        ("$ trimtab test .\n", &["."][..]),
        ("$ trimtab test --coverage .\n", &["--coverage", "."]),
    ] {
        assert!(
            page.contains(&format!("{command}{}", told(run(arguments).success()))),
            "{command}"
        );
    }
    let policy = std::fs::read_to_string(desk.path("checkout.yaml")).unwrap();
    desk.write("checkout.yaml", policy.replace("Seconds: 300", "Seconds: 60"));
    let text = told(run(&["."]).code(1));
    let (_, shown) = page.split_once("```text\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    // The page leaves the conditions out.
    let (before, after) = shown.split_once("             …\n").unwrap();
    assert!(text.contains(before) && text.contains(after), "{text}");
}

/// The cases of `trimtab-test` itself.
#[test]
fn every_strategy_has_a_test_that_passes() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trimtab-test/tests/cases");
    trimtab(["test", "--require-tests", "."]).current_dir(cases).assert().success();
}
