//! What manifests say about a service beside how it is scaled: whether it serves a model, how long a
//! start takes, how fast it has to answer, and whether much depends on it.

use super::{Autoscaler, Form, Role};
use crate::lint::document::Document;
use crate::lint::engine_metrics::is_of_engine;
use crate::lint::field::Field;
use crate::lint::set::Set;

/// Seconds from asking for a replica until it serves.
pub(in crate::lint) const LEAD_TIME: &str = "trimtab.dev/lead-time-seconds";
/// Seconds to the first token or to the answer.
pub(in crate::lint) const OBJECTIVE: &str = "trimtab.dev/objective-seconds";
/// `true`: it has to survive the loss of a replica.
pub(in crate::lint) const CRITICAL: &str = "trimtab.dev/critical";

/// The least that a model took to load from anywhere but memory, with its engine's warm-up.
const LEAST_MODEL_START_SECONDS: f64 = 60.0;

/// Something that manifests tell, and where.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Told<'n> {
    pub(in crate::lint) seconds: f64,
    /// None where it is a default or an assumption.
    pub(in crate::lint) field: Option<Field<'n>>,
}

impl<'n> Autoscaler<'n> {
    /// The manifest of what is scaled.
    pub(in crate::lint) fn workload(&self) -> Option<&'n Document> {
        self.target.as_ref().and_then(|target| target.workload)
    }

    /// The documents that can carry a label or an annotation about the service.
    fn annotated(&self) -> impl Iterator<Item = &'n Document> {
        [Some(self.document), self.workload()].into_iter().flatten()
    }

    /// An annotation or a label of the autoscaler, the workload, or the pods.
    pub(in crate::lint) fn annotation(&self, key: &str) -> Option<Field<'n>> {
        self.annotated().find_map(|document| {
            let root = document.field();
            let pods = document.pod_template();
            let metadata = [root.get("metadata"), pods.and_then(|pods| pods.get("metadata"))];
            metadata.into_iter().flatten().find_map(|metadata| {
                ["annotations", "labels"].into_iter().find_map(|of| metadata.get(of)?.get(key))
            })
        })
    }

    /// Seconds in an annotation.
    fn seconds(&self, key: &str) -> Option<Told<'n>> {
        let field = self.annotation(key)?;
        let seconds = field.number().filter(|seconds| *seconds >= 0.0)?;
        Some(Told { seconds, field: Some(field) })
    }

    /// Whether it scales servers of models: its pods ask for a GPU, or its metrics are such a server's.
    pub(in crate::lint) fn serves_model(&self) -> bool {
        let by_metric = self.signals.iter().any(|signal| {
            matches!(signal.role, Role::KvCache | Role::Gpu)
                || signal.metrics().iter().any(|name| is_of_engine(name))
        });
        by_metric || self.asks_for_gpu()
    }

    /// Whether its pods ask for a GPU, as far as their manifest is there.
    pub(in crate::lint) fn asks_for_gpu(&self) -> bool {
        let of_pods = |document: &'n Document| document.pod_template()?.get("spec");
        let worker = |document: &'n Document| {
            document.spec()?.at("leaderWorkerTemplate.workerTemplate.spec")
        };
        let own = (self.form == Form::Knative || self.form == Form::KServe)
            .then(|| {
                of_pods(self.document)
                    .or_else(|| self.spec.get("template")?.get("spec"))
                    .or(Some(self.spec))
            })
            .flatten();
        let pods = self.workload().and_then(of_pods).or(own);
        let workers = self.workload().and_then(worker);
        [pods, workers].into_iter().flatten().any(|pods| containers(pods).any(asks_for_gpu))
    }

    /// How long a start takes, where that is told.
    pub(in crate::lint) fn lead_time(&self) -> Option<Told<'n>> {
        self.seconds(LEAD_TIME).or_else(|| {
            if self.form != Form::ScalingPolicy {
                return None;
            }
            let field = self.spec.at("slo.leadTimeSeconds");
            let seconds = field.and_then(|field| field.number());
            match seconds {
                Some(seconds) => Some(Told { seconds, field }),
                None => (self.strategy() == "slo").then_some(Told { seconds: 180.0, field: None }),
            }
        })
    }

    /// How long a start takes at least.
    pub(in crate::lint) fn least_lead_time(&self) -> Option<Told<'n>> {
        let assumed = Told { seconds: LEAST_MODEL_START_SECONDS, field: None };
        self.lead_time().or_else(|| self.serves_model().then_some(assumed))
    }

    /// How fast an answer has to come, where that is told: by an objective, or the target of a latency.
    pub(in crate::lint) fn objective(&self) -> Option<Told<'n>> {
        let by_model = || {
            let field = self.spec.at("slo.serviceModel.objectives.ttftSeconds")?;
            Some(Told { seconds: field.number()?, field: Some(field) })
        };
        self.seconds(OBJECTIVE).or_else(by_model).or_else(|| {
            let latency = self.signals.iter().find(|signal| signal.role == Role::Latency)?;
            let (_, field) = latency.aim?;
            let amount = field.quantity()?.approx_f64();
            // In milliseconds, if the name says so or nobody would wait so long.
            let name = latency.metrics().first().copied().unwrap_or_default();
            let words: Vec<&str> = name.split(|char: char| !char.is_ascii_alphanumeric()).collect();
            let milli = words.iter().any(|word| matches!(*word, "ms" | "milliseconds" | "millis"));
            let seconds = if milli || amount >= 100.0 { amount / 1000.0 } else { amount };
            Some(Told { seconds, field: Some(field) })
        })
    }

    /// What says that much depends on the service: an annotation, its priority, or its disruption budget.
    pub(in crate::lint) fn critical(&self, set: &Set<'n>) -> Option<Field<'n>> {
        if let Some(field) = self.annotation(CRITICAL) {
            return field.text().is_some_and(|text| text == "true").then_some(field);
        }
        set.around().service(self.workload()?)?.critical()
    }
}

fn containers(pods: Field<'_>) -> impl Iterator<Item = Field<'_>> {
    pods.list("containers").chain(pods.get("model")).chain(pods.list("initContainers"))
}

fn asks_for_gpu(container: Field<'_>) -> bool {
    ["limits", "requests"].into_iter().any(|of| {
        let resources = container.get("resources").and_then(|resources| resources.get(of));
        resources.is_some_and(|resources| {
            resources.entries().any(|(name, amount)| is_gpu(name) && amount.text() != Some("0"))
        })
    })
}

/// Whether a resource is an accelerator.
pub(in crate::lint) fn is_gpu(resource: &str) -> bool {
    let Some((vendor, name)) = resource.split_once('/') else { return false };
    match vendor {
        // Beside the count HAMi has shares of memory and of cores, as `nvidia.com/gpumem`.
        "nvidia.com" => name == "gpu" || name.starts_with("gpu.") || name.starts_with("mig-"),
        "amd.com" | "metax-tech.com" | "mthreads.com" => name == "gpu",
        "gpu.intel.com" => name == "i915" || name == "xe",
        "habana.ai" => true,
        "huawei.com" => name.starts_with("Ascend"),
        "cambricon.com" => name == "mlu" || name.starts_with("mlu3"),
        "hygon.com" => name == "dcu",
        "qualcomm.com" => name == "qaic",
        "aws.amazon.com" => name.starts_with("neuron"),
        "google.com" => name == "tpu",
        _ => false,
    }
}
