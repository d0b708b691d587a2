//! What a test file may not say, each with its place and what would be right.
#![cfg(test)]

use trimtab_manifest::{Colour, Source};
use trimtab_test::{NoHost, TestLimits, read, read_within, run, run_with};

const POLICY: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: llm}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  maxReplicas: 8
  metrics:
  - {type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: 4}}}
";

fn policies(path: &str) -> Result<Source, String> {
    match path {
        "llm.yaml" => Ok(Source::new(path, POLICY)),
        "two.yaml" => {
            Ok(Source::new(path, [POLICY, "---\n", &POLICY.replace("llm}", "other}")].concat()))
        }
        "broken.yaml" => Ok(Source::new(path, POLICY.replace("maxReplicas: 8", "maxReplicas: 0"))),
        _ => Err(String::from("no such file")),
    }
}

fn refused(text: &str) -> String {
    let source = Source::new("llm_test.yaml", text);
    read(&source, &mut policies).expect_err(text).to_string()
}

/// A test with these further lines.
fn test(lines: &str) -> String {
    format!("policy: llm.yaml\ninterval: 15s\ntests:\n- name: one\n{lines}")
}

const SERIES: &str = "  input_series: [{series: queue, values: 0 30x3}]\n";

#[test]
fn files() {
    let texts = [
        "",
        "tests: []\npolicy: llm.yaml\n",
        "policy: llm.yaml\n",
        "policy: none.yaml\ntests: [{name: x}]\n",
        "policy: two.yaml\ntests: [{name: x}]\n",
        "policy: {path: two.yaml, name: third}\ntests: [{name: x}]\n",
        "policy: broken.yaml\ntests: [{name: x}]\n",
        "policy: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: x}, spec: {maxReplica: 3}}\ntests: [{name: x}]\n",
        "policy: llm.yaml\nmanifest: llm.yaml\ntests: [{name: x}]\n",
        "manifest: {path: llm.yaml, strategy: hpa, lead_time: 3h}\ntests: [{name: x}]\n",
        "policy: llm.yaml\nintervall: 15s\ntests: [{name: x}]\n",
        "policy: llm.yaml\ninterval: 0s\ntests: [{name: x}]\n",
        "policy: llm.yaml\ntests: [{name: x}]\n",
        "policy: llm.yaml\ntests: [{name: x, note: }, {name: x}, {}]\n",
    ];
    insta::assert_snapshot!(texts.map(refused).join("\n\n"));
}

#[test]
fn series() {
    let texts = [
        "  input_series: [{series: queue, values: 0 3y}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: '1x3 stalex2'}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queu, values: 1}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: 1}, {series: other, values: 1}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: 1}, {series: queue, values: 2}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue/replica, values: 1}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: 'queue{shard}', values: 1}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: waiting, values: 1, metric: que}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: 1x9}, {series: ready_replicas, values: follow after a while}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: 1x9}, {series: ready_replicas, values: 1 _ 2}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: 1x9}, {series: replicas, values: 1.5}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: 1x9}, {series: 'free_gpus{pool=\"spot\"}', values: 1}]\n  always: [{replicas: 1}]\n",
        "  input_series: [{series: queue, values: 1x999999}]\n  always: [{replicas: 1}]\n",
        "  always: [{replicas: 1}]\n",
        "  initial: {replicas: 2, ready_replicas: 3}\n  input_series: [{series: queue, values: 1}]\n  always: [{replicas: 1}]\n",
    ];
    insta::assert_snapshot!(texts.map(|text| refused(&test(text))).join("\n\n"));
}

#[test]
fn expectations() {
    let texts = [
        "  expect: [{at: 20s, replicas: 1}]\n",
        "  expect: [{at: 10m, replicas: 1}]\n",
        "  expect: [{replicas: 1}]\n",
        "  expect: [{at: 15s}]\n",
        "  expect: [{at: 15s, replica: 1}]\n",
        "  expect: [{at: 15s, replicas: 1.5}]\n",
        "  expect: [{at: 15s, replicas: {least: 1}}]\n",
        "  expect: [{at: 15s, replicas: {min: 4, max: 2}}]\n",
        "  expect: [{at: 15s, reasons: [metric.cpu]}]\n",
        "  expect: [{at: 15s, limited_by: stabilisation.down}]\n",
        "  expect: [{at: 15s, limited_by: metric.queue}]\n",
        "  expect: [{at: 15s, conditions: {AbleToScal: true, ScalingActive: maybe}}]\n",
        "  expect: [{at: 15s, outcome: done}]\n",
        "  always: [{step_up: {max: 2}}]\n",
        "  always: [{replicas: 2, from: 30s, until: 15s}]\n",
        "  never: [{reason: eror}]\n",
        "  eventually: [{replicas: 3, within: 7s}]\n",
        "  totals: {change: 2}\n",
        "  totals: {changes: many}\n",
        "  backtest: {attainment: {min: 0.9}}\n",
        "  backtest: {scenario: diurnal}\n",
        "  backtest: {scenario: diurnal, trace: x.csv, cost: 2}\n",
    ];
    let all = texts.map(|text| refused(&test(&format!("{SERIES}{text}"))));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn what_no_limit_allows() {
    let limits =
        TestLimits { max_documents: 1, max_tests: 1, max_steps: 3, ..TestLimits::default() };
    let refused = |text: String| {
        let source = Source::new("llm_test.yaml", text);
        read_within(&source, &mut policies, &limits).err().unwrap().to_string()
    };
    let long = test(&format!("  duration: 1h\n{SERIES}  always: [{{replicas: 1}}]\n"));
    let two = test(
        "  input_series: [{series: queue, values: 1}]\n  always: [{replicas: 1}]\n- name: two\n",
    );
    let texts = [refused(long), refused(two), refused(String::from("a: 1\n---\nb: 2\n"))];
    insta::assert_snapshot!(texts.join("\n\n"));
}

/// What can only be told while it runs fails the test.
#[test]
fn a_test_that_can_not_go_on() {
    let text = test(
        "  initial: {replicas: 900}\n  input_series: [{series: queue, values: 1x900}]\n  always: [{replicas: {min: 0}}]\n",
    );
    let source = Source::new("llm_test.yaml", text);
    let file = read(&source, &mut policies).unwrap();
    assert!(run(&file).passed());
    let told = |limits: TestLimits| {
        let result = run_with(&file, &mut NoHost, &limits);
        result.tests[0].failures[0].render(&source, Colour::Never)
    };
    let work = told(TestLimits { max_work: 1000, ..TestLimits::default() });
    let replicas = told(TestLimits { max_replicas: 100, ..TestLimits::default() });
    insta::assert_snapshot!(format!("{work}\n\n{replicas}"));
}

/// Many checks over many decisions end, too.
#[test]
fn what_costs_too_much_is_stopped() {
    let checks = "  - {limited_by: none}\n".repeat(2_000);
    let text = test(&format!("  duration: 250h\n{SERIES}  always:\n{checks}"));
    let source = Source::new("llm_test.yaml", text);
    let file = read(&source, &mut policies).unwrap();
    let limits = TestLimits { max_work: 400_000, ..TestLimits::default() };
    let result = run_with(&file, &mut NoHost, &limits);
    let last = result.tests[0].failures.last().unwrap();
    assert_eq!(last.diagnostic.code(), Some("T010"));
    assert!(result.tests[0].decisions < 250, "{}", result.tests[0].decisions);
}

#[test]
fn what_is_said_of_failures() {
    let text = "\
policy: llm.yaml
interval: 15s
tests:
- name: all that can be wrong
  note: the queue has to be served within a minute
  initial: {replicas: 2}
  input_series: [{series: queue, values: 8x3 30x3 _x4 8x40}]
  expect:
  - at: 1m
    replicas: 3
    reasons: [metric.queue, stabilization.up]
    limited_by: none
  - {at: 1m15s, current: {max: 4}, outcome: paused, conditions: {ScalingLimited: true, ScalingActive: false}}
  always:
  - {replicas: {max: 6}}
  - {step_up: {max: 2, per: 1m}}
  never:
  - {reason: error}
  eventually:
  - {replicas: 5, from: 2m, within: 1m}
  totals: {changes: {max: 1}, replica_hours: 2, reversals: 0}
";
    let source = Source::new("llm_test.yaml", text);
    let file = read(&source, &mut policies).unwrap();
    let result = run(&file);
    let texts: Vec<String> = result.tests[0]
        .failures
        .iter()
        .map(|failure| failure.render(&source, Colour::Never))
        .collect();
    insta::assert_snapshot!(texts.join("\n\n"));
}
