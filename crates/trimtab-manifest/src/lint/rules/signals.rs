//! Which metrics decide.

use crate::lint::autoscaler::{Autoscaler, Role};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[&GPU_UTILIZATION_ONLY];

static GPU_UTILIZATION_ONLY: Rule = Rule {
    id: "gpu-utilization-only",
    severity: Severity::Warning,
    summary: "the state of the GPU is the only thing that scales",
    why: "a single request that decodes keeps a GPU busy, and a hundred in one batch do no more: \
          utilization, memory, power and temperature tell a used replica from an unused one, not a \
          busy one from an overloaded one (NVIDIA's `DCGM_FI_DEV_GPU_UTIL` is the share of time in \
          which any kernel runs)",
    fix: "Scale by what users feel: requests that wait or are in flight, arrivals, or the time to the \
          first token. Keep the GPU's metric as a guard beside them if you like.",
    check: gpu_utilization_only,
};

fn gpu_utilization_only(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let load = autoscaler.signals.iter().filter(|signal| signal.role != Role::Time);
        let hardware = |role| matches!(role, Role::Gpu | Role::Resource);
        let gpu = autoscaler.signals.iter().find(|signal| signal.role == Role::Gpu);
        let Some(gpu) = gpu.filter(|_| load.clone().all(|signal| hardware(signal.role))) else {
            continue;
        };
        let message = format!("`{}` alone decides, and says nothing of load", gpu.title());
        findings.add(&GPU_UTILIZATION_ONLY, gpu.at_name(), message).help(queue_of(autoscaler));
    }
}

/// The metric to add, as its kind of autoscaler writes it.
fn queue_of(autoscaler: &Autoscaler<'_>) -> &'static str {
    use crate::lint::autoscaler::Form;
    match autoscaler.form {
        Form::ScaledObject => {
            "add a trigger on what waits:\n- type: prometheus\n  metadata:\n    query: \
             sum(vllm:num_requests_waiting)\n    threshold: \"4\""
        }
        Form::Hpa | Form::ScalingPolicy => {
            "add a metric of what waits:\n- type: Pods\n  pods:\n    metric: {name: \
             requests_waiting}\n    target: {type: AverageValue, averageValue: \"4\"}"
        }
    }
}
