//! KServe's InferenceService, as KServe itself makes Knative services, HPAs or ScaledObjects of it.

mod hpa;
mod keda;
mod knative;
mod metrics;
mod mode;

use self::hpa::by_hpa;
use self::keda::by_keda;
use self::knative::by_knative;
use self::mode::Mode;
use super::block::{Block, Field};
use super::draft::Draft;
use super::knative::{Defaults, annotations_of, container_concurrency};
use super::{Import, PeerKind, Skipped, kept};
use crate::node::{Node, shortened};
use crate::{Metadata, ProblemKind};

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

impl<'n> Component<'_, '_, 'n> {
    fn import(mut self, mut block: Block<'n>, defaults: &Defaults<'n>) {
        let mut draft = Draft::default();
        let extension = Extension::read(&mut block, &mut draft);
        let own = annotations_of(self.root, &mut draft);
        let of_part = block.block("annotations", &mut draft.problems);
        let name = self.name(&mut block);
        let several_nodes = block.field("workerSpec").is_some();
        let mode = if several_nodes {
            Some(Mode::Nobody("KServe does not scale what runs on several nodes (workerSpec)"))
        } else {
            self.mode(own.as_ref(), of_part.as_ref(), &extension, &mut draft)
        };
        let Some(mode) = mode else {
            return self.import.problems.append(&mut draft.problems);
        };
        if matches!(mode, Mode::Hpa | Mode::Keda) {
            for annotations in [own.as_ref(), of_part.as_ref()].into_iter().flatten() {
                note_annotations(annotations, &mut draft);
            }
        }
        match mode {
            Mode::Nobody(why) => {
                self.import.problems.append(&mut draft.problems);
                let what = format!("the {}", self.part);
                return self.import.skipped.push(Skipped::new(what, why, block.field.span));
            }
            Mode::Knative => {
                let mut knobs = defaults.clone();
                for mut annotations in [own, of_part].into_iter().flatten() {
                    knobs.annotate(&mut annotations, &mut draft);
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
}

/// Annotations that say nothing to KServe's own autoscalers, and those that once did.
fn note_annotations<'n>(annotations: &Block<'n>, draft: &mut Draft<'n>) {
    for (key, field) in annotations.all() {
        match key.strip_prefix("serving.kserve.io/") {
            Some("metric" | "metrics" | "targetUtilizationPercentage") => {
                let message = "KServe no longer reads this annotation: `scaleMetric` and `scaleTarget` \
                               of the component count";
                draft.defect_of(&field, "spec", message);
            }
            None if key.starts_with("autoscaling.knative.dev/") => {
                draft.no_counterpart(&field, "spec", "it does not count in this mode");
            }
            _ => {}
        }
    }
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
            concurrency: container_concurrency(block, draft),
        };
        if let Some(field) = block.field("canaryTrafficPercent") {
            draft.no_counterpart(
                &field,
                "spec",
                "how much of the load reaches the newest revision",
            );
        }
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
    if let Some((_, field)) = extension.max_replicas.as_ref().filter(|_| most != 0 && most < least)
    {
        let right = format!("it has to be at least minReplicas, {least}");
        draft.problems.push(field.invalid(&format!("is {most}"), &right));
    } else if most < least {
        let message =
            "without a maxReplicas KServe takes minReplicas, and nothing is ever scaled up";
        draft.defect("spec.maxReplicas", message);
    }
}
