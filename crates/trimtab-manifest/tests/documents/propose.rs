//! Other autoscalers' manifests as proposals under `slo`: the examples, and those that are refused.

use trimtab_engine::StrategyName;
use trimtab_manifest::{Colour, ImportedPolicy, Source, import};

use crate::examples::{assert_read_again, example, names};

/// What is proposed for an example, and what is said of it; or why nothing is.
fn told(name: &str) -> String {
    let imported = import(&example(name)).unwrap();
    let proposed = match imported.propose_slo(Some(240)) {
        Ok(proposed) => proposed,
        Err(error) => return format!("{error}\n"),
    };
    for policy in &proposed.policies {
        assert_eq!(policy.policy.spec().strategy, StrategyName::Slo);
        assert_read_again(policy);
    }
    let (yaml, notes) = (proposed.to_yaml(), proposed.render_notes(Colour::Never));
    format!("{yaml}===\n{notes}\n===\n{}", proposed.render_changes())
}

#[test]
fn the_examples() {
    for file in names() {
        let name = file.trim_end_matches(".yaml").replace('-', "_");
        insta::assert_snapshot!(name, told(&file));
    }
}

/// What is proposed for an HPA with these metrics.
fn proposed(fields: &str, lead: Option<i32>) -> ImportedPolicy {
    let text = format!(
        "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: llm}}, spec: \
         {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}, maxReplicas: 9, \
         {fields}}}}}"
    );
    let imported = import(&Source::new("hpa.yaml", text)).unwrap();
    imported.propose_slo(lead).unwrap().policies.remove(0)
}

fn external(name: &str, target: &str) -> String {
    format!(
        "{{type: External, external: {{metric: {{name: {name}}}, target: {{type: {target}}}}}}}"
    )
}

#[test]
fn every_role_at_once() {
    let metrics = [
        external("requests_in_flight", "AverageValue, averageValue: 16"),
        external("requests_waiting", "AverageValue, averageValue: 4"),
        external("ttft_p95", "AverageValue, averageValue: 1500m"),
        external("kv_cache_usage_ratio", "Value, value: 900m"),
        external("orders_open", "Value, value: 100"),
    ];
    let policy = proposed(&format!("metrics: [{}]", metrics.join(", ")), Some(60));
    insta::assert_snapshot!("every_role", policy.to_yaml());
}

#[test]
fn a_window_is_kept_if_it_is_longer_than_five_lead_times() {
    let metric = external("requests_in_flight", "AverageValue, averageValue: 16");
    let fields = format!(
        "metrics: [{metric}], behavior: {{scaleDown: {{stabilizationWindowSeconds: 1000}}}}"
    );
    let window = |lead| {
        let policy = proposed(&fields, lead);
        let down = policy.policy.spec().behavior.clone().unwrap().scale_down.unwrap();
        down.stabilization_window_seconds
    };
    assert_eq!(window(Some(199)), Some(1000));
    assert_eq!(window(Some(200)), Some(1000));
    assert_eq!(window(Some(201)), Some(1005));
    assert_eq!(window(None), Some(1000));
}

const SCALED: &str = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: llm}
spec:
  scaleTargetRef: {name: llm}
  minReplicaCount: MIN
  cooldownPeriod: 120
  triggers:
  - type: prometheus
    metadata: {serverAddress: 'http://p', query: sum(requests_in_flight), threshold: '16'}
  - type: prometheus
    metadata:
      serverAddress: http://p
      query: sum(requests_waiting)
      threshold: '4'
      activationThreshold: '1'
";

#[test]
fn a_queue_beside_a_load_is_a_demand_too() {
    for min in ["0", "1"] {
        let source = Source::new("keda.yaml", SCALED.replace("MIN", min));
        let proposed = import(&source).unwrap().propose_slo(None).unwrap();
        let spec = proposed.policies[0].policy.spec();
        let slo = spec.slo.as_ref().unwrap();
        assert_eq!(slo.signals.len(), 0, "minReplicaCount {min}");
        assert_eq!(slo.scale_to_zero_after_seconds, (min == "0").then_some(120));
    }
}

#[test]
fn an_import_stays_what_it_is() {
    let imported = import(&example("hpa.yaml")).unwrap();
    let before = imported.clone();
    let _ = imported.propose_slo(Some(240)).unwrap();
    assert_eq!(imported, before);
    assert_eq!(imported.render_changes(), "");
}

#[test]
fn a_lead_time_out_of_range_is_refused() {
    let error = import(&example("hpa.yaml")).unwrap().propose_slo(Some(4000)).unwrap_err();
    assert!(error.to_string().contains("`spec.slo.leadTimeSeconds` is 4000"), "{error}");
}

#[test]
fn one_name_with_two_roles_is_refused() {
    let usage = external("gpu_utilization_ratio", "Value, value: 900m");
    let load = external("requests_in_flight", "AverageValue, averageValue: 16");
    let text = format!(
        "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: llm}}, spec: \
         {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}, maxReplicas: 9, \
         metrics: [{load}, {usage}, {usage}]}}}}"
    );
    let error = import(&Source::new("hpa.yaml", text)).unwrap().propose_slo(None).unwrap_err();
    assert!(error.to_string().contains("as several metrics are"), "{error}");
}

#[test]
fn what_is_told_on_a_terminal_is_harmless() {
    let name = r#""in_flight\e[31m\nforged""#;
    let metric = external(name, "AverageValue, averageValue: 16");
    let text = format!(
        "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: llm}}, spec: \
         {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}, maxReplicas: 9, \
         metrics: [{metric}]}}}}"
    );
    let told = import(&Source::new("hpa.yaml", text)).unwrap().propose_slo(None).unwrap();
    let told = told.render_changes();
    assert!(!told.contains('\u{1b}') && !told.lines().any(|line| line.starts_with("forged")));
}
