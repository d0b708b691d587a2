//! Disruption budgets: how many pods may be evicted.

use std::collections::HashMap;
use std::sync::Arc;

use trimtab_engine::LabelSelector;

use super::Selector;
use super::intern::Interner;
use super::pod::Pod;
use super::wire::WireBudget;

/// The budgets of each namespace by their names.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    by_namespace: HashMap<Arc<str>, HashMap<Arc<str>, Budget>>,
}

/// What disruption budgets allow for some pods.
///
/// They hold for evictions, such as those of a drained node. Lowering a count is no eviction, and
/// no budget stops it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disruptions {
    /// The budgets that select any of the pods, in the order of their names.
    pub budgets: Vec<String>,
    /// How many evictions the strictest of them allows now; `None` without budgets, and where one
    /// has not been worked out yet.
    pub allowed: Option<u32>,
}

#[derive(Debug)]
struct Budget {
    /// `None`: one that can't be read, or that selects nothing.
    selector: Option<Selector>,
    allowed: Option<u32>,
    listing: u32,
}

impl Budgets {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_namespace.values().map(HashMap::len).sum()
    }

    pub(super) fn of(&self, namespace: &str, pods: &[&Pod]) -> Disruptions {
        let budgets = self.by_namespace.get(namespace).into_iter().flatten();
        let mut found: Vec<(&Arc<str>, &Budget)> =
            budgets.filter(|(_, budget)| budget.selects_any(pods)).collect();
        found.sort_by_key(|(name, _)| Arc::clone(name));
        let allowed: Option<Vec<u32>> = found.iter().map(|(_, budget)| budget.allowed).collect();
        Disruptions {
            budgets: found.iter().map(|(name, _)| String::from(&***name)).collect(),
            allowed: allowed.and_then(|allowed| allowed.into_iter().min()),
        }
    }

    pub(super) fn set(&mut self, wire: WireBudget, listing: u32, strings: &mut Interner<str>) {
        let WireBudget { metadata, spec, status } = wire;
        let selector = spec.selector.and_then(|selector| {
            let selector: LabelSelector = serde_json::from_value(selector).ok()?;
            Selector::of(&selector).ok()
        });
        // Until the controller has seen a budget as it is now, what it allows is that of another.
        let current = status.observed_generation.is_some_and(|observed| {
            metadata.generation.is_none_or(|generation| observed >= generation)
        });
        let allowed = u32::try_from(status.disruptions_allowed).ok().filter(|_| current);
        let namespace = strings.get(metadata.namespace.unwrap_or_default().as_str());
        let name = strings.get(metadata.name.unwrap_or_default().as_str());
        let budgets = self.by_namespace.entry(namespace).or_default();
        budgets.insert(name, Budget { selector, allowed, listing });
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(budgets) = self.by_namespace.get_mut(namespace) {
            budgets.remove(name);
            if budgets.is_empty() {
                self.by_namespace.remove(namespace);
            }
        }
    }

    /// A listing of a namespace, or of all, is complete: what was not in it is gone.
    pub(super) fn listed(&mut self, namespace: Option<&str>, listing: u32) {
        self.by_namespace.retain(|name, budgets| {
            if namespace.is_none_or(|listed| *listed == **name) {
                budgets.retain(|_, budget| budget.listing == listing);
            }
            !budgets.is_empty()
        });
    }
}

impl Budget {
    fn selects_any(&self, pods: &[&Pod]) -> bool {
        let Some(selector) = &self.selector else { return false };
        pods.iter().any(|pod| selector.matches(|key| pod.label(key)))
    }
}
