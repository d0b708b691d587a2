//! A component in the mode `Knative`: the annotations that KServe writes on a Knative service.

use super::Extension;
use crate::import::draft::Draft;
use crate::import::knative::{self, HPA_CLASS};

/// `spec.predictor` and so on in the mode that Knative serves.
pub(super) fn by_knative<'n>(
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
