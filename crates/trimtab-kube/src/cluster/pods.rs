//! All pods, found by namespace and labels, and what they take up of their nodes.

use std::collections::HashMap;
use std::sync::Arc;

use trimtab_metric::Timestamp;

use super::Selector;
use super::pod::{Amounts, Label, Pod, Shared, When, label};

/// The pods that are watched.
///
/// A question by labels costs as much as the pods that it finds: pods with the same labels stand in
/// one group, and groups are found by the values that a selector asks for.
#[derive(Debug, Default)]
pub(super) struct Pods {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    namespaces: HashMap<Arc<str>, Namespace>,
    /// What pods have on each node.
    used: HashMap<Arc<str>, Used>,
}

#[derive(Debug)]
struct Slot {
    pod: Pod,
    /// The listing in which it was seen last.
    listing: u32,
    group: u32,
    place: u32,
}

#[derive(Debug, Default)]
struct Namespace {
    by_name: HashMap<Arc<str>, u32>,
    groups: Vec<Group>,
    free: Vec<u32>,
    by_labels: HashMap<Arc<[Label]>, u32>,
    /// The groups that have a label, in order.
    by_label: HashMap<Label, Vec<u32>>,
}

/// Pods with the same labels; or a free place, which has none.
#[derive(Debug)]
struct Group {
    labels: Arc<[Label]>,
    slots: Vec<u32>,
}

/// What pods have on a node.
#[derive(Debug, Default)]
pub(super) struct Used {
    amounts: Vec<(Arc<str>, i64)>,
    pub(super) pods: u32,
}

impl Pods {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A pod by its name.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Pod> {
        let slot = self.namespaces.get(namespace)?.by_name.get(name)?;
        self.slot(*slot).map(|slot| &slot.pod)
    }

    /// The pods of a namespace that are selected, in the order of their names.
    pub(super) fn select(&self, namespace: &str, selector: &Selector) -> Vec<&Pod> {
        let Some(space) = self.namespaces.get(namespace) else { return Vec::new() };
        // A free place has no pods, so that it does no harm that it matches what needs no label.
        let matching = |group: &&Group| selector.matches(|key| label(&group.labels, key));
        let groups: Vec<&Group> = match space.narrowest(selector) {
            Some(groups) => {
                let found = groups.into_iter().filter_map(|group| space.groups.get(group as usize));
                found.filter(matching).collect()
            }
            None => space.groups.iter().filter(matching).collect(),
        };
        let slots = groups.into_iter().flat_map(|group| &group.slots);
        let mut pods: Vec<&Pod> = slots.filter_map(|slot| Some(&self.slot(*slot)?.pod)).collect();
        pods.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        pods
    }

    /// What pods have on a node.
    pub(super) fn used(&self, node: &str) -> Option<&Used> {
        self.used.get(node)
    }

    /// A pod was seen, in a listing or behind it.
    pub(super) fn set(&mut self, mut pod: Pod, listing: u32, now: Timestamp) {
        let known = self.namespaces.get(&*pod.namespace);
        let known = known.and_then(|space| space.by_name.get(&*pod.name)).copied();
        let before = known.and_then(|slot| self.remove_slot(slot));
        if pod.draining == When::UNKNOWN {
            // Nobody says since when: since it was seen.
            let since = before.as_ref().map(|pod| pod.draining);
            pod.draining = match since {
                Some(since) if since != When::NEVER => since,
                _ => When::at(now),
            };
        }
        if let Some(before) = before {
            pod.name = before.name;
        }
        self.insert(pod, listing);
    }

    /// A pod is gone.
    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        let slot = self.namespaces.get(namespace).and_then(|space| space.by_name.get(name));
        if let Some(slot) = slot.copied() {
            self.remove_slot(slot);
        }
    }

    /// A listing of a namespace, or of all, is complete: what was not in it is gone.
    pub(super) fn listed(&mut self, namespace: Option<&str>, listing: u32, shared: &mut Shared) {
        let gone = |slot: &Slot| {
            slot.listing != listing && namespace.is_none_or(|name| *slot.pod.namespace == *name)
        };
        let gone: Vec<u32> = (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.as_ref().is_some_and(gone))
            .map(|(place, _)| place)
            .collect();
        for slot in gone {
            self.remove_slot(slot);
        }
        if self.free.len() > self.slots.len() / 2 {
            self.close_ranks();
        }
        shared.sweep();
    }

    /// Gives back the places at the end that nobody has.
    fn close_ranks(&mut self) {
        let used = self.slots.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.slots.truncate(used);
        self.slots.shrink_to_fit();
        self.free.retain(|slot| (*slot as usize) < used);
        self.free.shrink_to_fit();
    }

    /// Whether nothing is kept of pods that were.
    #[cfg(test)]
    pub(super) fn is_clean(&self) -> bool {
        self.namespaces.is_empty() && self.used.is_empty() && self.free.len() == self.slots.len()
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn insert(&mut self, pod: Pod, listing: u32) {
        if let Some(node) = pod.node.clone().filter(|_| pod.holds_resources()) {
            self.used.entry(node).or_default().add(&pod.shape.totals);
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let space = self.namespaces.entry(Arc::clone(&pod.namespace)).or_default();
        space.by_name.insert(Arc::clone(&pod.name), slot);
        let (group, place) = space.add(&pod.labels, slot);
        if let Some(free) = self.slots.get_mut(slot as usize) {
            *free = Some(Slot { pod, listing, group, place });
        }
    }

    fn remove_slot(&mut self, slot: u32) -> Option<Pod> {
        let Slot { pod, group, place, .. } = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        if let Some(node) = pod.node.as_ref().filter(|_| pod.holds_resources())
            && let Some(used) = self.used.get_mut(node)
        {
            used.sub(&pod.shape.totals);
            if used.pods == 0 {
                self.used.remove(node);
            }
        }
        if let Some(space) = self.namespaces.get_mut(&pod.namespace) {
            space.by_name.remove(&pod.name);
            let moved = space.take(group, place);
            let empty = space.by_name.is_empty();
            if let Some(Some(moved)) = moved.and_then(|slot| self.slots.get_mut(slot as usize)) {
                moved.place = place;
            }
            if empty {
                self.namespaces.remove(&pod.namespace);
            }
        }
        Some(pod)
    }
}

impl Namespace {
    /// The groups that have the values of a selector's most telling condition; `None` if it has
    /// none that asks for values.
    fn narrowest(&self, selector: &Selector) -> Option<Vec<u32>> {
        let conditions = selector.requirements().iter().filter_map(|one| {
            let pairs = one.one_of()?.iter();
            let found = pairs.filter_map(|value| self.by_label.get(&pair(&one.key, value)));
            Some(found.collect::<Vec<&Vec<u32>>>())
        });
        let size = |groups: &Vec<&Vec<u32>>| groups.iter().map(|some| some.len()).sum::<usize>();
        let groups = conditions.min_by_key(size)?;
        Some(groups.into_iter().flatten().copied().collect())
    }

    /// Puts a pod into the group of its labels; returns the group and the place in it.
    fn add(&mut self, labels: &Arc<[Label]>, slot: u32) -> (u32, u32) {
        let group = match self.by_labels.get(labels) {
            Some(group) => *group,
            None => self.open(Arc::clone(labels)),
        };
        let Some(slots) = self.groups.get_mut(group as usize).map(|group| &mut group.slots) else {
            return (group, 0);
        };
        slots.push(slot);
        (group, u32::try_from(slots.len() - 1).unwrap_or(u32::MAX))
    }

    fn open(&mut self, labels: Arc<[Label]>) -> u32 {
        let slots = Vec::with_capacity(1);
        let new = Group { labels: Arc::clone(&labels), slots };
        let free = self.free.pop();
        let group = match free.and_then(|place| Some((place, self.groups.get_mut(place as usize)?)))
        {
            Some((place, group)) => {
                *group = new;
                place
            }
            None => {
                self.groups.push(new);
                u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
            }
        };
        for pair in labels.iter() {
            let groups = self.by_label.entry(pair.clone()).or_default();
            if let Err(place) = groups.binary_search(&group) {
                groups.insert(place, group);
            }
        }
        self.by_labels.insert(labels, group);
        group
    }

    fn close(&mut self, place: u32) {
        let Some(group) = self.groups.get_mut(place as usize) else { return };
        let labels = std::mem::replace(&mut group.labels, Arc::new([]));
        self.by_labels.remove(&labels);
        for pair in labels.iter() {
            let Some(groups) = self.by_label.get_mut(pair) else { continue };
            if let Ok(found) = groups.binary_search(&place) {
                groups.remove(found);
            }
            if groups.is_empty() {
                self.by_label.remove(pair);
            }
        }
        self.free.push(place);
    }

    /// Takes a pod out of its group; returns the one that has its place now.
    fn take(&mut self, group: u32, place: u32) -> Option<u32> {
        let slots = &mut self.groups.get_mut(group as usize)?.slots;
        if (place as usize) < slots.len() {
            slots.swap_remove(place as usize);
        }
        let moved = slots.get(place as usize).copied();
        if slots.is_empty() {
            self.close(group);
        }
        moved
    }
}

fn pair(key: &str, value: &str) -> Label {
    (key.into(), value.into())
}

impl Used {
    /// How much of a resource, in thousandths.
    pub(super) fn of(&self, resource: &str) -> i64 {
        let found = self.amounts.iter().find(|(name, _)| **name == *resource);
        found.map_or(0, |(_, milli)| *milli)
    }

    fn add(&mut self, totals: &Amounts) {
        self.pods += 1;
        for (name, milli) in totals {
            match self.amounts.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(*milli),
                None => self.amounts.push((Arc::clone(name), *milli)),
            }
        }
    }

    fn sub(&mut self, totals: &Amounts) {
        self.pods = self.pods.saturating_sub(1);
        for (name, milli) in totals {
            if let Some((_, sum)) = self.amounts.iter_mut().find(|(known, _)| known == name) {
                *sum = sum.saturating_sub(*milli);
            }
        }
    }
}
