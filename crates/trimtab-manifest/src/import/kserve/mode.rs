//! Who scales a component: what annotations say, and what a manifest without them is written for.

use super::{Component, Extension};
use crate::import::block::{Block, Field};
use crate::import::draft::Draft;
use crate::node::shortened;

const DEPLOYMENT_MODE: &str = "serving.kserve.io/deploymentMode";
const AUTOSCALER_CLASS: &str = "serving.kserve.io/autoscalerClass";
const STOP: &str = "serving.kserve.io/stop";

/// Who scales a component.
#[derive(Copy, Clone, PartialEq)]
pub(super) enum Mode {
    Knative,
    Hpa,
    Keda,
    /// Nobody of whom the manifest tells, and why.
    Nobody(&'static str),
}

impl<'n> Component<'_, '_, 'n> {
    /// Who scales it, by its annotations; nothing if that is a problem.
    pub(super) fn mode(
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
        if find(STOP).as_ref().and_then(Field::text) == Some("true") {
            return Some(Mode::Nobody("it is stopped, and KServe deletes its autoscaler"));
        }
        let class = find(AUTOSCALER_CLASS);
        let scaler = match class.as_ref().and_then(Field::text) {
            None | Some("hpa") => Mode::Hpa,
            Some("keda") => Mode::Keda,
            Some("external" | "none") => {
                Mode::Nobody("its autoscalerClass leaves scaling to others")
            }
            Some(other) => {
                let what = format!("is `{}`", shortened(other));
                let right = "it has to be `hpa`, `keda`, `external` or `none`";
                draft.problems.extend(class.map(|field| field.invalid(&what, right)));
                return None;
            }
        };
        // KServe looks for this one on the service alone.
        let mode = own.and_then(|block| block.all().find(|(key, _)| *key == DEPLOYMENT_MODE));
        let mode = mode.map(|(_, field)| field);
        match mode.as_ref().and_then(Field::text) {
            Some("Knative" | "Serverless") => {
                if let Some(field) = class {
                    draft.no_counterpart(&field, "spec", "it does not count in this mode");
                }
                Some(Mode::Knative)
            }
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
