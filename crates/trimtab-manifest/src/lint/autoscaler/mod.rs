//! Who decides on a number of replicas: of what, within which bounds, by which metrics. One view of all
//! the kinds that do.

mod descent;
mod facts;
mod hpa;
mod keda;
mod knative;
mod kserve;
mod ray;
mod signal;

use super::document::Document;
use super::field::Field;
use super::set::Set;

pub(super) use self::facts::{CRITICAL, LEAD_TIME, Told, is_gpu};
pub(super) use self::signal::{Aim, LONGEST, Role, Signal, Source};

/// One autoscaler.
#[derive(Debug)]
pub(super) struct Autoscaler<'n> {
    pub(super) form: Form,
    pub(super) document: &'n Document,
    /// Where its settings are: `spec`.
    pub(super) spec: Field<'n>,
    pub(super) target: Option<Target<'n>>,
    pub(super) min: Bound<'n>,
    pub(super) max: Bound<'n>,
    /// In the order in which they are written.
    pub(super) signals: Vec<Signal<'n>>,
    /// `behavior`, of those that have one.
    pub(super) behavior: Option<Field<'n>>,
}

/// Whose rules decide.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Hpa,
    ScaledObject,
    /// Its `spec.strategy` says by whose rules.
    ScalingPolicy,
    /// A service of Knative, by annotations.
    Knative,
    /// A component of an InferenceService.
    KServe,
    /// A deployment of a Ray Serve application.
    RayServe,
}

/// What is scaled.
#[derive(Debug)]
pub(super) struct Target<'n> {
    pub(super) group: &'n str,
    pub(super) kind: &'n str,
    pub(super) name: &'n str,
    /// Where it is named.
    pub(super) field: Field<'n>,
    /// Its manifest, if that is among the documents.
    pub(super) workload: Option<&'n Document>,
}

/// A bound on the replicas.
#[derive(Copy, Clone, Debug)]
pub(super) struct Bound<'n> {
    /// What counts, defaults included; none where it is not a number or there is no such bound.
    pub(super) value: Option<i64>,
    /// Where it is written.
    pub(super) field: Option<Field<'n>>,
}

impl<'n> Bound<'n> {
    /// A field inside, or what counts without it.
    fn of(spec: Field<'n>, key: &str, default: Option<i64>) -> Self {
        match spec.get(key) {
            Some(field) => Self { value: field.int(), field: Some(field) },
            None => Self { value: default, field: None },
        }
    }
}

impl<'n> Target<'n> {
    /// A `scaleTargetRef`; without a kind it is what `default` says.
    fn of(set: &Set<'n>, field: Field<'n>, default: Option<(&'n str, &'n str)>) -> Option<Self> {
        let (group, kind) = match (field.text_of("kind"), default) {
            (Some(kind), _) => {
                let version = field.text_of("apiVersion").unwrap_or("apps/v1");
                (version.split_once('/').map_or("", |(group, _)| group), kind)
            }
            (None, Some(default)) => default,
            (None, None) => return None,
        };
        let name = field.text_of("name").filter(|name| !name.is_empty())?;
        let workload = set.named_by(field.document, group, kind, name);
        let workload = workload.map(|workload| makes_pods(set, workload));
        let field = field.get("name").unwrap_or(field);
        Some(Self { group, kind, name, field, workload })
    }
}

/// What makes the pods of a workload: itself, or of a Rollout the Deployment that it takes over.
fn makes_pods<'n>(set: &Set<'n>, workload: &'n Document) -> &'n Document {
    let own = workload.spec().filter(|spec| spec.get("template").is_none());
    let reference = own.and_then(|spec| spec.get("workloadRef"));
    let taken = reference.filter(|_| workload.is("argoproj.io", "Rollout")).and_then(|reference| {
        let (group, _) = reference.text_of("apiVersion")?.split_once('/')?;
        set.named_by(workload, group, reference.text_of("kind")?, reference.text_of("name")?)
    });
    taken.unwrap_or(workload)
}

impl<'n> Autoscaler<'n> {
    /// All of a set.
    pub(super) fn among(set: &Set<'n>) -> Vec<Self> {
        set.documents().iter().flat_map(|document| Self::of(set, document)).collect()
    }

    fn of(set: &Set<'n>, document: &'n Document) -> Vec<Self> {
        let one = match (&*document.group, &*document.kind) {
            ("autoscaling", "HorizontalPodAutoscaler") => hpa::hpa(set, document),
            ("trimtab.dev", "ScalingPolicy") => hpa::scaling_policy(set, document),
            ("keda.sh", "ScaledObject") => keda::scaled_object(set, document),
            ("serving.knative.dev", "Service" | "Configuration") => knative::service(document),
            ("serving.kserve.io", "InferenceService") => return kserve::components(document),
            ("ray.io", "RayService") | ("", "") => return ray::deployments(document),
            _ => None,
        };
        one.into_iter().collect()
    }

    /// What its rules are called, of a `ScalingPolicy` those that its strategy follows.
    pub(super) fn strategy(&self) -> &'n str {
        match self.form {
            Form::Hpa => "hpa",
            Form::ScaledObject => "keda",
            Form::ScalingPolicy => self.spec.text_of("strategy").unwrap_or("hpa"),
            Form::Knative => "knative",
            Form::KServe => "kserve",
            Form::RayServe => "rayServe",
        }
    }

    /// Where its lower bound is, or would be.
    pub(super) fn at_min(&self) -> Field<'n> {
        self.min.field.unwrap_or(self.document.heading())
    }
}
