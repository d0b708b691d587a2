//! What a policy says to its host: read with the policy, checked with a place, and no part of a decision.

use trimtab_manifest::{HostMode, SleepSpec, Source, SourceSpec, StandbySpec, read_policies};

const POLICY: &str = "\
apiVersion: trimtab.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: llm}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  maxReplicas: 20
";

fn with(more: &str) -> String {
    format!("{POLICY}{more}")
}

fn refused(more: &str) -> String {
    read_policies(&Source::new("policy.yaml", with(more))).unwrap_err().to_string()
}

#[test]
fn all_of_it_is_read() {
    let text = with(
        r#"  warmPool: {size: {fixed: 1}}
  retire: {maxSessionSeconds: 60}
  mode: shadow
  sources:
  - kubernetes: {}
  - prometheus:
      server: main
      queries: {preset: vllm, metrics: [{metric: queue, query: sum(queue)}]}
  draining: {podLabels: {trimtab.dev/serving: "false"}}
  standby: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm-standby}}
  adopt: {horizontalPodAutoscaler: llm}
"#,
    );
    let read = read_policies(&Source::new("policy.yaml", text)).unwrap();
    let host = &read.policies[0].host;
    assert_eq!(host.mode, HostMode::Shadow);
    assert!(matches!(&host.sources[..], [SourceSpec::Kubernetes(_), SourceSpec::Prometheus(_)]));
    let draining = host.draining.as_ref().unwrap();
    assert_eq!(draining.pod_labels["trimtab.dev/serving"], "false");
    assert!(
        matches!(&host.standby, Some(StandbySpec::ScaleTargetRef(of)) if of.name == "llm-standby")
    );
    assert_eq!(host.adopt.as_ref().unwrap().horizontal_pod_autoscaler, "llm");
}

#[test]
fn pods_that_sleep_are_vllms_unless_it_is_said() {
    let read = |sleep: &str| {
        let text = with(&format!(
            "  warmPool: {{size: {{fixed: 1}}}}\n  retire: {{}}\n  standby: {{sleep: {sleep}}}\n"
        ));
        let read = read_policies(&Source::new("policy.yaml", text)).unwrap();
        let Some(StandbySpec::Sleep(sleep)) = read.policies[0].host.standby.clone() else {
            panic!("it sleeps")
        };
        sleep
    };
    assert_eq!(read("{}"), SleepSpec::default());
    let sglang = read(
        "{port: 30000, sleepPath: /release_memory_occupation, wakePath: /resume_memory_occupation, \
         statePath: ''}",
    );
    assert_eq!((sglang.port, sglang.state_path.as_str()), (30_000, ""));
}

#[test]
fn the_example_is_valid() {
    let text = include_str!("../../../../examples/kubernetes/sleep/policy.yaml");
    let read = read_policies(&Source::new("policy.yaml", text)).unwrap();
    let Some(StandbySpec::Sleep(sleep)) = &read.policies[0].host.standby else {
        panic!("it sleeps")
    };
    assert_eq!(*sleep, SleepSpec::default());
}

#[test]
fn sleep_has_rules() {
    insta::assert_snapshot!(refused(
        "  standby: {sleep: {port: 0, sleepPath: /x, wakePath: /x, statePath: 'a b', timeoutSeconds: 301}}
"
    ));
    insta::assert_snapshot!(refused(
        "  warmPool: {size: {fixed: 1}}
  standby: {sleep: {}, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: other}}
"
    ));
    let set = with("  warmPool: {size: {fixed: 1}}\n  retire: {}\n  standby: {sleep: {}}\n");
    let set = set.replace("kind: Deployment", "kind: StatefulSet");
    insta::assert_snapshot!(read_policies(&Source::new("policy.yaml", set)).unwrap_err());
}

#[test]
fn no_decision_and_no_digest_looks_at_it() {
    let digest = |more: &str| {
        let read = read_policies(&Source::new("policy.yaml", with(more))).unwrap();
        read.policies[0].policy.digest()
    };
    assert_eq!(digest(""), digest("  mode: shadow\n  adopt: {horizontalPodAutoscaler: llm}\n"));
}

#[test]
fn mistakes_have_a_place_and_a_help() {
    insta::assert_snapshot!(refused(
        r#"  mod: shadow
  sources:
  - prometheus:
      server: main
      queries: {presets: vllm, metric: []}
  - kubernets: {}
  adopt: {horizontalPodAutoscalers: llm}
"#
    ));
}

#[test]
fn rules_have_a_place() {
    insta::assert_snapshot!(refused(
        r#"  mode: shadow
  sources:
  - kubernetes: {}
  - kubernetes: {}
  - prometheus: {server: "", queries: {matchers: "a=\"b\""}}
  draining: {podLabels: {"-": no}}
  standby: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}}
  adopt: {horizontalPodAutoscaler: LLM}
"#
    ));
}

#[test]
fn an_hpa_has_none_of_it() {
    let text = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: llm}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  maxReplicas: 20
  mode: shadow
";
    insta::assert_snapshot!(read_policies(&Source::new("hpa.yaml", text)).unwrap_err());
}
