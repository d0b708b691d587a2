//! KServe's InferenceService, as KServe itself makes Knative services, HPAs or ScaledObjects of it.

use serde::Deserialize;
use trimtab_engine::{
    BehaviorSpec, MetricSpec, MetricTarget, ResourceMetricSource, ScalingRulesSpec, StrategyName,
};
use trimtab_metric::Quantity;

use super::block::{Block, Field};
use super::draft::{Draft, target_of};
use super::hpa::utilization;
use super::knative::{self, Defaults, HPA_CLASS, annotations_of};
use super::promql::metric_names;
use super::{Import, PeerKind, Skipped, kept};
use crate::node::{Node, shortened};
use crate::{Metadata, ProblemKind};

const DEPLOYMENT_MODE: &str = "serving.kserve.io/deploymentMode";
const AUTOSCALER_CLASS: &str = "serving.kserve.io/autoscalerClass";
/// CPU in percent of the request, where nothing is said.
const DEFAULT_UTILIZATION: i32 = 80;

/// Who scales a component.
#[derive(Copy, Clone, PartialEq)]
enum Mode {
    Knative,
    Hpa,
    Keda,
    /// Nobody of whom the manifest tells.
    Nobody,
}

pub(super) fn import<'n>(import: &mut Import<'_>, root: &'n Node, defaults: &Defaults<'n>) {
    let root = Field::root(root);
    let Some((metadata, mut spec)) = import.open(root.node) else { return };
    let mut parts = Vec::new();
    for key in ["predictor", "transformer", "explainer"] {
        if let Some(block) = spec.block(key, &mut import.problems) {
            parts.push((key, block));
        }
    }
    if let Some(field) = spec.field("canary") {
        let why = "a canary is scaled as the predictor that it copies";
        import.skipped.push(Skipped::new("`canary`", why, field.span));
    }
    spec.refuse_rest(&mut import.problems);
    if parts.is_empty() {
        import.problems.push(spec.missing("predictor"));
    }
    for (part, block) in parts {
        let component = Component { import: &mut *import, root: &root, metadata: &metadata, part };
        component.import(block, defaults);
    }
}

struct Component<'a, 's, 'n> {
    import: &'a mut Import<'s>,
    root: &'a Field<'n>,
    metadata: &'a Metadata,
    part: &'static str,
}

/// What is read of a component.
struct Extension<'n> {
    min_replicas: Option<(i32, Field<'n>)>,
    max_replicas: Option<(i32, Field<'n>)>,
    scale_target: Option<(i32, Field<'n>)>,
    scale_metric: Option<(String, Field<'n>)>,
    scale_metric_type: Option<Field<'n>>,
    auto_scaling: Option<Block<'n>>,
    concurrency: Option<(i64, Field<'n>)>,
}

impl<'n> Extension<'n> {
    fn read(block: &mut Block<'n>, draft: &mut Draft<'n>) -> Self {
        let problems = &mut draft.problems;
        let read = Self {
            min_replicas: block.get("minReplicas", problems),
            max_replicas: block.get("maxReplicas", problems),
            scale_target: block.get("scaleTarget", problems),
            scale_metric: block.get("scaleMetric", problems),
            scale_metric_type: block.field("scaleMetricType"),
            auto_scaling: block.block("autoScaling", problems),
            concurrency: knative::container_concurrency(block, draft),
        };
        // The rest is how pods are made. Only what looks like a setting of scaling is a mistake.
        for (key, field) in block.rest() {
            if let Some(known) = block.nearest(key).filter(|_| !OTHER_FIELDS.contains(&key)) {
                let message = format!("unknown field `{}`", shortened(key));
                let problem = field.problem(ProblemKind::UnknownField, message);
                draft.problems.push(problem.with_help(format!("did you mean `{known}`?")));
            }
        }
        read
    }
}

/// Fields of components whose names are near to those of scaling.
const OTHER_FIELDS: [&str; 4] = ["containers", "name", "labels", "timeout"];

impl<'n> Component<'_, '_, 'n> {
    fn import(mut self, mut block: Block<'n>, defaults: &Defaults<'n>) {
        let mut draft = Draft::default();
        let extension = Extension::read(&mut block, &mut draft);
        let own = annotations_of(self.root, &mut draft);
        let of_part = block.block("annotations", &mut draft.problems);
        let name = self.name(&mut block);
        let Some(mode) = self.mode(own.as_ref(), of_part.as_ref(), &extension, &mut draft) else {
            return self.import.problems.append(&mut draft.problems);
        };
        match mode {
            Mode::Nobody => {
                self.import.problems.append(&mut draft.problems);
                let what = format!("the {}", self.part);
                let why = "its autoscalerClass leaves scaling to others";
                return self.import.skipped.push(Skipped::new(what, why, block.field.span));
            }
            Mode::Knative => {
                let mut knobs = defaults.clone();
                for annotations in [own, of_part] {
                    if let Some(mut annotations) = annotations {
                        knobs.annotate(&mut annotations, &mut draft);
                    }
                }
                by_knative(&mut draft, knobs, extension, &name);
            }
            Mode::Hpa => by_hpa(&mut draft, extension, &name),
            Mode::Keda => by_keda(&mut draft, extension, &name),
        }
        let mut metadata =
            kept(self.metadata.clone(), &["autoscaling.knative.dev/", "serving.kserve.io/"]);
        metadata.name = name;
        let field = block.field;
        draft.finish(self.import, PeerKind::InferenceService, metadata, &field);
    }

    /// What KServe calls what it makes of the component.
    fn name(&self, block: &mut Block<'n>) -> String {
        let own = block.field("name").filter(|_| self.part == "predictor");
        match own.and_then(|field| field.text()).filter(|own| !own.is_empty()) {
            Some(own) => format!("{}-{own}-{}", self.metadata.name, self.part),
            None => format!("{}-{}", self.metadata.name, self.part),
        }
    }

    /// Who scales it, by its annotations; nothing if that is a problem.
    fn mode(
        &mut self,
        own: Option<&Block<'n>>,
        of_part: Option<&Block<'n>>,
        extension: &Extension<'n>,
        draft: &mut Draft<'n>,
    ) -> Option<Mode> {
        // Annotations of the component win over those of the service.
        let find = |wanted: &str| {
            [of_part, own].into_iter().flatten().find_map(|block| {
                block.all().find(|(key, _)| *key == wanted).map(|(_, field)| field)
            })
        };
        let class = find(AUTOSCALER_CLASS);
        let scaler = match class.as_ref().and_then(Field::text) {
            None | Some("hpa") => Mode::Hpa,
            Some("keda") => Mode::Keda,
            Some("external" | "none") => Mode::Nobody,
            Some(other) => {
                let what = format!("is `{}`", shortened(other));
                let right = "it has to be `hpa`, `keda`, `external` or `none`";
                draft.problems.extend(class.map(|field| field.invalid(&what, right)));
                return None;
            }
        };
        let mode = find(DEPLOYMENT_MODE);
        match mode.as_ref().and_then(Field::text) {
            Some("Knative" | "Serverless") => Some(Mode::Knative),
            Some("Standard" | "RawDeployment") => Some(scaler),
            None => {
                Some(self.likely(own, of_part, extension, class.is_some().then_some(scaler), draft))
            }
            Some(other) => {
                let message =
                    format!("the deployment mode `{}` has no autoscaler", shortened(other));
                let help = "known are `Standard` (`RawDeployment`) and `Knative` (`Serverless`)";
                draft.problems.extend(mode.map(|field| field.refused(message, help)));
                None
            }
        }
    }

    /// Without an annotation the cluster's default decides; what the manifest says shows which one
    /// it is written for.
    fn likely(
        &self,
        own: Option<&Block<'n>>,
        of_part: Option<&Block<'n>>,
        extension: &Extension<'n>,
        scaler: Option<Mode>,
        draft: &mut Draft<'n>,
    ) -> Mode {
        let annotated = [own, of_part]
            .into_iter()
            .flatten()
            .any(|block| block.all().any(|(key, _)| key.starts_with("autoscaling.knative.dev/")));
        let metric = extension.scale_metric.as_ref().map(|(metric, _)| metric.as_str());
        let by_requests = matches!(metric, Some("concurrency" | "rps"));
        let to_zero = extension.min_replicas.as_ref().is_some_and(|(least, _)| *least == 0);
        let is_knative = scaler.is_none()
            && (annotated || by_requests || to_zero || extension.concurrency.is_some());
        let (mode, why) = if is_knative {
            (Mode::Knative, "Knative, since it has settings that only Knative knows")
        } else {
            (scaler.unwrap_or(Mode::Hpa), "Standard, KServe's default")
        };
        let message =
            format!("there is no deploymentMode, so it is {why}; the cluster may have another");
        draft.assumed("spec", message);
        mode
    }
}

/// `spec.predictor` and so on in the mode that Knative serves.
fn by_knative<'n>(
    draft: &mut Draft<'n>,
    mut knobs: knative::Knobs<'n>,
    extension: Extension<'n>,
    name: &str,
) {
    draft.scales("serving.knative.dev/v1", "Service", name);
    if let Some((_, field)) = extension.scale_target {
        knobs.set("target", field);
    }
    if let Some((_, field)) = extension.scale_metric {
        knobs.set("metric", field);
    }
    let least = extension.min_replicas.is_some();
    if let Some((_, field)) = extension.min_replicas {
        knobs.set("min-scale", field);
    }
    if let Some((_, field)) = extension.max_replicas.filter(|(most, _)| *most != 0) {
        knobs.set("max-scale", field);
    }
    for field in extension
        .scale_metric_type
        .iter()
        .chain(extension.auto_scaling.iter().map(|block| &block.field))
    {
        draft.no_counterpart(field, "spec", "KServe does not look at it in this mode");
    }
    let is_hpa = knobs.is_class(HPA_CLASS);
    knative::settle(&knobs, extension.concurrency, draft);
    if !least {
        // KServe writes it in any case, over what annotations say.
        draft.spec.min_replicas = Some(1);
        draft.assumed("spec.minReplicas", "1 is KServe's default, whatever min-scale says");
    }
    if is_hpa {
        draft.spec.min_replicas = draft.spec.min_replicas.filter(|least| *least > 0);
    }
}

/// The bounds as KServe gives them to Deployments: the maximum is at least the minimum.
fn bounds<'n>(draft: &mut Draft<'n>, extension: &Extension<'n>, least_of_all: i32) {
    let least = extension.min_replicas.as_ref().map_or(1, |(least, _)| *least);
    if let Some((_, field)) = &extension.min_replicas {
        draft.origin("spec.minReplicas", field.clone());
    }
    if least < least_of_all {
        let message = "KServe raises it to 1 here: its HPA does not go to 0";
        draft.defect("spec.minReplicas", message);
    } else if extension.min_replicas.is_none() {
        draft.assumed("spec.minReplicas", "1 is KServe's default");
    }
    let least = least.max(least_of_all);
    draft.spec.min_replicas = Some(least);
    let most = extension.max_replicas.as_ref().map_or(0, |(most, _)| *most);
    if let Some((_, field)) = &extension.max_replicas {
        draft.origin("spec.maxReplicas", field.clone());
    }
    draft.spec.max_replicas = most.max(least).max(1);
    if most < least {
        let message = "without a maxReplicas of at least minReplicas KServe takes that, and nothing \
                       is ever scaled up";
        draft.defect("spec.maxReplicas", message);
    }
}

fn by_hpa<'n>(draft: &mut Draft<'n>, mut extension: Extension<'n>, name: &str) {
    draft.scales("apps/v1", "Deployment", name);
    bounds(draft, &extension, 1);
    // KServe writes an empty behavior, which is not the same as none.
    draft.spec.behavior = Some(BehaviorSpec::default());
    match extension.auto_scaling.take() {
        Some(mut block) => {
            for field in block.items("metrics", &mut draft.problems) {
                hpa_metric(draft, field);
            }
            if let Some(field) = block.field("behavior") {
                let message =
                    "KServe does not hand `autoScaling.behavior` to its HPA: the defaults count";
                draft.defect_of(&field, "spec.behavior", message);
            }
            block.refuse_rest(&mut draft.problems);
            for (_, field) in extension.scale_target.iter() {
                draft.no_counterpart(field, "spec.metrics", "`autoScaling` counts instead");
            }
        }
        None => scale_metric(draft, &extension),
    }
    if let Some(field) = &extension.scale_metric_type {
        draft.no_counterpart(field, "spec.metrics", "KServe takes a utilization in any case");
    }
    if let Some((_, field)) = &extension.concurrency {
        draft.no_counterpart(field, "spec.metrics", "the container's own limit");
    }
}

/// `scaleMetric` and `scaleTarget` for an HPA.
fn scale_metric<'n>(draft: &mut Draft<'n>, extension: &Extension<'n>) {
    let metric = extension.scale_metric.as_ref();
    let name = metric.map_or("cpu", |(metric, _)| metric.as_str());
    let target = extension.scale_target.as_ref();
    match (name, target) {
        ("cpu", None) if metric.is_none() => {}
        ("cpu" | "memory", Some((percent, field))) => {
            let path = draft.metric(resource(name, utilization(*percent)));
            draft.origin(&path, field.clone());
        }
        ("cpu", None) => {
            draft.metric(resource(name, utilization(DEFAULT_UTILIZATION)));
            draft.assumed("spec.metrics[0]", "80 is KServe's default");
        }
        ("memory", None) => {
            if let Some((_, field)) = metric {
                let message = "without a scaleTarget KServe's HPA looks at CPU, not at memory";
                draft.defect_of(field, "spec", message);
            }
        }
        _ => {
            if let Some((_, field)) = metric {
                let what = format!("is `{}`", shortened(name));
                let right = "in this mode it is `cpu` or `memory`; `concurrency` and `rps` need the \
                             mode `Knative`";
                draft.problems.push(field.invalid(&what, right));
            }
        }
    }
}

fn resource(name: &str, target: MetricTarget) -> MetricSpec {
    MetricSpec {
        type_: String::from("Resource"),
        resource: Some(ResourceMetricSource { name: name.to_owned(), target }),
        ..MetricSpec::default()
    }
}

/// A metric of `autoScaling.metrics`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metric {
    #[serde(rename = "type")]
    type_: String,
    resource: Option<Resource>,
    external: Option<External>,
    podmetric: Option<PodMetric>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    name: String,
    #[serde(default)]
    target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct External {
    metric: Query,
    #[serde(default)]
    target: Target,
    #[expect(dead_code, reason = "noted from the tree; here it only has to be known")]
    authentication_ref: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PodMetric {
    metric: Query,
    #[serde(default)]
    target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "noted from the tree; here they only have to be known")]
struct Query {
    backend: String,
    server_address: Option<String>,
    #[serde(default)]
    query: String,
    namespace: Option<String>,
    metric_names: Option<Vec<String>>,
    operation_over_time: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Target {
    #[serde(default, rename = "type")]
    type_: String,
    value: Option<Quantity>,
    average_value: Option<Quantity>,
    average_utilization: Option<i32>,
}

fn hpa_metric<'n>(draft: &mut Draft<'n>, field: Field<'n>) {
    let Some(metric) = field.decode::<Metric>(&mut draft.problems) else { return };
    let Some(given) = metric.resource.filter(|_| metric.type_ == "Resource") else {
        let what = format!("is a metric of type `{}`", shortened(&metric.type_));
        let right = "KServe's HPA takes `Resource` alone; others need the autoscalerClass `keda`";
        return draft.problems.push(field.invalid(&what, right));
    };
    let target = match (given.name.as_str(), given.target.type_.as_str()) {
        ("cpu", type_) => {
            if type_ == "AverageValue" {
                let message =
                    "KServe's HPA takes a utilization of CPU in any case, 80 where none is given";
                draft.defect_of(&field, "spec.metrics", message);
            }
            utilization(given.target.average_utilization.unwrap_or(DEFAULT_UTILIZATION))
        }
        ("memory", "AverageValue") => match given.target.average_value {
            Some(amount) => target_of("AverageValue", amount),
            None => MetricTarget::default(),
        },
        ("memory", "Utilization") => MetricTarget {
            type_: String::from("Utilization"),
            average_utilization: given.target.average_utilization,
            ..MetricTarget::default()
        },
        _ => {
            let right = "it is `cpu`, or `memory` with `Utilization` or `AverageValue`";
            let what = format!("is a resource `{}` of that target", shortened(&given.name));
            return draft.problems.push(field.invalid(&what, right));
        }
    };
    let path = draft.metric(resource(&given.name, target));
    draft.origin(&path, field);
}

fn by_keda<'n>(draft: &mut Draft<'n>, mut extension: Extension<'n>, name: &str) {
    draft.spec.strategy = StrategyName::Keda;
    draft.scales("apps/v1", "Deployment", name);
    bounds(draft, &extension, 0);
    if let Some((_, field)) = &extension.scale_metric {
        let right = "with the autoscalerClass `keda` metrics stand in `autoScaling.metrics`";
        draft.problems.push(field.invalid("is not for KEDA", right));
    }
    for (_, field) in extension.scale_target.iter() {
        draft.no_counterpart(field, "spec", "KServe does not hand it to KEDA");
    }
    let Some(mut block) = extension.auto_scaling.take() else {
        let message = "with the autoscalerClass `keda` and no `autoScaling.metrics` there is nothing to \
                       scale by";
        let problem = draft.problem_at("spec.minReplicas", message);
        return draft.problems.push(problem);
    };
    for field in block.items("metrics", &mut draft.problems) {
        keda_metric(draft, field);
    }
    if let Some(field) = block.field("behavior")
        && let Some(behavior) = field.decode::<BehaviorSpec>(&mut draft.problems)
    {
        draft.origin("spec.behavior", field.clone());
        keda_behavior(draft, behavior);
    }
    block.refuse_rest(&mut draft.problems);
    if draft.spec.metrics.is_none() && draft.problems.is_empty() {
        let problem = block.missing("metrics");
        draft.problems.push(problem);
    }
}

/// Of a behavior KServe hands only the windows to KEDA.
fn keda_behavior(draft: &mut Draft<'_>, behavior: BehaviorSpec) {
    let mut dropped = false;
    let mut window = |rules: Option<ScalingRulesSpec>| {
        let rules = rules?;
        let only = ScalingRulesSpec {
            stabilization_window_seconds: rules.stabilization_window_seconds,
            ..ScalingRulesSpec::default()
        };
        dropped |= only != rules;
        only.stabilization_window_seconds.is_some().then_some(only)
    };
    let kept = BehaviorSpec {
        scale_up: window(behavior.scale_up),
        scale_down: window(behavior.scale_down),
    };
    if dropped {
        let message = "KServe hands only the stabilization windows to KEDA: rate limits, selectPolicy and \
                       tolerance do not count";
        draft.defect("spec.behavior", message);
    }
    draft.spec.behavior = Some(kept).filter(|kept| *kept != BehaviorSpec::default());
}

fn keda_metric<'n>(draft: &mut Draft<'n>, field: Field<'n>) {
    let Some(metric) = field.decode::<Metric>(&mut draft.problems) else { return };
    let index = draft.spec.metrics.as_ref().map_or(0, Vec::len);
    let (query, target) = match (
        metric.type_.as_str(),
        metric.resource,
        metric.external,
        metric.podmetric,
    ) {
        ("Resource", Some(given), None, None) => {
            let target = match given.target.type_.as_str() {
                "Utilization" => {
                    let default = (given.name == "cpu").then_some(DEFAULT_UTILIZATION);
                    given.target.average_utilization.or(default).map(utilization)
                }
                "AverageValue" => {
                    given.target.average_value.map(|amount| target_of("AverageValue", amount))
                }
                _ => None,
            };
            let Some(target) = target else {
                let right = "it is a `Utilization` with `averageUtilization`, or for memory an \
                             `AverageValue` with `averageValue`";
                return draft
                    .problems
                    .push(field.invalid("has no target that KServe takes", right));
            };
            let path = draft.metric(resource(&given.name, target));
            return draft.origin(&path, field);
        }
        ("External", None, Some(given), None) => (given.metric, given.target),
        ("PodMetric", None, None, Some(given)) => (given.metric, given.target),
        _ => {
            let right = "its type is `Resource`, `External` or `PodMetric`, and the field of that name \
                         (`resource`, `external`, `podmetric`) describes it";
            return draft.problems.push(field.invalid("is no metric of KServe", right));
        }
    };
    let Some(amount) = target.value else {
        let right = "`target.value` is the only target that KServe hands to KEDA";
        return draft.problems.push(field.invalid("has no threshold", right));
    };
    let name = match metric_names(&query.query).as_slice() {
        [name] => name.replace(['/', '%'], "-"),
        _ => format!("s{index}-{}", query.backend.replace(['/', '%'], "-")),
    };
    // KServe sets no metricType, so KEDA takes it as an average whatever its type says.
    let path = draft.external(&name, target_of("AverageValue", amount));
    if let Some(entry) = field
        .node
        .entries()
        .unwrap_or_default()
        .iter()
        .find(|entry| entry.key == "external" || entry.key == "podmetric")
    {
        let source = field.child(entry);
        if let Some(metric) = source.node.entry("metric")
            && let Some(block) = Block::new(source.child(metric), &mut draft.problems)
        {
            for (_, setting) in block.all() {
                draft.no_counterpart(&setting, &path, "");
            }
        }
        if let Some(entry) = source.node.entry("authenticationRef") {
            draft.no_counterpart(&source.child(entry), &path, "how KEDA signs in there");
        }
    }
    if target.type_ == "Value" {
        let message =
            "KServe does not hand the target's type to KEDA, which takes it for an average";
        draft.defect_of(&field, &path, message);
    }
    draft.origin(&path, field);
}
