//! Which metrics decide.

use crate::lint::autoscaler::{Autoscaler, Form, Role, Signal};
use crate::lint::engine_metrics::{mistyped, renamed};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] =
    &[&GPU_UTILIZATION_ONLY, &NO_LOAD_SIGNAL, &RENAMED_METRIC, &MISTYPED_METRIC];

static GPU_UTILIZATION_ONLY: Rule = Rule {
    id: "gpu-utilization-only",
    severity: Severity::Warning,
    summary: "the state of the GPU is the only thing that scales",
    why: "a single request that decodes keeps a GPU busy, and a hundred in one batch do no more: \
          utilization, memory, power and temperature tell a used replica from an unused one, not a \
          busy one from an overloaded one (`DCGM_FI_DEV_GPU_UTIL` is the share of time in which any \
          kernel runs)",
    fix: "Scale by what users feel: requests that wait or are in flight, arrivals, or the time to the \
          first token. The GPU's metric can stay beside them as a guard.",
    check: gpu_utilization_only,
};

fn gpu_utilization_only(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let gpu = autoscaler.signals.iter().find(|signal| signal.role == Role::Gpu);
        if let Some(gpu) = gpu.filter(|_| is_of_hardware(autoscaler)) {
            let message = format!("`{}` alone decides, and says nothing of load", gpu.title());
            findings
                .add(&GPU_UTILIZATION_ONLY, gpu.at_name(), message)
                .help(queue_for(autoscaler.form));
        }
    }
}

/// Whether a GPU decides, and nothing but the hardware beside it.
fn is_of_hardware(autoscaler: &Autoscaler<'_>) -> bool {
    let hardware = |signal: &Signal<'_>| matches!(signal.role, Role::Gpu | Role::Resource);
    autoscaler.signals.iter().any(|signal| signal.role == Role::Gpu)
        && signals_of_load(autoscaler).all(hardware)
}

static NO_LOAD_SIGNAL: Rule = Rule {
    id: "no-load-signal",
    severity: Severity::Warning,
    summary: "nothing that scales a GPU server says what is asked of it",
    why: "CPU and memory of a GPU server hardly move with its load, and a KV cache is a stock: it can be \
          nearly empty while requests are turned away (llm-d-autoscaling#1500, kserve#3561); only a \
          queue, requests in flight, arrivals or a latency tell that replicas are missing",
    fix: "Add a metric of requests that wait or are in flight, of arrivals, or of the time to the first \
          token.",
    check: no_load_signal,
};

fn no_load_signal(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers().iter().filter(|autoscaler| autoscaler.serves_model()) {
        // Strategies of their own, KServe's default and the clock know other things than metrics.
        let has_default = matches!(autoscaler.strategy(), "hpa" | "keda");
        if autoscaler.signals.is_empty() && !has_default && !is_kserve_hpa(autoscaler) {
            continue;
        }
        let load = |signal: &Signal<'_>| {
            matches!(signal.role, Role::Queue | Role::Load | Role::Latency | Role::Usage)
        };
        if signals_of_load(autoscaler).any(load)
            || is_of_hardware(autoscaler)
            || autoscaler.signals.iter().any(|signal| signal.role == Role::Time)
        {
            continue;
        }
        let first = autoscaler.signals.first();
        let (at, what) = match first {
            Some(first) => (first.at_name(), format!("`{}`", first.title())),
            None => (autoscaler.document.heading(), String::from("CPU, the default,")),
        };
        let message = match autoscaler.signals.len() {
            0 | 1 => format!("{what} alone decides, and tells no load of a model server"),
            _ => format!("{what} and its like decide, and tell no load of a model server"),
        };
        let standard = is_kserve_standard(autoscaler);
        let help = if standard { KSERVE_BY_KEDA } else { queue_for(autoscaler.form) };
        findings.add(&NO_LOAD_SIGNAL, at, message).help(help);
    }
}

/// Whether KServe makes an HPA of its own of a component, which then scales by CPU.
fn is_kserve_hpa(autoscaler: &Autoscaler<'_>) -> bool {
    let by_hpa = matches!(kserve_annotation(autoscaler, "autoscalerClass"), None | Some("hpa"));
    let least = autoscaler.min.value.unwrap_or(1);
    let moves = autoscaler.max.value.is_some_and(|most| most > least);
    is_kserve_standard(autoscaler) && by_hpa && moves
}

/// Whether a component runs without Knative, which alone knows how many requests there are.
fn is_kserve_standard(autoscaler: &Autoscaler<'_>) -> bool {
    let mode = kserve_annotation(autoscaler, "deploymentMode");
    autoscaler.form == Form::KServe && matches!(mode, Some("RawDeployment" | "Standard"))
}

fn kserve_annotation<'n>(autoscaler: &Autoscaler<'n>, name: &str) -> Option<&'n str> {
    let annotations = autoscaler.document.field().at("metadata.annotations")?;
    annotations.get(&format!("serving.kserve.io/{name}"))?.text()
}

/// The metrics that follow the load, whatever they measure of it.
fn signals_of_load<'a, 'n>(
    autoscaler: &'a Autoscaler<'n>,
) -> impl Iterator<Item = &'a Signal<'n>> + use<'a, 'n> {
    autoscaler.signals.iter().filter(|signal| signal.role != Role::Time)
}

/// What there is for a component that runs without Knative.
const KSERVE_BY_KEDA: &str = "scale by what waits, with `serving.kserve.io/autoscalerClass: keda`:\n\
                              autoScaling:\n  metrics:\n  - type: External\n    external:\n      \
                              metric:\n        backend: prometheus\n        serverAddress: \
                              http://prometheus:9090\n        query: \
                              sum(vllm:num_requests_waiting)\n      target:\n        type: Value\n        \
                              value: \"4\"";

/// The metric to add, as its kind of autoscaler writes it.
fn queue_for(form: Form) -> &'static str {
    match form {
        Form::ScaledObject => {
            "add a trigger on what waits:\n- type: prometheus\n  metadata:\n    serverAddress: \
             http://prometheus:9090\n    query: sum(vllm:num_requests_waiting)\n    threshold: \"4\""
        }
        Form::Knative => {
            "scale by requests at once:\nautoscaling.knative.dev/metric: concurrency\n\
             autoscaling.knative.dev/target: \"16\""
        }
        Form::KServe => "scale by requests at once:\nscaleMetric: concurrency\nscaleTarget: 16",
        Form::Hpa | Form::ScalingPolicy | Form::RayServe => {
            "add a metric of what waits:\n- type: Pods\n  pods:\n    metric: {name: \
             requests_waiting}\n    target: {type: AverageValue, averageValue: \"4\"}"
        }
    }
}

static RENAMED_METRIC: Rule = Rule {
    id: "renamed-metric",
    severity: Severity::Warning,
    summary: "a metric that today's servers do not export",
    why: "a metric that is gone is no error to most autoscalers: some take it for zero, some stop scaling \
          down, and a guard that never speaks guards nothing (read in vLLM 0.33 and in llama.cpp)",
    fix: "Use the name of now. Where servers of both ages run, ask for the one `or` the other.",
    check: renamed_metric,
};

fn renamed_metric(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        for signal in &autoscaler.signals {
            let names = signal.metrics();
            for name in names {
                let Some((old, new)) = renamed(name) else { continue };
                // One or the other of both ages.
                if new.as_deref().is_some_and(|new| names.contains(&new)) {
                    continue;
                }
                let name = shortened(name);
                let message = format!("`{name}` is no longer exported by {}", server(old));
                let added = findings.add(&RENAMED_METRIC, signal.at_name(), message);
                match new {
                    Some(new) if old.contains(":avg_") => {
                        added.help(format!(
                            "it is now the rate of a counter: `rate({new}_total[1m])`"
                        ));
                    }
                    Some(new) => {
                        added.help(format!("write `{new}`"));
                    }
                    None => {
                        added.help("nothing took its place; scale by requests that wait or run");
                    }
                }
            }
        }
    }
}

fn server(metric: &str) -> &'static str {
    if metric.starts_with("vllm") { "vLLM" } else { "llama.cpp" }
}

static MISTYPED_METRIC: Rule = Rule {
    id: "mistyped-metric",
    severity: Severity::Warning,
    summary: "a metric that differs in a letter or two from one that the server exports",
    why: "nothing checks the name of a metric: one that does not exist reads as missing or as zero, for \
          ever",
    fix: "Write the name as the server exports it; its `/metrics` page lists them.",
    check: mistyped_metric,
};

fn mistyped_metric(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        for signal in &autoscaler.signals {
            for name in signal.metrics() {
                let Some(known) = mistyped(name) else { continue };
                let message = format!("no server exports `{}`", shortened(name));
                findings
                    .add(&MISTYPED_METRIC, signal.at_name(), message)
                    .help(format!("did you mean `{known}`?"));
            }
        }
    }
}
