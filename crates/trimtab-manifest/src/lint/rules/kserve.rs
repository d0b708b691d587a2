//! What InferenceServices say of scaling, and KServe does not do.

use crate::lint::document::Document;
use crate::lint::documents::{Kind, Workload};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[&NO_TARGET, &TO_ZERO, &IGNORED, &METRIC];

static NO_TARGET: Rule = Rule {
    id: "kserve-concurrency-without-target",
    severity: Severity::Warning,
    summary: "a model is scaled by concurrency, and nothing says how much of it",
    why: "without containerConcurrency, or with 0, and without a target Knative aims at 100 requests in \
          flight for each replica and 70 % of that (Knative, Configuring concurrency): far more than most \
          models answer in time, so the second replica comes too late",
    fix: "Set scaleTarget to the requests that a replica answers at once within its objective.",
    check: no_target,
};

static TO_ZERO: Rule = Rule {
    id: "kserve-scale-to-zero",
    severity: Severity::Warning,
    summary: "a model on GPUs is scaled to zero",
    why: "with minReplicas 0 the first request after a pause waits until a node has come, the image is \
          pulled and the model is loaded: minutes, which most clients and gateways do not wait",
    fix: "Keep one replica, or write down why the wait is acceptable.",
    check: to_zero,
};

static IGNORED: Rule = Rule {
    id: "kserve-ignored-annotation",
    severity: Severity::Warning,
    summary: "an annotation of an InferenceService has no effect",
    why: "in the mode Standard (RawDeployment) KServe makes an HPA or a ScaledObject of minReplicas, \
          maxReplicas, scaleMetric and scaleTarget, and what Knative's annotations say reaches nobody; in the \
          mode Knative it is `serving.kserve.io/autoscalerClass` that does not count",
    fix: "Use the fields of the component, or change the deployment mode.",
    check: ignored,
};

static METRIC: Rule = Rule {
    id: "kserve-metric-unsupported",
    severity: Severity::Error,
    summary: "the autoscaler of an InferenceService does not know its scaleMetric",
    why: "KServe's webhook takes `cpu` and `memory` for the class hpa, `concurrency` and `rps` for \
          Knative's own autoscaler, and no `scaleMetric` for the class keda, and refuses an \
          InferenceService with another (kserve, inference_service_validation.go); where no class is \
          named it makes an HPA that has not the metric",
    fix: "Choose a metric that the class has, or the class that has the metric.",
    check: metric,
};

/// A component of an InferenceService, such as its predictor.
struct Component<'n> {
    document: &'n Document,
    workload: Workload<'n>,
    mode: Option<Mode>,
}

/// Who makes the pods, where an annotation says so; else the cluster's configuration does.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Mode {
    Standard,
    Knative,
    Other,
}

impl<'n> Component<'n> {
    fn among(set: &Set<'n>) -> Vec<Self> {
        set.of_kind("serving.kserve.io", "InferenceService").flat_map(Self::of).collect()
    }

    fn of(document: &'n Document) -> Vec<Self> {
        let mode = annotation(document, "serving.kserve.io/deploymentMode").map(|mode| match mode
            .text()
        {
            Some("Standard" | "RawDeployment") => Mode::Standard,
            Some("Knative" | "Serverless") => Mode::Knative,
            _ => Mode::Other,
        });
        let parts = Workload::of(document).into_iter();
        let parts = parts.filter(|workload| workload.kind == Kind::KServe);
        parts.map(|workload| Self { document, workload, mode }).collect()
    }

    fn field(&self, key: &str) -> Option<Field<'n>> {
        self.workload.pod.spec.get(key)
    }

    /// An annotation of the component, or else of the service.
    fn annotation(&self, key: &str) -> Option<Field<'n>> {
        let own = self.field("annotations").and_then(|annotations| annotations.get(key));
        own.or_else(|| annotation(self.document, key))
    }

    /// Whether Knative's HPA class is asked for.
    fn is_knative_hpa(&self) -> bool {
        let class = self.annotation("autoscaling.knative.dev/class");
        class.and_then(|class| class.text()) == Some("hpa.autoscaling.knative.dev")
    }
}

fn no_target(set: &Set<'_>, findings: &mut Findings<'_>) {
    for component in Component::among(set) {
        let concurrency = component.field("containerConcurrency");
        let is_unbounded = concurrency.is_none_or(|field| field.int() == Some(0));
        let metric = component.field("scaleMetric");
        let annotated = component.annotation("autoscaling.knative.dev/metric");
        let named = metric.or(annotated);
        let by_concurrency = match named.and_then(|named| named.text()) {
            Some(metric) => metric == "concurrency",
            // Its default, in the mode that has it.
            None => component.mode == Some(Mode::Knative) || concurrency.is_some(),
        };
        let has_target = component.field("scaleTarget").is_some()
            || component.annotation("autoscaling.knative.dev/target").is_some();
        let is_ours = matches!(component.mode, None | Some(Mode::Knative))
            && !component.is_knative_hpa()
            && component.workload.has_gpu();
        if !is_ours || !is_unbounded || !by_concurrency || has_target {
            continue;
        }
        let at = concurrency.or(named).unwrap_or(component.workload.pod.spec);
        let message = format!(
            "`{}` gets its second replica at 70 requests in flight",
            component.document.title()
        );
        findings.add(&NO_TARGET, at, message).help("scaleMetric: concurrency\nscaleTarget: 8");
    }
}

fn to_zero(set: &Set<'_>, findings: &mut Findings<'_>) {
    for component in Component::among(set) {
        let Some(field) = component.field("minReplicas").filter(|least| least.int() == Some(0))
        else {
            continue;
        };
        let class = component.annotation("serving.kserve.io/autoscalerClass");
        // KServe's HPA does not go to 0, and what others scale is theirs.
        let goes = match component.mode {
            Some(Mode::Knative) | None => class.is_none(),
            Some(Mode::Standard) => class.and_then(|class| class.text()) == Some("keda"),
            Some(Mode::Other) => false,
        };
        if !goes || !component.workload.has_gpu() {
            continue;
        }
        let title = component.document.title();
        let message =
            format!("after a pause `{title}` answers only when its model is loaded again");
        findings.add(&TO_ZERO, field, message).help("minReplicas: 1");
    }
}

fn ignored(set: &Set<'_>, findings: &mut Findings<'_>) {
    for document in set.of_kind("serving.kserve.io", "InferenceService") {
        let components = Component::of(document);
        let mode = components.first().and_then(|one| one.mode);
        let own = document.field().at("metadata.annotations");
        let parts = components.iter().filter_map(|one| one.field("annotations"));
        let all = own.into_iter().chain(parts).flat_map(|annotations| {
            let keys = annotations.entries().map(|(key, _)| key);
            keys.filter_map(move |key| Some((key, annotations.key_of(key)?)))
        });
        for (key, at) in all {
            let (why, help) = match key.strip_prefix("serving.kserve.io/") {
                Some("autoscalerClass") if mode == Some(Mode::Knative) => (
                    "does not count in the mode Knative",
                    "autoscaling.knative.dev/class: kpa.autoscaling.knative.dev",
                ),
                Some("metric" | "metrics" | "targetUtilizationPercentage") => {
                    ("is no longer read by KServe", "scaleMetric: cpu\nscaleTarget: 80")
                }
                None if mode == Some(Mode::Standard) && is_scaling(key) => (
                    "does not count in the mode Standard",
                    "minReplicas, maxReplicas, scaleMetric and scaleTarget of the component",
                ),
                _ => continue,
            };
            let message = format!("`{}` {why}", shortened(key));
            findings.add(&IGNORED, at, message).help(help);
        }
    }
}

/// An annotation of a document.
fn annotation<'n>(document: &'n Document, key: &str) -> Option<Field<'n>> {
    document.field().at("metadata.annotations")?.get(key)
}

/// Whether an annotation is one of Knative's autoscaler.
fn is_scaling(key: &str) -> bool {
    key.starts_with("autoscaling.knative.dev/")
}

fn metric(set: &Set<'_>, findings: &mut Findings<'_>) {
    for component in Component::among(set) {
        let Some(field) = component.field("scaleMetric") else { continue };
        let Some(metric) = field.text() else { continue };
        let class = annotation(component.document, "serving.kserve.io/autoscalerClass");
        let class = class.and_then(|class| class.text()).unwrap_or("hpa");
        let scaler = match component.mode {
            Some(Mode::Standard) => class,
            Some(Mode::Knative) if component.is_knative_hpa() => "hpa",
            Some(Mode::Knative) => "kpa",
            _ => continue,
        };
        let (message, help) = match (scaler, metric) {
            ("hpa", "concurrency" | "rps") => {
                (format!("an HPA knows no `{metric}`"), "scaleMetric: cpu")
            }
            ("kpa", "cpu" | "memory") => {
                (format!("Knative's autoscaler knows no `{metric}`"), "scaleMetric: concurrency")
            }
            ("keda", _) => (
                String::from("with the class keda there is no `scaleMetric`"),
                "autoScaling:\n  metrics:\n  - type: External\n    external:\n      metric:\n        \
                 backend: prometheus\n        serverAddress: http://prometheus:9090\n        query: \
                 sum(vllm:num_requests_waiting)\n      target: {type: Value, value: \"8\"}",
            ),
            _ => continue,
        };
        findings.add(&METRIC, field, message).help(help);
    }
}
