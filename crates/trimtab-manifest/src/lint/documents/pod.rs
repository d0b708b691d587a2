//! The pods that a workload makes: what they ask of a node, where they may go, how they end.

use std::collections::BTreeMap;

use super::container::Container;
use super::requirement::{Allowed, current_name};
use super::selector::Labels;
use crate::lint::field::Field;

/// The `metadata` and `spec` of pods that are all alike.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct PodTemplate<'n> {
    pub(in crate::lint) metadata: Option<Field<'n>>,
    pub(in crate::lint) spec: Field<'n>,
}

/// Seconds that Kubernetes gives a pod to end where it says nothing.
pub(in crate::lint) const DEFAULT_GRACE_SECONDS: i64 = 30;

/// What stays on a node that has this taint.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Taint<'n> {
    pub(in crate::lint) field: Field<'n>,
}

/// What a pod asks of the labels of its node: label by label, each with a place.
pub(in crate::lint) type Wanted<'n> = BTreeMap<&'n str, (Allowed<'n>, Field<'n>)>;

/// How many accelerators of each kind a pod holds, each with the first place.
pub(in crate::lint) type Gpus<'n> = BTreeMap<&'n str, (i64, Field<'n>)>;

impl<'n> PodTemplate<'n> {
    /// The template below this field, such as `spec.template` of a Deployment.
    pub(in crate::lint) fn of(field: Field<'n>) -> Option<Self> {
        Some(Self { metadata: field.get("metadata"), spec: field.key_of("spec")? })
    }

    pub(in crate::lint) fn labels(&self) -> Labels<'n> {
        Labels(self.metadata.and_then(|metadata| metadata.get("labels")))
    }

    pub(in crate::lint) fn annotations(&self) -> Labels<'n> {
        Labels(self.metadata.and_then(|metadata| metadata.get("annotations")))
    }

    /// Those that run as long as the pod does, sidecars among the initial ones too.
    pub(in crate::lint) fn containers(&self) -> impl Iterator<Item = Container<'n>> + use<'n> {
        running(self.spec).map(|field| Container { field })
    }

    /// The containers that hold accelerators.
    pub(in crate::lint) fn gpu_containers(&self) -> impl Iterator<Item = Container<'n>> + use<'n> {
        self.containers().filter(Container::has_accelerator)
    }

    /// Whether it asks for an accelerator.
    pub(in crate::lint) fn asks_gpu(&self) -> bool {
        self.gpu_containers().next().is_some()
    }

    /// How many accelerators of each kind a pod holds, and where the first is asked for.
    pub(in crate::lint) fn gpus(&self) -> Gpus<'n> {
        let mut gpus = Gpus::new();
        for container in self.containers() {
            for accelerator in container.accelerators() {
                let Some(field) = accelerator.field() else { continue };
                let (count, _) = gpus.entry(accelerator.resource).or_insert((0_i64, field));
                *count = count.saturating_add(accelerator.count());
            }
        }
        gpus.retain(|_, (count, _)| *count > 0);
        gpus
    }

    /// How many accelerators a pod holds, of whatever kind.
    pub(in crate::lint) fn gpu_count(&self) -> i64 {
        self.gpus().values().fold(0, |sum: i64, (count, _)| sum.saturating_add(*count))
    }

    /// What all its containers request of a resource, in thousandths; nothing if one of them does
    /// not say.
    pub(in crate::lint) fn request_milli(&self, resource: &str) -> Option<i64> {
        self.containers().try_fold(0_i64, |sum, container| {
            sum.checked_add(container.request(resource)?.checked_milli()?)
        })
    }

    /// Seconds from the signal to stop to the kill, and where that is written.
    pub(in crate::lint) fn grace(&self) -> (i64, Option<Field<'n>>) {
        let field = self.spec.get("terminationGracePeriodSeconds");
        match field.and_then(|field| Some((field.seconds()?, field))) {
            Some((seconds, field)) => (seconds, Some(field)),
            None => (DEFAULT_GRACE_SECONDS, None),
        }
    }

    /// Whether its `tolerations` let it on a node with this taint.
    pub(in crate::lint) fn tolerates(&self, taint: &Taint<'_>) -> bool {
        self.spec.list("tolerations").any(|toleration| taint.is_tolerated(toleration))
    }

    /// Whether a device claim can be what brings its accelerator.
    pub(in crate::lint) fn has_claims(&self) -> bool {
        self.spec.list("resourceClaims").next().is_some()
    }

    /// What `nodeSelector` asks for, pair by pair.
    pub(in crate::lint) fn node_selector(&self) -> Labels<'n> {
        Labels(self.spec.get("nodeSelector"))
    }

    /// What it asks of the labels of a node: one of these has to hold as a whole. Of the required node
    /// affinity any term will do, each together with `nodeSelector`.
    pub(in crate::lint) fn wanted(&self) -> Vec<Wanted<'n>> {
        let mut selected = Wanted::new();
        for (key, field) in self.node_selector().all() {
            if let Some(value) = field.text() {
                add(&mut selected, key, Allowed::only(value), field);
            }
        }
        let required = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
        let terms = self.spec.at(required).map(|field| field.list("nodeSelectorTerms"));
        let mut all = Vec::new();
        // More than a handful of alternatives nobody writes.
        for term in terms.into_iter().flatten().take(32) {
            let mut wanted = selected.clone();
            for expression in term.list("matchExpressions") {
                if let Some((key, allowed)) = Allowed::of(expression) {
                    add(&mut wanted, key, allowed, expression.key_of("key").unwrap_or(expression));
                }
            }
            all.push(wanted);
        }
        if all.is_empty() {
            all.push(selected);
        }
        all
    }

    /// Whether something keeps its replicas on different nodes.
    pub(in crate::lint) fn spreads(&self) -> bool {
        self.spec.list("topologySpreadConstraints").next().is_some()
            || self.spec.at("affinity.podAntiAffinity").is_some()
    }
}

/// The containers that run as long as a pod of this `spec` does: the initial ones that are restarted too.
pub(in crate::lint) fn running(spec: Field<'_>) -> impl Iterator<Item = Field<'_>> {
    let stays = |one: &Field<'_>| one.text_of("restartPolicy") == Some("Always");
    spec.list("containers").chain(spec.list("initContainers").filter(stays))
}

fn add<'n>(wanted: &mut Wanted<'n>, key: &'n str, allowed: Allowed<'n>, field: Field<'n>) {
    match wanted.get_mut(current_name(key)) {
        Some((before, _)) => *before = before.and(&allowed),
        None => {
            wanted.insert(current_name(key), (allowed, field));
        }
    }
}

impl<'n> Taint<'n> {
    pub(in crate::lint) fn key(&self) -> &'n str {
        self.field.text_of("key").unwrap_or_default()
    }

    pub(in crate::lint) fn value(&self) -> &'n str {
        self.field.text_of("value").unwrap_or_default()
    }

    pub(in crate::lint) fn effect(&self) -> &'n str {
        self.field.text_of("effect").unwrap_or_default()
    }

    /// Whether it keeps pods away for good: `PreferNoSchedule` does not.
    pub(in crate::lint) fn repels(&self) -> bool {
        matches!(self.effect(), "NoSchedule" | "NoExecute") && !self.key().is_empty()
    }

    /// Whether a toleration is one of this taint.
    fn is_tolerated(&self, toleration: Field<'_>) -> bool {
        let text = |key| toleration.text_of(key).unwrap_or_default();
        let effect = text("effect");
        if !effect.is_empty() && effect != self.effect() {
            return false;
        }
        let key = text("key");
        match text("operator") {
            // Without a key it tolerates everything.
            "Exists" => key.is_empty() || key == self.key(),
            "" | "Equal" => key == self.key() && text("value") == self.value(),
            // What else there is compares numbers, and is not for lint to judge.
            _ => key == self.key(),
        }
    }

    /// As it is written with `kubectl taint`: `key=value:effect`.
    pub(in crate::lint) fn written(&self) -> String {
        match self.value() {
            "" => format!("{}:{}", self.key(), self.effect()),
            value => format!("{}={value}:{}", self.key(), self.effect()),
        }
    }

    /// The toleration that would let a pod on the node, as YAML.
    pub(in crate::lint) fn toleration(&self) -> String {
        let (key, effect) = (self.key(), self.effect());
        match self.value() {
            "" => format!("tolerations:\n- key: {key}\n  operator: Exists\n  effect: {effect}"),
            value => format!(
                "tolerations:\n- key: {key}\n  operator: Equal\n  value: \"{value}\"\n  effect: {effect}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    #[test]
    fn taints_and_tolerations() {
        let taint = "{key: nvidia.com/gpu, value: \"true\", effect: NoSchedule}";
        for (toleration, expected) in [
            ("{operator: Exists}", true),
            ("{key: nvidia.com/gpu, operator: Exists}", true),
            ("{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}", true),
            ("{key: nvidia.com/gpu, operator: Exists, effect: NoExecute}", false),
            ("{key: nvidia.com/gpu, value: \"true\"}", true),
            ("{key: nvidia.com/gpu, operator: Equal, value: \"true\"}", true),
            ("{key: nvidia.com/gpu}", false),
            ("{key: nvidia.com/gpu, value: present}", false),
            ("{key: amd.com/gpu, operator: Exists}", false),
        ] {
            let text = format!("taint: {taint}\nspec: {{tolerations: [{toleration}]}}\n");
            let document = document(&text);
            let root = Field::root(&document);
            let pod = PodTemplate { metadata: None, spec: root.get("spec").unwrap() };
            let taint = Taint { field: root.get("taint").unwrap() };
            assert_eq!(pod.tolerates(&taint), expected, "{toleration}");
        }
    }

    #[test]
    fn what_is_wanted_of_a_node() {
        let document = document(
            "spec:\n  nodeSelector: {zone: a, beta.kubernetes.io/arch: amd64}\n  affinity:\n    \
             nodeAffinity:\n      requiredDuringSchedulingIgnoredDuringExecution:\n        \
             nodeSelectorTerms:\n        - matchExpressions: [{key: gpu, operator: In, values: \
             [a, b]}, {key: zone, operator: In, values: [b]}]\n        - matchExpressions: [{key: \
             gpu, operator: Exists}]\n",
        );
        let spec = Field::root(&document).get("spec").unwrap();
        let wanted = PodTemplate { metadata: None, spec }.wanted();
        assert_eq!(wanted.len(), 2);
        assert!(wanted[0]["zone"].0.is_empty());
        assert!(wanted[1]["zone"].0.contains("a"));
        assert!(wanted[1]["kubernetes.io/arch"].0.contains("amd64"));
        assert!(wanted[0]["gpu"].0.contains("b") && !wanted[0]["gpu"].0.contains("c"));
    }

    #[test]
    fn grace_and_gpus() {
        let document = document(
            "spec:\n  containers:\n  - resources: {limits: {nvidia.com/gpu: 1}, requests: {cpu: 2}}\n  \
             - resources: {limits: {nvidia.com/gpu: 2}}\n",
        );
        let spec = Field::root(&document).get("spec").unwrap();
        let pod = PodTemplate { metadata: None, spec };
        assert_eq!(pod.grace().0, 30);
        assert_eq!(pod.gpus()["nvidia.com/gpu"].0, 3);
        assert_eq!(pod.request_milli("cpu"), None);
    }
}
