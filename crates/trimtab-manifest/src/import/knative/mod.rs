//! Knative's Service, Configuration and Revision, to `strategy: knative` or `hpa`.

mod knobs;

use trimtab_engine::{
    BehaviorSpec, Finite, KnativeAggregation, KnativeSpec, MetricIdentifier, MetricSpec,
    PodsMetricSource, ResourceMetricSource, ScalingRulesSpec, StrategyName,
};
use trimtab_metric::Quantity;

use self::knobs::config_keys;
pub(super) use self::knobs::{Knobs, PREFIX, PROGRESS_DEADLINE, annotations_of};
use super::block::{Block, Field};
use super::draft::{Draft, target_of};
use super::hpa::utilization;
use super::{Import, Note, NoteKind, PeerKind, hpa, kept, text};
use crate::node::{Node, shortened};

const KPA_CLASS: &str = "kpa.autoscaling.knative.dev";
pub(super) const HPA_CLASS: &str = "hpa.autoscaling.knative.dev";

/// What a `config-autoscaler` of the same source sets for all.
pub(super) type Defaults<'n> = Knobs<'n>;

/// Whether a ConfigMap is the one that the autoscaler reads.
pub(super) fn is_config(root: &Node) -> bool {
    let name = root.get("metadata").and_then(|metadata| metadata.get("name"));
    name.map(Field::root).and_then(|name| name.text()) == Some("config-autoscaler")
}

impl Import<'_> {
    /// The defaults that a `config-autoscaler` among the documents gives.
    pub(super) fn knative_defaults<'n>(&mut self, documents: &[&'n Node]) -> Defaults<'n> {
        let mut defaults = Defaults::default();
        let text = |root: &Node, key: &str| {
            root.get(key).map(Field::root).and_then(|field| field.text()).map(str::to_owned)
        };
        for root in documents {
            let is_config_map = text(root, "kind").as_deref() == Some("ConfigMap");
            let (true, true, Some(entry)) = (is_config_map, is_config(root), root.entry("data"))
            else {
                continue;
            };
            let field = Field::root(root).child(entry);
            let Some(data) = Block::new(field, &mut self.problems) else { continue };
            for (key, field) in data.all() {
                let known = config_keys().any(|known| known == key) || key == "_example";
                if known {
                    field.decode::<String>(&mut self.problems);
                } else {
                    self.notes.push(Note {
                        kind: NoteKind::NoCounterpart,
                        message: format!("config-autoscaler, {key}: {}", field.written()),
                        policy_field: None,
                        position: self.source.position(0),
                        span: field.span,
                        field: Some(field.path),
                    });
                }
            }
            defaults = Knobs::defaults(&data);
        }
        defaults
    }
}

pub(super) fn import<'n>(import: &mut Import<'_>, root: &'n Node, defaults: &Defaults<'n>) {
    let root = Field::root(root);
    let Some((metadata, mut spec)) = import.open(root.node) else { return };
    let kind = root.node.get("kind").map(Field::root).and_then(|kind| kind.text());
    let kind = kind.unwrap_or_default();
    let mut draft = Draft::default();
    let mut knobs = defaults.clone();
    let own = annotations_of(&root, &mut draft);
    let concurrency = if kind == "Revision" {
        if let Some(mut annotations) = own {
            knobs.annotate(&mut annotations, &mut draft);
        }
        container_concurrency(&mut spec, &mut draft)
    } else {
        misplaced(own, &mut draft);
        let Some(mut template) = spec.block("template", &mut draft.problems) else {
            draft.problems.push(spec.missing("template"));
            import.problems.append(&mut draft.problems);
            return;
        };
        if let Some(mut annotations) = annotations_of(&template.field, &mut draft) {
            knobs.annotate(&mut annotations, &mut draft);
        }
        template
            .block("spec", &mut draft.problems)
            .and_then(|mut spec| container_concurrency(&mut spec, &mut draft))
    };
    draft.scales("serving.knative.dev/v1", kind, &metadata.name);
    let revision = if kind == "Revision" { "" } else { "-00001" };
    draft.explain(
        "spec.scaleTargetRef",
        format!(
            "Knative scales the Deployment of the revision, {}{revision}-deployment or a later one",
            metadata.name
        ),
    );
    settle(&knobs, concurrency, &mut draft);
    let metadata = kept(metadata, &[PREFIX, PROGRESS_DEADLINE, "serving.knative.dev/"]);
    draft.finish(import, PeerKind::Knative, metadata, &root);
}

/// Annotations of a Service that belong to its template, which Knative refuses.
fn misplaced<'n>(annotations: Option<Block<'n>>, draft: &mut Draft<'n>) {
    for (key, field) in annotations.iter().flat_map(Block::all) {
        if key.starts_with(PREFIX) {
            let message = format!("`{}` does not count here", shortened(key));
            let help = "annotations of scaling stand in `spec.template.metadata.annotations`";
            draft.problems.push(field.refused(message, help));
        }
    }
}

/// How many requests a container takes at most, if there is a limit.
pub(super) fn container_concurrency<'n>(
    spec: &mut Block<'n>,
    draft: &mut Draft<'n>,
) -> Option<(i64, Field<'n>)> {
    let (concurrency, field) = spec.get::<i64>("containerConcurrency", &mut draft.problems)?;
    if concurrency < 0 {
        let what = format!("is {concurrency}");
        draft.problems.push(field.invalid(&what, "it has to be 0, for no limit, or more"));
    }
    (concurrency > 0).then_some((concurrency, field))
}

/// Makes a policy of the settings.
pub(super) fn settle<'n>(
    knobs: &Knobs<'n>,
    concurrency: Option<(i64, Field<'n>)>,
    draft: &mut Draft<'n>,
) {
    match knobs.text("class") {
        None | Some(KPA_CLASS) => kpa(knobs, concurrency, draft),
        Some(HPA_CLASS) => class_hpa(knobs, concurrency, draft),
        Some(class) => {
            let Some(field) = knobs.field("class") else { return };
            let message =
                format!("the autoscaler class `{}` is not Knative's own", shortened(class));
            let help = format!("known are `{KPA_CLASS}` and `{HPA_CLASS}`");
            draft.problems.push(field.refused(message, help));
        }
    }
}

fn kpa<'n>(knobs: &Knobs<'n>, concurrency: Option<(i64, Field<'n>)>, draft: &mut Draft<'n>) {
    draft.spec.strategy = StrategyName::Knative;
    draft.spec.min_replicas = knobs.whole("min-scale", "spec.minReplicas", draft);
    draft.spec.max_replicas =
        knobs.whole("max-scale", "spec.maxReplicas", draft).unwrap_or_default();
    let is_rps = metric_is_rps(knobs, draft);
    total(knobs, concurrency, is_rps, draft);
    let spec = settings(knobs, is_rps, draft);
    orders(knobs, &spec, draft);
    if spec.scale_down_delay_seconds.is_some_and(|delay| delay > 0) {
        let message = "Knative keeps the scale-down delay of a revision until its autoscaler \
                       restarts: changing it on a running one has no effect; and it counts in \
                       steps of 2 s";
        draft.defect("spec.knative.scaleDownDelaySeconds", message);
    }
    draft.spec.knative = Some(spec).filter(|spec| *spec != KnativeSpec::default()).map(Box::new);
}

/// What the KPA is told besides its metric and bounds.
fn settings<'n>(knobs: &Knobs<'n>, is_rps: bool, draft: &mut Draft<'n>) -> KnativeSpec {
    let finite = |value: Option<f64>| value.and_then(Finite::new);
    let number = |name, field: &str, draft: &mut Draft<'n>| {
        finite(knobs.number(name, &format!("spec.knative.{field}"), draft))
    };
    let panic_window_percentage = number("panic-window-percentage", "panicWindowPercentage", draft);
    let panic_threshold_percentage =
        number("panic-threshold-percentage", "panicThresholdPercentage", draft);
    let max_scale_up_rate = number("max-scale-up-rate", "maxScaleUpRate", draft);
    let max_scale_down_rate = number("max-scale-down-rate", "maxScaleDownRate", draft);
    let target_burst_capacity = number("target-burst-capacity", "targetBurstCapacity", draft);
    let seconds = |name, field: &str, draft: &mut Draft<'n>| {
        knobs.seconds(name, &format!("spec.knative.{field}"), draft)
    };
    let whole = |name, field: &str, draft: &mut Draft<'n>| {
        knobs.whole(name, &format!("spec.knative.{field}"), draft)
    };
    KnativeSpec {
        target_utilization_percentage: utilization_percentage(knobs, is_rps, draft),
        stable_window_seconds: seconds("window", "stableWindowSeconds", draft),
        panic_window_percentage,
        panic_threshold_percentage,
        max_scale_up_rate,
        max_scale_down_rate,
        target_burst_capacity,
        activation_scale: whole("activation-scale", "activationScale", draft),
        initial_scale: whole("initial-scale", "initialScale", draft),
        scale_down_delay_seconds: seconds("scale-down-delay", "scaleDownDelaySeconds", draft),
        enable_scale_to_zero: knobs.read(
            "enable-scale-to-zero",
            "spec.knative.enableScaleToZero",
            "it has to be `true` or `false`",
            draft,
            text::truth,
        ),
        scale_to_zero_grace_period_seconds: seconds(
            "scale-to-zero-grace-period",
            "scaleToZeroGracePeriodSeconds",
            draft,
        ),
        scale_to_zero_pod_retention_period_seconds: seconds(
            "scale-to-zero-pod-retention-period",
            "scaleToZeroPodRetentionPeriodSeconds",
            draft,
        ),
        progress_deadline_seconds: seconds("progress-deadline", "progressDeadlineSeconds", draft),
        aggregation: knobs.read(
            "metric-aggregation-algorithm",
            "spec.knative.aggregation",
            "it has to be `linear` or `weighted-exponential`",
            draft,
            |text| match text {
                "linear" => Some(KnativeAggregation::Linear),
                "weighted-exponential" | "weightedExponential" => {
                    Some(KnativeAggregation::WeightedExponential)
                }
                _ => None,
            },
        ),
        ..KnativeSpec::default()
    }
}

/// `concurrency` or `rps`: the only ones that the KPA has.
fn metric_is_rps<'n>(knobs: &Knobs<'n>, draft: &mut Draft<'n>) -> bool {
    let right = "the KPA scales by `concurrency` or `rps`; others need the class \
                 hpa.autoscaling.knative.dev";
    let read = |text: &str| match text {
        "concurrency" => Some(false),
        "rps" => Some(true),
        _ => None,
    };
    let path = "spec.metrics[0].external.metric.name";
    knobs.read("metric", path, right, draft, read).unwrap_or(false)
}

/// What a replica may have in all: the target, at most the container's limit.
fn total<'n>(
    knobs: &Knobs<'n>,
    concurrency: Option<(i64, Field<'n>)>,
    is_rps: bool,
    draft: &mut Draft<'n>,
) {
    let path = "spec.metrics[0].external.target.averageValue";
    let default = if is_rps {
        "requests-per-second-target-default"
    } else {
        "container-concurrency-target-default"
    };
    let target = knobs.number("target", path, draft);
    let concurrency = concurrency.filter(|_| !is_rps);
    let amount = match (target, concurrency) {
        (Some(target), Some((limit, field))) if target > float(limit) => {
            draft.origin(path, field);
            draft.assumed(
                path,
                format!("the target of {target} is more than containerConcurrency, which counts"),
            );
            Some(float(limit))
        }
        (Some(target), _) => Some(target),
        (None, Some((limit, field))) => {
            draft.origin(path, field);
            Some(float(limit))
        }
        (None, None) => knobs.number(default, path, draft),
    };
    if amount.is_none() && !is_rps {
        // A policy has the same default.
        return;
    }
    if amount.is_none() && draft.problems.is_empty() {
        draft.assumed(path, "200 is Knative's default for rps");
    }
    let amount = amount.unwrap_or(200.0);
    match amount.to_string().parse::<Quantity>() {
        Ok(quantity) => {
            let name = if is_rps { "rps" } else { "concurrency" };
            draft.external(name, target_of("AverageValue", quantity));
        }
        Err(error) => {
            if let Some(field) = knobs.field("target").or_else(|| knobs.field(default)) {
                let problem = field.invalid("is no amount", &error.to_string());
                draft.problems.push(problem);
            }
        }
    }
}

/// Concurrency limits are counts, far below where floats skip whole numbers.
#[expect(clippy::cast_precision_loss, reason = "a limit beyond 2^53 is none")]
fn float(value: i64) -> f64 {
    value as f64
}

/// The ConfigMap's share is for concurrency alone, and may be written as a fraction.
fn utilization_percentage<'n>(
    knobs: &Knobs<'n>,
    is_rps: bool,
    draft: &mut Draft<'n>,
) -> Option<Finite> {
    let path = "spec.knative.targetUtilizationPercentage";
    if knobs.has("target-utilization-percentage") {
        return knobs.number("target-utilization-percentage", path, draft).and_then(Finite::new);
    }
    if is_rps {
        return None;
    }
    let share = knobs.number("container-concurrency-target-percentage", path, draft)?;
    Finite::new(if share > 0.0 && share <= 1.0 { share * 100.0 } else { share })
}

/// What Knative's own validation asks of several settings together.
fn orders<'n>(knobs: &Knobs<'n>, spec: &KnativeSpec, draft: &mut Draft<'n>) {
    let mut refuse = |name: &str, what: String, right: &str| {
        if let Some(field) = knobs.field(name) {
            draft.problems.push(field.invalid(&what, right));
        }
    };
    let least = draft.spec.min_replicas.unwrap_or(0);
    match spec.activation_scale {
        Some(scale) if scale < 2 => {
            refuse("activation-scale", format!("is {scale}"), "it has to be at least 2");
        }
        Some(scale) if scale < least => {
            let right = format!("it has to be at least min-scale, {least}");
            refuse("activation-scale", format!("is {scale}"), &right);
        }
        _ => {}
    }
    let allowed = knobs.text("allow-zero-initial-scale").and_then(text::truth).unwrap_or(false);
    if spec.initial_scale == Some(0) && !allowed {
        let message = "the cluster allows it by `allow-zero-initial-scale`, without which it \
                       refuses an initial scale of 0";
        draft.assumed("spec.knative.initialScale", message);
    }
}

/// The settings that the HPA class of Knative does not look at.
const KPA_ONLY: [&str; 9] = [
    "target-utilization-percentage",
    "initial-scale",
    "activation-scale",
    "scale-down-delay",
    "panic-window-percentage",
    "panic-threshold-percentage",
    "target-burst-capacity",
    "scale-to-zero-pod-retention-period",
    "metric-aggregation-algorithm",
];

/// The HPA that Knative makes for the class `hpa.autoscaling.knative.dev`.
fn class_hpa<'n>(knobs: &Knobs<'n>, concurrency: Option<(i64, Field<'n>)>, draft: &mut Draft<'n>) {
    let least = knobs.whole("min-scale", "spec.minReplicas", draft);
    draft.spec.min_replicas = least.filter(|least| *least != 0);
    let most = knobs.whole("max-scale", "spec.maxReplicas", draft).unwrap_or(0);
    if most == 0 {
        draft.spec.max_replicas = i32::MAX;
        draft.assumed("spec.maxReplicas", "without max-scale Knative gives its HPA this");
    } else {
        draft.spec.max_replicas = most;
    }
    hpa_metric(knobs, draft);
    if let Some(seconds) = knobs.seconds("window", "spec.behavior", draft) {
        let window = || {
            let stabilization_window_seconds = Some(seconds);
            Some(ScalingRulesSpec { stabilization_window_seconds, ..ScalingRulesSpec::default() })
        };
        for direction in ["scaleUp", "scaleDown"] {
            if let Some(field) = knobs.field("window") {
                let path = format!("spec.behavior.{direction}.stabilizationWindowSeconds");
                draft.origin(&path, field.clone());
            }
        }
        draft.spec.behavior = Some(BehaviorSpec { scale_up: window(), scale_down: window() });
    }
    for field in KPA_ONLY.iter().filter_map(|name| knobs.field(name)) {
        if field.path.contains("annotations") {
            draft.no_counterpart(field, "spec", "Knative's HPA class does not look at it");
        }
    }
    if let Some((_, field)) = concurrency {
        draft.no_counterpart(&field, "spec", "Knative's HPA class does not look at it");
    }
    hpa::defects(draft);
}

fn hpa_metric<'n>(knobs: &Knobs<'n>, draft: &mut Draft<'n>) {
    let name = knobs.text("metric").unwrap_or("cpu");
    let Some(target) = knobs.number("target", "spec.metrics[0]", draft) else {
        if let Some(field) = knobs.field("metric").filter(|_| name != "cpu") {
            let message = "without a target Knative's HPA looks at CPU, not at this metric";
            draft.defect_of(field, "spec", message);
        }
        return;
    };
    let resource = |target| MetricSpec {
        type_: String::from("Resource"),
        resource: Some(ResourceMetricSource { name: name.to_owned(), target }),
        ..MetricSpec::default()
    };
    let metric = match name {
        "cpu" => resource(utilization(to_i32(target.ceil()))),
        "memory" => {
            let mebibytes = format!("{}Mi", to_i32(target));
            match mebibytes.parse::<Quantity>() {
                Ok(amount) => resource(target_of("AverageValue", amount)),
                Err(_) => return,
            }
        }
        _ => MetricSpec {
            type_: String::from("Pods"),
            pods: Some(PodsMetricSource {
                metric: MetricIdentifier { name: name.to_owned(), selector: None },
                target: target_of("AverageValue", Quantity::from_units(to_i32(target).into())),
            }),
            ..MetricSpec::default()
        },
    };
    draft.metric(metric);
}

/// Cut off, as Go does; what is beyond 32 bits is no target.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn to_i32(value: f64) -> i32 {
    value as i32
}
