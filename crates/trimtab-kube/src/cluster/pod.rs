//! A pod as it is kept: a few hundred bytes, and what pods of one template say alike once.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trimtab_engine::{
    ContainerKind, ContainerRecord, PodPhase, PodRecord, Readiness, ReadyCondition, ResourceList,
};
use trimtab_metric::{Span, Timestamp};

use super::intern::Interner;
use super::wire::{Map, WireCondition, WireContainer, WirePod, WirePodSpec};
use super::{DELETION_COST, DRAINING, DRAINING_SINCE, SLEPT_AT};

/// A label: its key and its value.
pub(super) type Label = (Arc<str>, Arc<str>);

/// Amounts by resource, in thousandths, in the order of their names.
pub(super) type Amounts = Box<[(Arc<str>, i64)]>;

/// A pod as it was last seen.
#[derive(Clone, Debug)]
pub struct Pod {
    pub(super) name: Arc<str>,
    pub(super) namespace: Arc<str>,
    /// In the order of their keys.
    pub(super) labels: Arc<[Label]>,
    pub(super) shape: Arc<Shape>,
    pub(super) owner: Option<Arc<Owner>>,
    pub(super) node: Option<Arc<str>>,
    pub(super) phase: PodPhase,
    readiness: Readiness,
    ready_changed: When,
    created: When,
    started: When,
    terminating: When,
    unschedulable: When,
    pub(super) draining: When,
    deletion_cost: i32,
    restarts: u32,
    /// Whether it was put to sleep since it was started last.
    slept: bool,
    /// One of version 4 as it is written in version 6; `::` is none.
    address: Ipv6Addr,
}

/// What a pod belongs to: its controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its kind, such as `ReplicaSet`.
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// What pods of one template have in common.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    containers: Vec<ContainerRecord>,
    requests: ResourceList,
    overhead: ResourceList,
    /// What the scheduler sets aside for one.
    pub(super) totals: Amounts,
    /// The only pool whose nodes it may run on, if there is one.
    pub(super) pool: Option<Arc<str>>,
}

/// A time, or none, in the room of a time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct When(i64);

/// What many pods and nodes say alike.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) strings: Interner<str>,
    pub(super) labels: Interner<[Label]>,
    pub(super) shapes: Interner<Shape>,
    pub(super) owners: Interner<Owner>,
}

impl Pod {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        label(&self.labels, key)
    }

    /// Its controller.
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_deref()
    }

    /// The node that it is on.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Its phase.
    pub fn phase(&self) -> PodPhase {
        self.phase
    }

    /// Whether it is ready and stays: running, ready, and not on its way out.
    pub fn is_ready(&self) -> bool {
        self.phase == PodPhase::Running
            && self.readiness == Readiness::True
            && self.terminating_since().is_none()
    }

    /// Its `Ready` condition, and since when it is as it is.
    pub fn ready(&self) -> Option<ReadyCondition> {
        let condition = ReadyCondition {
            status: self.readiness,
            last_transition_time: self.ready_changed.get(),
        };
        Some(condition).filter(|condition| condition.status != Readiness::Absent)
    }

    /// When it was asked for.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created.get()
    }

    /// When the kubelet took it on.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started.get()
    }

    /// Since when it is to be deleted: its deletion timestamp, which is the end of its grace
    /// period, less that period.
    pub fn terminating_since(&self) -> Option<Timestamp> {
        self.terminating.get()
    }

    /// Since when the scheduler finds no node for it.
    pub fn unschedulable_since(&self) -> Option<Timestamp> {
        self.unschedulable.get()
    }

    /// Since when it takes no new work, because it is to go.
    pub fn draining_since(&self) -> Option<Timestamp> {
        self.draining.get()
    }

    /// `controller.kubernetes.io/pod-deletion-cost`: a ReplicaSet deletes pods with a lower one
    /// first.
    pub fn deletion_cost(&self) -> i32 {
        self.deletion_cost
    }

    /// How often its containers were started again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Where it is reached.
    pub fn address(&self) -> Option<IpAddr> {
        (!self.address.is_unspecified()).then(|| self.address.to_canonical())
    }

    /// Whether it counts for nobody any more: it has ended, or is on its way out.
    pub(crate) fn is_gone(&self) -> bool {
        !self.holds_resources() || self.terminating_since().is_some()
    }

    /// Whether it was told to sleep and has not started anew since.
    pub fn slept(&self) -> bool {
        self.slept
    }

    /// Whether it still has what it requests of its node.
    pub(super) fn holds_resources(&self) -> bool {
        !matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// What an observation says of it; what its node says is left to the caller, and what it requests
    /// to who needs it.
    pub(super) fn record(&self) -> PodRecord {
        PodRecord {
            name: String::from(&*self.name),
            phase: self.phase,
            terminating: self.terminating_since().is_some(),
            creation_timestamp: self.created_at(),
            start_time: self.started_at(),
            ready: self.ready(),
            address: self.address().map(|address| address.to_string()),
            node_name: self.node().map(String::from),
            pool: self.shape.pool.as_deref().map(String::from),
            draining_since: self.draining_since(),
            ..PodRecord::default()
        }
    }

    /// The same with what its containers and itself request.
    pub(super) fn full_record(&self) -> PodRecord {
        PodRecord {
            containers: self.shape.containers.clone(),
            requests: self.shape.requests.clone(),
            overhead: self.shape.overhead.clone(),
            ..self.record()
        }
    }

    /// A pod as the API server writes it, for tests.
    #[cfg(test)]
    pub(crate) fn of_json(pod: serde_json::Value) -> Self {
        Self::keep(serde_json::from_value(pod).unwrap(), &[], &mut Shared::default())
    }

    pub(super) fn keep(wire: WirePod, pool_labels: &[String], shared: &mut Shared) -> Self {
        let WirePod { metadata, spec, status } = wire;
        let conditions = status.conditions.unwrap_or_default();
        let condition = |name: &str| conditions.iter().find(|one| one.type_ == name);
        let ready = condition("Ready");
        let unschedulable = condition("PodScheduled")
            .filter(|one| one.status == "False" && one.reason.as_deref() == Some("Unschedulable"));
        let labels = metadata.labels.unwrap_or_default();
        let annotation = |key: &str| metadata.annotations.as_ref()?.get(key);
        let owners = metadata.owner_references.unwrap_or_default();
        let owner = owners.into_iter().find(|owner| owner.controller == Some(true));
        let statuses = status.container_statuses.unwrap_or_default();
        let draining = annotation(DRAINING_SINCE).map_or(When::NEVER, |text| When::of_text(text));
        let restarts =
            statuses.iter().fold(0_u32, |sum, one| sum.saturating_add(one.restart_count));
        let slept_at = annotation(SLEPT_AT).and_then(|text| text.parse().ok());
        let address = status.pod_ip.as_deref().and_then(|text| text.parse().ok());
        Self {
            name: metadata.name.unwrap_or_default().into(),
            namespace: shared.strings.get(metadata.namespace.unwrap_or_default().as_str()),
            owner: owner.map(|owner| {
                let owner = Owner { kind: owner.kind.into(), name: owner.name.into() };
                shared.owners.get(owner)
            }),
            node: spec.node_name.as_deref().map(|node| shared.strings.get(node)),
            phase: phase(status.phase.as_deref()),
            readiness: ready.map_or(Readiness::Absent, readiness),
            ready_changed: ready.map_or(When::NEVER, When::of_condition),
            created: When::of(metadata.creation_timestamp.as_ref()),
            started: status.start_time.as_deref().map_or(When::NEVER, When::of_text),
            terminating: When::of(metadata.deletion_timestamp.as_ref())
                .before(metadata.deletion_grace_period_seconds),
            unschedulable: unschedulable.map_or(When::NEVER, When::of_condition),
            draining: match labels.get(DRAINING) {
                Some(value) if value != "false" && draining == When::NEVER => When::UNKNOWN,
                _ => draining,
            },
            deletion_cost: annotation(DELETION_COST)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            restarts,
            slept: slept_at == Some(restarts),
            address: address.map_or(Ipv6Addr::UNSPECIFIED, mapped),
            shape: Shape::keep(spec, pool_labels, shared),
            labels: shared.label_set(labels),
        }
    }
}

/// In the room that version 6 takes.
fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

impl Shape {
    fn keep(spec: WirePodSpec, pool_labels: &[String], shared: &mut Shared) -> Arc<Self> {
        let pool = pool_labels.iter().find_map(|label| wanted(&spec, label));
        let init = spec.init_containers.unwrap_or_default().into_iter().map(|container| {
            let sidecar = container.restart_policy.as_deref() == Some("Always");
            let kind = if sidecar { ContainerKind::Sidecar } else { ContainerKind::Init };
            record(container, kind)
        });
        let main = spec.containers.unwrap_or_default().into_iter();
        let main = main.map(|container| record(container, ContainerKind::Container));
        let mut shape = Self {
            containers: init.chain(main).collect(),
            requests: amounts(spec.resources.and_then(|resources| resources.requests)),
            overhead: amounts(spec.overhead),
            totals: Amounts::default(),
            pool: pool.map(|pool| shared.strings.get(pool.as_str())),
        };
        shape.totals = shape.total(&mut shared.strings);
        shared.shapes.get(shape)
    }

    /// What the scheduler sets aside: what containers that run together request, or, where that is
    /// more, what an init container does beside the sidecars before it; what the pod requests as a
    /// whole instead; its overhead.
    fn total(&self, strings: &mut Interner<str>) -> Amounts {
        let mut names: Vec<&String> = self
            .containers
            .iter()
            .flat_map(|container| container.requests.keys())
            .chain(self.requests.keys())
            .chain(self.overhead.keys())
            .collect();
        names.sort();
        names.dedup();
        let total = |name: &String| {
            let (mut main, mut sidecars, mut peak) = (0_i64, 0_i64, 0_i64);
            for container in &self.containers {
                let requested = milli(&container.requests, name);
                match container.kind {
                    ContainerKind::Container => main = main.saturating_add(requested),
                    ContainerKind::Sidecar => {
                        sidecars = sidecars.saturating_add(requested);
                        peak = peak.max(sidecars);
                    }
                    ContainerKind::Init => peak = peak.max(sidecars.saturating_add(requested)),
                }
            }
            let together = main.saturating_add(sidecars).max(peak);
            let whole = self.requests.contains_key(name).then(|| milli(&self.requests, name));
            whole.unwrap_or(together).saturating_add(milli(&self.overhead, name))
        };
        names.into_iter().map(|name| (strings.get(name.as_str()), total(name))).collect()
    }
}

impl Eq for Shape {}

impl Hash for Shape {
    /// Equal shapes have equal names; amounts are left to the comparison.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pool.hash(state);
        for container in &self.containers {
            container.name.hash(state);
            container.requests.len().hash(state);
        }
        for (name, milli) in &self.totals {
            (name, milli).hash(state);
        }
    }
}

impl Shared {
    pub(super) fn label_set(&mut self, labels: Map) -> Arc<[Label]> {
        let labels = labels.iter();
        let labels = labels
            .map(|(key, value)| (self.strings.get(key.as_str()), self.strings.get(value.as_str())));
        let labels: Vec<Label> = labels.collect();
        self.labels.get(labels)
    }

    pub(super) fn sweep(&mut self) {
        self.labels.sweep();
        self.shapes.sweep();
        self.owners.sweep();
        self.strings.sweep();
    }
}

impl When {
    pub(super) const NEVER: Self = Self(i64::MIN);
    /// It is, and nobody says since when.
    pub(super) const UNKNOWN: Self = Self(i64::MAX);

    pub(super) fn get(self) -> Option<Timestamp> {
        (self != Self::NEVER).then_some(Timestamp::from_millis(self.0))
    }

    pub(super) fn at(time: Timestamp) -> Self {
        Self(time.as_millis())
    }

    pub(super) fn of(time: Option<&Time>) -> Self {
        time.map_or(Self::NEVER, |time| Self(time.0.as_millisecond()))
    }

    /// So many seconds before that.
    fn before(self, seconds: Option<i64>) -> Self {
        let earlier = |at: Timestamp| {
            Self::at(at.saturating_sub(Span::from_secs(seconds.unwrap_or(0).max(0))))
        };
        self.get().map_or(self, earlier)
    }

    fn of_text(text: &str) -> Self {
        text.parse().map_or(Self::NEVER, Self::at)
    }

    pub(super) fn of_condition(condition: &WireCondition) -> Self {
        condition.last_transition_time.as_deref().map_or(Self::NEVER, Self::of_text)
    }
}

/// The value of a label in a set that is in order.
pub(super) fn label<'a>(labels: &'a [Label], key: &str) -> Option<&'a str> {
    let place = labels.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
    labels.get(place).map(|(_, value)| &**value)
}

/// The one value that a node's label has to have for a pod to run there.
fn wanted(spec: &WirePodSpec, label: &str) -> Option<String> {
    if let Some(value) = spec.node_selector.as_ref().and_then(|labels| labels.get(label)) {
        return Some(value.clone());
    }
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    // One of several terms has to hold, so that only a single one forces anything.
    let [term] = required.node_selector_terms.as_slice() else { return None };
    let expressions = term.match_expressions.as_ref()?;
    let found = expressions.iter().find(|one| one.key == label && one.operator == "In")?;
    match found.values.as_deref() {
        Some([value]) => Some(value.clone()),
        _ => None,
    }
}

fn record(container: WireContainer, kind: ContainerKind) -> ContainerRecord {
    let requests = amounts(container.resources.and_then(|resources| resources.requests));
    ContainerRecord { name: container.name, kind, requests }
}

fn amounts(map: Option<Map>) -> ResourceList {
    let parsed = map.unwrap_or_default().into_iter();
    parsed.filter_map(|(name, text)| Some((name, text.parse().ok()?))).collect()
}

fn milli(amounts: &ResourceList, name: &str) -> i64 {
    amounts.get(name).and_then(|amount| amount.checked_milli()).unwrap_or_default()
}

fn phase(text: Option<&str>) -> PodPhase {
    match text {
        Some("Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        _ => PodPhase::Unknown,
    }
}

fn readiness(condition: &WireCondition) -> Readiness {
    match condition.status.as_str() {
        "True" => Readiness::True,
        "False" => Readiness::False,
        _ => Readiness::Unknown,
    }
}
