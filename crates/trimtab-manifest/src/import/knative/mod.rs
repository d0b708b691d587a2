//! Knative's Service, Configuration and Revision, to `strategy: knative` or `hpa`.

mod class_hpa;
mod knobs;
mod kpa;

use self::class_hpa::class_hpa;
use self::knobs::config_keys;
pub(super) use self::knobs::{Knobs, PREFIX, PROGRESS_DEADLINE, annotations_of};
use self::kpa::kpa;
use super::block::{Block, Field};
use super::draft::Draft;
use super::{Import, Note, NoteKind, PeerKind, kept};
use crate::node::{Node, shortened};

const KPA_CLASS: &str = "kpa.autoscaling.knative.dev";
pub(super) const HPA_CLASS: &str = "hpa.autoscaling.knative.dev";

/// What a `config-autoscaler` of the same source sets for all.
pub(super) type Defaults<'n> = Knobs<'n>;

/// Whether a ConfigMap is one that Knative takes defaults of scaling from.
pub(super) fn is_config(root: &Node) -> bool {
    matches!(config_name(root), Some(AUTOSCALER_CONFIG | DEPLOYMENT_CONFIG))
}

const AUTOSCALER_CONFIG: &str = "config-autoscaler";
/// Of this one only the progress deadline is about scaling.
const DEPLOYMENT_CONFIG: &str = "config-deployment";

fn config_name(root: &Node) -> Option<&str> {
    let text = |node: &'_ Node| Field::root(node).text().map(str::to_owned);
    let is_config_map = root.get("kind").and_then(text).as_deref() == Some("ConfigMap");
    let name = root.get("metadata")?.get("name")?;
    Field::root(name).text().filter(|_| is_config_map)
}

impl Import<'_> {
    /// The defaults that Knative's ConfigMaps among the documents give.
    pub(super) fn knative_defaults<'n>(&mut self, documents: &[&'n Node]) -> Defaults<'n> {
        let mut defaults = Defaults::default();
        for root in documents.iter().filter(|root| is_config(root)) {
            let Some(entry) = root.entry("data") else { continue };
            let field = Field::root(root).child(entry);
            let Some(data) = Block::new(field, &mut self.problems) else { continue };
            if config_name(root) == Some(AUTOSCALER_CONFIG) {
                self.autoscaler_config(&data);
                defaults.take_config(&data);
            } else {
                defaults.take_progress_deadline(&data);
            }
        }
        defaults
    }

    /// Says what of a `config-autoscaler` is not read.
    fn autoscaler_config(&mut self, data: &Block<'_>) {
        for (key, field) in data.all() {
            if config_keys().any(|known| known == key) || key == "_example" {
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
        if let Some(field) = spec.field("traffic").filter(|_| kind == "Service") {
            draft.no_counterpart(&field, "spec", "the route; the policy is of one revision");
        }
        spec.refuse_rest(&mut draft.problems);
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
