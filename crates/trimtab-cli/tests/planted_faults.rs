//! The manifests of `examples/llm-inference/manifests` have no fault that `trimtab lint` knows, and each that is
//! planted in them is found: it, and nothing else.

#![expect(clippy::unwrap_used, reason = "the lint spares tests and not what they call")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use trimtab_manifest::{Colour, Report, Source, lint};

/// A rule, and how one of the manifests is made to break it: what stands there, and what does then.
type Fault = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const HPA: &str = "overlays/hpa/hpa.yaml";
const BUDGET: &str = "overlays/hpa/pod-disruption-budget.yaml";
const DEPLOYMENT: &str = "base/deployment.yaml";
const CORE: &str = "platform/node-pool-l40s-core.yaml";
const SCALED_OBJECT: &str = "overlays/keda/scaled-object.yaml";

const FAULTS: &[Fault] = &[
    // Scaled by what the hardware says.
    (
        "gpu-utilization-only",
        HPA,
        &[
            ("inference_requests_waiting", "DCGM_FI_DEV_GPU_UTIL"),
            ("inference_kv_cache_usage_ratio", "DCGM_FI_DEV_MEM_COPY_UTIL"),
        ],
    ),
    ("no-load-signal", HPA, &[(WAITING, "")]),
    ("no-load-signal", HPA, &[("inference_requests_waiting", "DCGM_FI_DEV_GPU_UTIL")]),
    // Too little, too early, too fast.
    ("too-few-replicas", HPA, &[("minReplicas: 2", "minReplicas: 1")]),
    ("nothing-to-scale", HPA, &[("maxReplicas: 20", "maxReplicas: 2")]),
    ("scale-down-window-too-short", HPA, &[("Seconds: 600", "Seconds: 60")]),
    (
        "scale-down-unlimited",
        HPA,
        &[("Seconds: 600", "Seconds: 0"), ("value: 20\n", "value: 100\n")],
    ),
    ("scale-up-window-too-long", HPA, &[("Seconds: 30", "Seconds: 1800")]),
    ("rate-limit-overflows", HPA, &[("value: 4\n", "value: 2147483647\n")]),
    ("tolerance-too-wide", HPA, &[("scaleUp:\n", "scaleUp:\n      tolerance: 0.9\n")]),
    (
        "scaling-disabled",
        HPA,
        &[
            ("scaleUp:\n", "scaleUp:\n      selectPolicy: Disabled\n"),
            ("scaleDown:\n", "scaleDown:\n      selectPolicy: Disabled\n"),
        ],
    ),
    // What the API server refuses, a target that nothing reaches, a metric that nobody exports.
    ("refused", HPA, &[("value: 20\n", "value: 0\n")]),
    ("share-out-of-reach", HPA, &[("\"0.75\"", "\"75\"")]),
    ("renamed-metric", HPA, &[("inference_kv_cache_usage_ratio", "vllm:gpu_cache_usage_perc")]),
    ("target-not-scalable", HPA, &[("kind: Deployment", "kind: DaemonSet")]),
    // Ready too early, restarted while it loads.
    (
        "readiness-is-liveness",
        DEPLOYMENT,
        &[(READY, "readinessProbe:\n          httpGet:\n            path: /healthz\n")],
    ),
    ("readiness-missing", DEPLOYMENT, &[("readinessProbe:", "unreadProbe:")]),
    ("readiness-tcp", DEPLOYMENT, &[(READY, "readinessProbe:\n          tcpSocket:\n")]),
    ("liveness-kills-loading", DEPLOYMENT, &[("startupProbe:", "slowStartProbe:")]),
    ("liveness-kills-loading", DEPLOYMENT, &[("Threshold: 120", "Threshold: 12")]),
    // Sessions that are cut.
    ("grace-shorter-than-session", DEPLOYMENT, &[("Seconds: 960", "Seconds: 180")]),
    ("pre-stop-missing", DEPLOYMENT, &[("preStop:", "postStart:")]),
    ("pre-stop-outlasts-grace", DEPLOYMENT, &[("sleep 20", "sleep 1000")]),
    // GPUs that are not asked for, or not there.
    (
        "gpu-not-whole",
        DEPLOYMENT,
        &[
            (
                "nvidia.com/gpu: \"1\"\n          limits:",
                "nvidia.com/gpu: \"0.5\"\n          limits:",
            ),
            ("nvidia.com/gpu: \"1\"\n        #", "nvidia.com/gpu: \"0.5\"\n        #"),
        ],
    ),
    (
        "gpu-without-limit",
        DEPLOYMENT,
        &[("            nvidia.com/gpu: \"1\"\n        #", "        #")],
    ),
    (
        "gpu-limit-not-request",
        DEPLOYMENT,
        &[("nvidia.com/gpu: \"1\"\n        #", "nvidia.com/gpu: \"2\"\n        #")],
    ),
    ("taint-not-tolerated", DEPLOYMENT, &[("- key: nvidia.com/gpu", "- key: example.com/gpu")]),
    ("node-label-missing", DEPLOYMENT, &[("accelerator: nvidia-l40s", "accelerator: nvidia-h100")]),
    // Fewer than there have to be.
    (
        "replicas-beside-autoscaler",
        DEPLOYMENT,
        &[("spec:\n  selector:", "spec:\n  replicas: 2\n  selector:")],
    ),
    ("rollout-takes-capacity", DEPLOYMENT, &[("maxUnavailable: 0", "maxUnavailable: 1")]),
    ("pdb-blocks-drain", BUDGET, &[("maxUnavailable: 1", "maxUnavailable: 0")]),
    ("pdb-blocks-drain", BUDGET, &[("maxUnavailable: 1", "minAvailable: 2")]),
    ("pdb-matches-nothing", BUDGET, &[("app: llm-inference", "app: llm")]),
    // Nodes that do not come, do not go, or go too soon.
    ("node-pool-without-limits", CORE, &[("  limits:\n", "  ceilings:\n")]),
    ("node-pool-without-gpu-limit", CORE, &[("    nvidia.com/gpu: \"24\"\n", "")]),
    ("node-pool-limit-too-small", CORE, &[("nvidia.com/gpu: \"24\"", "nvidia.com/gpu: \"8\"")]),
    ("node-pool-without-gpu", CORE, &[("values: [\"1\"]", "values: [\"0\"]")]),
    ("node-pool-without-gpu", CORE, &[("values: [\"g\"]", "values: [\"c\", \"m\"]")]),
    ("taint-not-tolerated", CORE, &[("- key: nvidia.com/gpu", "- key: example.com/team")]),
    ("spot-only-critical", CORE, &[("\"on-demand\"", "\"spot\"")]),
    (
        "consolidation-before-scale-down",
        CORE,
        &[
            ("WhenEmpty\n", "WhenEmptyOrUnderutilized\n"),
            ("consolidateAfter: 10m", "consolidateAfter: 5m"),
        ],
    ),
    ("node-expiry-cuts-sessions", CORE, &[("GracePeriod: 1h", "GracePeriod: 5m")]),
    (
        "node-expiry-cuts-sessions",
        CORE,
        &[("expireAfter: 720h", "expireAfter: 1h"), ("      terminationGracePeriod: 1h\n", "")],
    ),
];

/// Faults of what KEDA scales.
const BATCH_FAULTS: &[Fault] = &[
    ("query-without-sum", SCALED_OBJECT, &[("sum(inference", "(inference")]),
    ("counter-without-rate", SCALED_OBJECT, &[("requests_waiting{", "requests_received_total{")]),
    ("cooldown-without-effect", SCALED_OBJECT, &[("pollingInterval: 15", "cooldownPeriod: 60")]),
    ("nothing-to-scale", SCALED_OBJECT, &[("maxReplicaCount: 30", "maxReplicaCount: 1")]),
    ("node-label-missing", DEPLOYMENT, &[("workload-type: batch", "workload-type: offline")]),
];

const READY: &str = "readinessProbe:\n          httpGet:\n            path: /readyz\n";
const WAITING: &str = "  - type: Pods
    pods:
      metric:
        name: inference_requests_waiting
      target:
        type: AverageValue
        averageValue: \"4\"
";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/llm-inference/manifests")
}

/// The manifests that are applied together, by their names.
fn set(overlay: &str) -> Vec<(String, String)> {
    files(&["base", "platform", overlay])
}

/// All of them: two overlays of one base.
fn folder_as_it_is() -> Vec<(String, String)> {
    files(&["base", "platform", "overlays/hpa", "overlays/keda"])
}

fn files(parts: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for part in parts {
        for entry in fs::read_dir(folder().join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{part}/{}", path.file_name().unwrap().to_str().unwrap());
            files.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    files.sort();
    files
}

fn report(files: &[(String, String)]) -> Report {
    let sources: Vec<Source> =
        files.iter().map(|(name, text)| Source::new(name.clone(), text.clone())).collect();
    let report = lint(&sources);
    assert!(report.errors().is_empty(), "{:?}", report.errors());
    report
}

#[test]
fn what_is_applied_together_has_no_fault() {
    for files in [set("overlays/hpa"), batch(), folder_as_it_is()] {
        let report = report(&files);
        assert!(report.findings().is_empty(), "{}", report.render(Colour::Never));
    }
}

#[test]
fn each_fault_that_is_planted_is_found_and_nothing_else() {
    let mut failures = String::new();
    let sets =
        [(set("overlays/hpa"), FAULTS), (folder_as_it_is(), FAULTS), (batch(), BATCH_FAULTS)];
    for (files, faults) in sets {
        for &(rule, file, edits) in faults {
            let mut files = files.clone();
            edit(&mut files, file, edits);
            let report = report(&files);
            let found: BTreeSet<&str> =
                report.findings().iter().map(|finding| finding.rule().id()).collect();
            if found.iter().ne([&rule]) {
                let rendered = report.render(Colour::Never);
                failures += &format!("{rule}: {file}: {edits:?} is {found:?}\n{rendered}\n");
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn two_autoscalers_on_the_service_are_found() {
    let mut files = set("overlays/hpa");
    files.extend(set("overlays/keda").into_iter().filter(|(name, _)| name == SCALED_OBJECT));
    edit(&mut files, SCALED_OBJECT, &[("# trimtab: allow(two-autoscalers)", "#")]);
    let report = report(&files);
    assert!(report.findings().iter().any(|finding| finding.rule().id() == "two-autoscalers"));
}

/// What `overlays/keda` makes of the base: a test of the server's own holds the patch to that.
fn batch() -> Vec<(String, String)> {
    let mut files = set("overlays/keda");
    // Its patch is carried out below.
    files.retain(|(name, _)| name != "overlays/keda/kustomization.yaml");
    edit(
        &mut files,
        DEPLOYMENT,
        &[
            ("priorityClassName: inference-online", "priorityClassName: inference-batch"),
            ("        accelerator: nvidia-l40s\n", ""),
            ("workload-type: online-inference", "workload-type: batch-inference"),
            ("GracePeriodSeconds: 960", "GracePeriodSeconds: 110"),
            ("session-seconds: \"900\"", "session-seconds: \"80\""),
            ("value: \"900\"", "value: \"80\""),
        ],
    );
    files
}

/// Replaces the first of each in a file, which has to have it.
fn edit(files: &mut [(String, String)], file: &str, edits: &[(&str, &str)]) {
    let (_, text) = files.iter_mut().find(|(name, _)| name == file).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "{file} has no `{from}`");
        *text = text.replacen(from, to, 1);
    }
}
