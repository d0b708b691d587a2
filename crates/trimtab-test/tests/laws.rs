//! Laws of the runner: a test of what a policy decided passes; a blessed one does too; and what is run
//! twice comes out twice the same.
#![cfg(test)]

use std::fmt::Write as _;

use proptest::prelude::*;
use trimtab_engine::Policy;
use trimtab_manifest::{Colour, Source};
use trimtab_test::{Host, Step, TestFile, TestLimits, bless, read, run, run_with, words};

const STRATEGIES: [&str; 6] = ["hpa", "keda", "knative", "rayServe", "slo", "apa"];

/// A policy of a strategy on one queue.
fn policy(strategy: &str, target: u32, max: u32, behavior: bool) -> String {
    let own = match strategy {
        "slo" => "\n    slo: {leadTimeSeconds: 60}",
        _ => "",
    };
    let behavior = match behavior && matches!(strategy, "hpa" | "slo") {
        true => {
            "\n    behavior: {scaleUp: {policies: [{type: Pods, value: 3, periodSeconds: 60}]}, \
             scaleDown: {stabilizationWindowSeconds: 90}}"
        }
        false => "",
    };
    let (kind, field) = match strategy {
        "apa" => ("Value", "value"),
        _ => ("AverageValue", "averageValue"),
    };
    format!(
        "policy:
  apiVersion: trimtab.dev/v1alpha1
  kind: ScalingPolicy
  metadata: {{name: any}}
  spec:
    scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}
    strategy: {strategy}
    minReplicas: 1
    maxReplicas: {max}{own}{behavior}
    metrics:
    - {{type: External, external: {{metric: {{name: queue}}, target: {{type: {kind}, {field}: {target}}}}}}}
"
    )
}

#[derive(Clone, Debug)]
struct Setting {
    strategy: &'static str,
    target: u32,
    max: u32,
    behavior: bool,
    initial: u32,
    values: Vec<String>,
    ready: &'static str,
}

impl Setting {
    /// A file with this test; `expectations` stand behind it.
    fn file(&self, expectations: &str) -> Source {
        let values = self.values.join(" ");
        let policy = policy(self.strategy, self.target, self.max, self.behavior);
        let text = format!(
            "{policy}interval: 15s
tests:
- name: any  # as it fell
  initial: {{replicas: {}}}
  input_series:
  - {{series: queue, values: {values:?}}}
  - {{series: ready_replicas, values: {}}}
{expectations}",
            self.initial, self.ready
        );
        Source::new("any_test.yaml", text)
    }
}

fn setting() -> impl Strategy<Value = Setting> {
    let item = prop_oneof![
        (0..200_u32).prop_map(|value| value.to_string()),
        (0..200_u32, 0..12_u32).prop_map(|(value, more)| format!("{value}x{more}")),
        (0..100_u32, 1..9_u32, 0..12_u32).prop_map(|(a, b, n)| format!("{a}+{b}x{n}")),
        (1..6_u32).prop_map(|count| format!("_x{count}")),
        Just(String::from("stale")),
    ];
    let ready = prop_oneof![Just("follow"), Just("follow after 45s"), Just("1x3 4x9 2x9"),];
    (
        prop::sample::select(&STRATEGIES[..]),
        1..20_u32,
        1..30_u32,
        any::<bool>(),
        0..12_u32,
        prop::collection::vec(item, 1..8),
        ready,
    )
        .prop_map(|(strategy, target, max, behavior, initial, values, ready)| Setting {
            strategy,
            target,
            max,
            behavior,
            initial,
            values,
            ready,
        })
}

fn load(source: &Source) -> TestFile {
    read(source, &mut |path| Err(format!("nothing is at {path}")))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What was decided, as `expect` says it.
#[derive(Default)]
struct Decisions(String);

impl Host for Decisions {
    fn see(&mut self, policy: &Policy, step: Step<'_>) {
        let decision = &step.record.decision;
        let at = step.test.offset(step.step);
        let met = words::of(policy, decision);
        let quoted: Vec<String> = met.iter().map(|word| format!("{word:?}")).collect();
        let limit = words::limiting(decision).unwrap_or_else(|| String::from("none"));
        writeln!(
            self.0,
            "  - {{at: {at}, replicas: {}, current: {}, reasons: [{}], limited_by: {limit}}}",
            decision.desired_replicas,
            decision.current_replicas,
            quoted.join(", "),
        )
        .unwrap();
    }
}

fn decisions(setting: &Setting) -> String {
    let file = load(&setting.file("  always: [{replicas: {min: 0}}]\n"));
    let mut decisions = Decisions::default();
    assert!(run_with(&file, &mut decisions, &TestLimits::default()).passed());
    decisions.0
}

fn told(file: &TestFile) -> String {
    let result = run(file);
    let failures = result.tests.iter().flat_map(|test| &test.failures);
    let texts: Vec<String> =
        failures.map(|failure| failure.render(&file.source, Colour::Never)).collect();
    texts.join("\n\n")
}

proptest! {
    #[test]
    fn a_test_of_what_was_decided_passes(setting in setting()) {
        let file = load(&setting.file(&format!("  expect:\n{}", decisions(&setting))));
        prop_assert_eq!(told(&file), "");
    }

    #[test]
    fn what_is_blessed_passes_and_nothing_else_changes(
        setting in setting(),
        guesses in prop::collection::vec((0..20_u32, any::<bool>()), 1..30),
    ) {
        let mut expectations = String::from("  expect:\n");
        let lines = decisions(&setting).lines().count();
        for (index, (guess, range)) in guesses.iter().enumerate().take(lines) {
            let replicas = match range {
                true => format!("{{min: {guess}, max: {guess}}}"),
                false => guess.to_string(),
            };
            let at = index * 15;
            writeln!(expectations, "  - {{at: {at}s,   replicas: {replicas} }}  # guess {index}").unwrap();
        }
        expectations.push_str("  totals: {changes: 3, mean_replicas: 1, replica_hours: {max: 0}}\n");
        let source = setting.file(&expectations);
        let file = load(&source);
        let (text, changed) = bless(&file, &run(&file)).unwrap();
        let again = load(&Source::new("any_test.yaml", &text));
        prop_assert_eq!(told(&again), "");
        prop_assert_eq!(bless(&again, &run(&again)).unwrap(), (text.clone(), 0));
        // Where a number stood, one stands, and all else is as it was.
        let without = |text: &str| -> String {
            text.chars().filter(|char| !char.is_ascii_digit() && *char != '.').collect()
        };
        prop_assert_eq!(without(&text), without(source.text()));
        if changed == 0 {
            prop_assert_eq!(text.as_str(), source.text());
        }
    }

    #[test]
    fn what_is_run_twice_comes_out_the_same(setting in setting()) {
        let file = load(&setting.file("  always: [{replicas: 3, limited_by: none}]\n  totals: {changes: 0}\n"));
        prop_assert_eq!(told(&file), told(&file));
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        setting in setting(),
        expectations in "  (expect|always|never|totals|backtest|note): ?[-{}\\[\\]a-z0-9:, \"'\\n]{0,60}",
    ) {
        let source = setting.file(&expectations);
        match read(&source, &mut |path| Err(format!("nothing is at {path}"))) {
            Ok(file) => drop(run(&file)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
