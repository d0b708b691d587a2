//! One metric of a policy: where its values come from and what they should be.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::{MetricSpec, MetricTarget};

/// A metric of a policy, with its target resolved to the one field that the decision looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    name: String,
    source: MetricSource,
    target: Target,
}

/// Where a metric's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricSource {
    /// A resource that pods request, summed over a pod's containers.
    Resource {
        /// `cpu`, `memory`, …
        resource: String,
    },
    /// The same of one container.
    ContainerResource {
        /// `cpu`, `memory`, …
        resource: String,
        /// The container.
        container: String,
    },
    /// One value per pod.
    Pods,
    /// One value that describes an object.
    Object,
    /// Values from outside the cluster.
    External,
    /// A type that the decision does not know; such a metric fails.
    Unknown,
}

/// What a metric should be. Amounts are thousandths, as the HPA calculates with.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Target {
    /// Average use in whole percent of the request.
    Utilization {
        /// Percent.
        percent: i32,
    },
    /// Average over the replicas.
    AverageValue {
        /// Thousandths.
        milli: i64,
    },
    /// The whole value.
    Value {
        /// Thousandths.
        milli: i64,
    },
    /// No target that this source can be held against; such a metric fails.
    Unusable,
}

impl Metric {
    /// Takes the source and the target that the HPA controller looks at (its choice, not the API
    /// server's: validation admits targets that the controller then rejects).
    pub(super) fn from_spec(spec: &MetricSpec) -> Self {
        let unknown = || (spec.type_.as_str(), MetricSource::Unknown, Target::Unusable);
        let (name, source, target) = match spec.type_.as_str() {
            "Resource" => spec.resource.as_ref().map_or_else(unknown, |metric| {
                let source = MetricSource::Resource { resource: metric.name.clone() };
                (metric.name.as_str(), source, per_pod_target(&metric.target, true))
            }),
            "ContainerResource" => {
                spec.container_resource.as_ref().map_or_else(unknown, |metric| {
                    let source = MetricSource::ContainerResource {
                        resource: metric.name.clone(),
                        container: metric.container.clone(),
                    };
                    (metric.name.as_str(), source, per_pod_target(&metric.target, true))
                })
            }
            "Pods" => spec.pods.as_ref().map_or_else(unknown, |metric| {
                let target = per_pod_target(&metric.target, false);
                (metric.metric.name.as_str(), MetricSource::Pods, target)
            }),
            "Object" => spec.object.as_ref().map_or_else(unknown, |metric| {
                let target = object_target(&metric.target);
                (metric.metric.name.as_str(), MetricSource::Object, target)
            }),
            "External" => spec.external.as_ref().map_or_else(unknown, |metric| {
                let target = external_target(&metric.target);
                (metric.metric.name.as_str(), MetricSource::External, target)
            }),
            _ => unknown(),
        };
        Self { name: name.into(), source, target }
    }

    /// Its name: the metric's, or the resource's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The container, for a container's resource.
    pub fn container(&self) -> Option<&str> {
        match &self.source {
            MetricSource::ContainerResource { container, .. } => Some(container),
            _ => None,
        }
    }

    /// The resource, for a resource metric.
    pub fn resource(&self) -> Option<&str> {
        match &self.source {
            MetricSource::Resource { resource }
            | MetricSource::ContainerResource { resource, .. } => Some(resource),
            _ => None,
        }
    }

    /// Where its values come from.
    pub fn source(&self) -> &MetricSource {
        &self.source
    }

    /// What it should be.
    pub fn target(&self) -> Target {
        self.target
    }
}

/// Per pod: the average value if there is one, else (for resources) the utilization.
fn per_pod_target(target: &MetricTarget, utilization: bool) -> Target {
    match (&target.average_value, target.average_utilization) {
        (Some(value), _) => Target::AverageValue { milli: value.canonical().milli() },
        (None, Some(percent)) if utilization => Target::Utilization { percent },
        _ => Target::Unusable,
    }
}

/// Objects: `type` and the field have to agree.
fn object_target(target: &MetricTarget) -> Target {
    match (target.type_.as_str(), &target.value, &target.average_value) {
        ("Value", Some(value), _) => Target::Value { milli: value.canonical().milli() },
        ("AverageValue", _, Some(value)) => {
            Target::AverageValue { milli: value.canonical().milli() }
        }
        _ => Target::Unusable,
    }
}

/// External metrics: the average value if there is one, else the value, whatever `type` says.
fn external_target(target: &MetricTarget) -> Target {
    match (&target.average_value, &target.value) {
        (Some(value), _) => Target::AverageValue { milli: value.canonical().milli() },
        (None, Some(value)) => Target::Value { milli: value.canonical().milli() },
        (None, None) => Target::Unusable,
    }
}
