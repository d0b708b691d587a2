//! Presets fit the policies that are shipped for them.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use trimtab_engine::{MetricSource, Policy, Target};
use trimtab_manifest::{Source, read_policies};
use trimtab_prometheus::{
    Preset, PresetArgs, PrometheusClient, PrometheusSource, QueriesSpec, ServerSpec,
};

const FILES: [(Preset, &str); 6] = [
    (Preset::Vllm, "vllm"),
    (Preset::Sglang, "sglang"),
    (Preset::Triton, "triton"),
    (Preset::TensorrtLlm, "tensorrt-llm"),
    (Preset::Tgi, "tgi"),
    (Preset::LlamaCpp, "llama-cpp"),
];

fn policy(name: &str) -> Policy {
    let path = format!("{}/../../examples/presets/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    read_policies(&Source::new(path, text)).unwrap().policies.remove(0).policy
}

#[test]
fn every_metric_of_a_policy_is_its_presets_with_its_form_and_target() {
    for (preset, file) in FILES {
        let policy = policy(file);
        let metrics = preset.metrics(&PresetArgs::default());
        for metric in policy.metrics() {
            let name = metric.name();
            let own = metrics.iter().find(|own| own.query.metric == name);
            let own = own.unwrap_or_else(|| panic!("{file} has `{name}`, and the preset does not"));
            assert_eq!(own.per_pod, *metric.source() == MetricSource::Pods, "{name}");
            let (Target::AverageValue { milli } | Target::Value { milli }) = metric.target() else {
                panic!("{name}");
            };
            assert_eq!(own.target.milli(), milli, "{name}");
        }
    }
}

#[test]
fn no_query_of_a_preset_has_a_finding() {
    let client = PrometheusClient::new(&ServerSpec::at("http://localhost:9090")).unwrap();
    for (preset, file) in FILES {
        let queries = QueriesSpec {
            preset: Some(preset),
            matchers: String::from("namespace=\"a\""),
            ..QueriesSpec::default()
        };
        let source = PrometheusSource::new(client.clone(), &queries).unwrap();
        assert_eq!(source.lint(&policy(file)), [], "{file}");
    }
}

#[test]
fn names_are_those_of_configurations() {
    for preset in Preset::ALL {
        let json = serde_json::to_value(preset).unwrap();
        assert_eq!(json.as_str(), Some(preset.name()));
        assert_eq!(preset.name().parse(), Ok(preset));
    }
    let error = "vLLM".parse::<Preset>().unwrap_err().to_string();
    assert!(error.contains("`vllm`"), "{error}");
}

#[test]
fn a_name_stands_once_in_a_preset() {
    for preset in Preset::ALL {
        let metrics = preset.metrics(&PresetArgs::default());
        let names: BTreeMap<_, _> =
            metrics.iter().map(|metric| (&metric.query.metric, metric.role)).collect();
        assert_eq!(names.len(), metrics.len(), "{}", preset.name());
    }
}

/// The queries as they are sent, so that a change of one is seen.
#[test]
fn queries() {
    let mut text = String::new();
    for preset in Preset::ALL {
        for metric in preset.metrics(&PresetArgs::matching("namespace=\"a\"")) {
            let role = serde_json::to_value(metric.role).unwrap();
            let form = if metric.per_pod { "pods" } else { "all" };
            text += &format!(
                "{} {} {form} {} {}\n    {}\n",
                preset.name(),
                metric.query.metric,
                role.as_str().unwrap(),
                metric.target,
                metric.query.query
            );
        }
    }
    insta::assert_snapshot!(text);
}
