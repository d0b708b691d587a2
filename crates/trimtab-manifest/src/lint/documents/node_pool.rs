//! Karpenter's NodePools, `v1` and `v1beta1`: which nodes they make, how many, and when they take them
//! away again.

use std::collections::BTreeMap;

use super::budget::Share;
use super::container::Amount;
use super::duration;
use super::pod::Taint;
use super::requirement::{Allowed, current_name};
use crate::lint::document::Document;
use crate::lint::field::Field;
use crate::lint::set::Set;

/// A NodePool.
#[derive(Clone, Debug)]
pub(in crate::lint) struct NodePool<'n> {
    pub(in crate::lint) document: &'n Document,
    pub(in crate::lint) spec: Field<'n>,
    /// What its nodes have: labels and requirements by key, each with the place of the last.
    labels: BTreeMap<&'n str, (Allowed<'n>, Field<'n>)>,
}

/// When Karpenter may move pods together to save nodes.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Consolidation<'n> {
    /// Nodes that still have pods too, and not only empty ones.
    pub(in crate::lint) of_used_nodes: bool,
    /// Seconds without a change of its pods before a node counts; nothing for `Never`.
    pub(in crate::lint) after: Option<i64>,
    /// Where that is written, or the nearest field that is there.
    pub(in crate::lint) field: Field<'n>,
}

impl<'n> NodePool<'n> {
    /// All NodePools of the set that provision for pods; those of a fixed number of nodes do not.
    pub(in crate::lint) fn among(set: &Set<'n>) -> impl Iterator<Item = Self> + use<'n> {
        set.of_kind("karpenter.sh", "NodePool").filter_map(Self::of)
    }

    /// The NodePool that a document is.
    pub(in crate::lint) fn of(document: &'n Document) -> Option<Self> {
        let spec = document.spec()?;
        // Without a template it is none, and something else is wrong with it.
        let template = spec.get("template")?;
        if spec.get("replicas").is_some() {
            return None;
        }
        let mut labels: BTreeMap<&str, (Allowed<'_>, Field<'_>)> = BTreeMap::new();
        let mut add = |key: &'n str, allowed: Allowed<'n>, field: Field<'n>| {
            let key = current_name(key);
            let both = match labels.get(key) {
                Some((before, _)) => before.and(&allowed),
                None => allowed,
            };
            labels.insert(key, (both, field));
        };
        add("karpenter.sh/nodepool", Allowed::only(&document.name), document.heading());
        let own = template.at("metadata.labels");
        for (key, field) in own.into_iter().flat_map(|labels| labels.entries()) {
            if let Some(value) = field.text() {
                add(key, Allowed::only(value), field);
            }
        }
        let requirements = template.at("spec.requirements");
        for field in requirements.into_iter().flat_map(|list| list.items()) {
            if let Some((key, allowed)) = Allowed::of(field) {
                let at = field.key_of("values").or_else(|| field.get("key")).unwrap_or(field);
                add(key, allowed, at);
            }
        }
        Some(Self { document, spec, labels })
    }

    fn is_v1beta1(&self) -> bool {
        self.document.version == "v1beta1"
    }

    /// Which values its nodes may have of a label, if it says.
    pub(in crate::lint) fn label(&self, key: &str) -> Option<&(Allowed<'n>, Field<'n>)> {
        self.labels.get(current_name(key))
    }

    /// All labels that it says something of.
    pub(in crate::lint) fn labels(
        &self,
    ) -> impl Iterator<Item = (&'n str, &(Allowed<'n>, Field<'n>))> {
        self.labels.iter().map(|(key, value)| (*key, value))
    }

    /// The taints that stay on its nodes; those of `startupTaints` go by themselves.
    pub(in crate::lint) fn taints(&self) -> impl Iterator<Item = Taint<'n>> + use<'n> {
        let taints = self.spec.at("template.spec.taints");
        taints.into_iter().flat_map(|list| list.items()).map(|field| Taint { field })
    }

    pub(in crate::lint) fn limits(&self) -> Option<Field<'n>> {
        self.spec.key_of("limits")
    }

    /// The most of a resource that its nodes may have together.
    pub(in crate::lint) fn limit(&self, resource: &str) -> Option<Amount<'n>> {
        let field = self.spec.get("limits")?.get(resource)?;
        Some(Amount { field, quantity: field.quantity()? })
    }

    /// When nodes are consolidated, with the defaults of the API's version.
    pub(in crate::lint) fn consolidation(&self) -> Consolidation<'n> {
        let disruption = self.spec.key_of("disruption");
        let policy = disruption.and_then(|field| field.get("consolidationPolicy"));
        let of_used_nodes = policy.and_then(|field| field.text()) != Some("WhenEmpty");
        let after = disruption.and_then(|field| field.get("consolidateAfter"));
        let field = after.or(policy).or(disruption).unwrap_or_else(|| self.document.heading());
        let seconds = match after.and_then(|field| field.text()) {
            Some("Never") => None,
            // `v1beta1` takes it for `WhenEmpty` alone.
            Some(text) if !self.is_v1beta1() || !of_used_nodes => duration::seconds(text),
            _ => Some(0),
        };
        Consolidation { of_used_nodes, after: seconds, field }
    }

    /// Whether a budget that always holds keeps every node from being consolidated while it has pods.
    pub(in crate::lint) fn forbids_consolidation(&self) -> bool {
        let budgets = self.spec.at("disruption.budgets");
        budgets.into_iter().flat_map(|list| list.items()).any(|budget| {
            let nodes = budget.get("nodes").and_then(|nodes| {
                Share::of(nodes).or_else(|| Some(Share::Pods(nodes.text()?.parse().ok()?)))
            });
            let mut reasons = budget.list("reasons").peekable();
            let is_ours = reasons.peek().is_none()
                || reasons.any(|reason| reason.text() == Some("Underutilized"));
            nodes.is_some_and(|nodes| nodes.up(1) == 0)
                && budget.get("schedule").is_none()
                && is_ours
        })
    }

    /// Whether it limits how many nodes go at once beyond Karpenter's default of a tenth.
    pub(in crate::lint) fn has_budgets(&self) -> bool {
        self.spec.at("disruption.budgets").is_some_and(|list| list.items().next().is_some())
    }

    /// Where it is written how old a node may get, and the seconds; nothing where it is not written, and
    /// for `Never`.
    pub(in crate::lint) fn expiry(&self) -> Option<(i64, Field<'n>)> {
        let path =
            if self.is_v1beta1() { "disruption.expireAfter" } else { "template.spec.expireAfter" };
        let field = self.spec.at(path)?;
        Some((duration::seconds(field.text()?)?, field))
    }

    /// Seconds after which a node goes with whatever is left on it, and where that is written.
    pub(in crate::lint) fn termination_grace(&self) -> Option<(i64, Field<'n>)> {
        let field = self.spec.at("template.spec.terminationGracePeriod")?;
        Some((duration::seconds(field.text()?)?, field))
    }

    /// Whether all its nodes are spot nodes.
    pub(in crate::lint) fn spot_only(&self) -> Option<Field<'n>> {
        let (allowed, field) = self.label("karpenter.sh/capacity-type")?;
        let is_spot = allowed.contains("spot")
            && !allowed.contains("on-demand")
            && !allowed.contains("reserved");
        is_spot.then_some(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    fn with<T>(version: &str, spec: &str, check: impl Fn(&NodePool<'_>) -> T) -> T {
        let text = format!(
            "apiVersion: karpenter.sh/{version}\nkind: NodePool\nmetadata: {{name: gpu}}\n{spec}"
        );
        let document = document(&text);
        check(&NodePool::of(&document).unwrap())
    }

    #[test]
    fn consolidation_and_its_defaults() {
        let of = |version: &str, disruption: &str| {
            let spec = format!("spec:\n  template: {{}}\n  disruption: {disruption}\n");
            with(version, &spec, |pool| {
                let consolidation = pool.consolidation();
                (consolidation.of_used_nodes, consolidation.after, pool.forbids_consolidation())
            })
        };
        assert_eq!(of("v1", "{}"), (true, Some(0), false));
        assert_eq!(of("v1", "{consolidateAfter: 5m}"), (true, Some(300), false));
        assert_eq!(of("v1", "{consolidateAfter: Never}"), (true, None, false));
        assert_eq!(of("v1", "{consolidationPolicy: WhenEmpty}"), (false, Some(0), false));
        assert_eq!(of("v1beta1", "{consolidateAfter: 5m}"), (true, Some(0), false));
        let empty = "{consolidationPolicy: WhenEmpty, consolidateAfter: 5m}";
        assert_eq!(of("v1beta1", empty), (false, Some(300), false));
        for (budget, expected) in [
            ("{nodes: \"0\"}", true),
            ("{nodes: 0%}", true),
            ("{nodes: \"1\"}", false),
            ("{nodes: 10%}", false),
            ("{nodes: \"0\", reasons: [Underutilized]}", true),
            ("{nodes: \"0\", reasons: [Empty, Drifted]}", false),
            ("{nodes: \"0\", schedule: \"@daily\", duration: 8h}", false),
        ] {
            let disruption = format!("{{budgets: [{{nodes: 10%}}, {budget}]}}");
            assert_eq!(of("v1", &disruption).2, expected, "{budget}");
        }
    }

    #[test]
    fn labels_and_requirements() {
        let spec = "spec:\n  template:\n    metadata: {labels: {accelerator: l40s}}\n    spec:\n      \
                    expireAfter: 720h\n      requirements:\n      - {key: karpenter.sh/capacity-type, \
                    operator: In, values: [spot]}\n      - {key: gen, operator: Gt, values: [\"4\"]}\n";
        with("v1", spec, |pool| {
            let has = |key, value| pool.label(key).unwrap().0.contains(value);
            assert!(has("accelerator", "l40s") && !has("accelerator", "a10g"));
            assert!(has("karpenter.sh/nodepool", "gpu"));
            assert!(pool.spot_only().is_some());
            assert!(pool.label("gen").unwrap().0.contains("5"));
            assert_eq!(pool.expiry().unwrap().0, 2_592_000);
            assert!(pool.termination_grace().is_none() && pool.limits().is_none());
        });
    }

    #[test]
    fn a_fixed_number_of_nodes_is_passed_over() {
        let text =
            "apiVersion: karpenter.sh/v1\nkind: NodePool\nspec: {replicas: 2, template: {}}\n";
        assert!(NodePool::of(&document(text)).is_none());
    }
}
