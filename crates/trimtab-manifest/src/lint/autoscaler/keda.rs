//! KEDA's `ScaledObject`.

use super::signal::{Aim, Role, Signal, Source};
use super::{Autoscaler, Bound, Form, Target};
use crate::lint::document::Document;
use crate::lint::field::Field;
use crate::lint::set::Set;

pub(super) fn scaled_object<'n>(set: &Set<'n>, document: &'n Document) -> Option<Autoscaler<'n>> {
    let spec = document.spec()?;
    let target = spec.get("scaleTargetRef");
    Some(Autoscaler {
        form: Form::ScaledObject,
        document,
        spec,
        target: target.and_then(|field| Target::of(set, field, Some(("apps", "Deployment")))),
        min: Bound::of(spec, "minReplicaCount", Some(0)),
        max: Bound::of(spec, "maxReplicaCount", Some(100)),
        signals: spec.list("triggers").map(signal).collect(),
        behavior: spec.at("advanced.horizontalPodAutoscalerConfig.behavior"),
    })
}

impl<'n> Autoscaler<'n> {
    /// The trigger by which a ScaledObject only carries out what a policy decides: one that asks `trimtab keda-scaler`.
    pub(in crate::lint) fn policy_trigger(&self) -> Option<Field<'n>> {
        let asks = |trigger: &Field<'n>| {
            let metadata = trigger.get("metadata")?;
            let address = metadata.text_of("scalerAddress")?;
            let named = metadata.get("workload").or_else(|| metadata.get("policy"));
            let external = ["external", "external-push"].contains(&trigger.text_of("type")?);
            Some(external && address.contains("trimtab") && named.is_some())
        };
        let triggers = self.signals.iter().map(|signal| signal.field);
        triggers
            .filter(|_| self.form == Form::ScaledObject)
            .find(|trigger| asks(trigger) == Some(true))
    }
}

/// Fields of a trigger's metadata that say what is asked, and those that say how much is right.
const QUERIES: [&str; 3] = ["query", "metricQuery", "nrql"];
const TARGETS: [&str; 14] = [
    "threshold",
    "targetValue",
    "value",
    "queueLength",
    "lagThreshold",
    "targetQueueLength",
    "targetSubscriptionSize",
    "messageCount",
    "listLength",
    "targetMetricValue",
    "queryValue",
    "targetQueryValue",
    "desiredReplicas",
    "subscriptionSize",
];

fn signal(field: Field<'_>) -> Signal<'_> {
    let type_ = field.text_of("type").unwrap_or_default();
    let get = |key: &str| field.get("metadata").and_then(|metadata| metadata.get(key));
    let query = QUERIES.iter().find_map(|key| get(key));
    let name = get("metricName").or_else(|| field.get("type"));
    let target = TARGETS.iter().find_map(|key| get(key));
    let (source, role) = match type_ {
        "cpu" | "memory" => (Source::Resource, Some(Role::Resource)),
        "cron" => (Source::Schedule, Some(Role::Time)),
        _ => (Source::Trigger, None),
    };
    let aim = match field.text_of("metricType") {
        Some("Value") => Aim::Value,
        Some("Utilization") => Aim::Utilization,
        None if source == Source::Resource => Aim::Utilization,
        _ => Aim::Average,
    };
    let aim = target.map(|field| (aim, field));
    let signal = Signal::new(field, source, (name, query), aim);
    match role {
        Some(role) => signal.with_role(role),
        None => signal,
    }
}
