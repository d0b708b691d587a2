//! A node as it is kept: what it has, what it was bought as, and whether it takes pods.

use std::sync::Arc;

use trimtab_engine::CapacityType;
use trimtab_metric::{Quantity, Span, Timestamp};

use super::intern::Interner;
use super::pod::{Amounts, When};
use super::wire::{Map, WireNode};

/// Taints on nodes that take no new pod, whatever the pod tolerates.
const CLOSED: [&str; 9] = [
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.cloudprovider.kubernetes.io/shutdown",
    "karpenter.sh/unregistered",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
    "ToBeDeletedByClusterAutoscaler",
];

/// Labels with a node's zone; the second is that of old clusters.
const ZONES: [&str; 2] = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];

/// Labels with the model of a node's GPUs.
const PRODUCTS: [&str; 5] = [
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
    "gpu.intel.com/product",
    "cloud.google.com/gke-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
];

/// A node as it was last seen.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) name: Arc<str>,
    pub(super) zone: Option<Arc<str>>,
    pub(super) pool: Option<Arc<str>>,
    product: Option<Arc<str>>,
    capacity_type: CapacityType,
    pub(super) created: When,
    ready: bool,
    closed: bool,
    leaving: bool,
    karpenter: bool,
    pub(super) allocatable: Amounts,
    /// Of accelerators alone.
    pub(super) capacity: Amounts,
}

impl Node {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its zone.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The pool that it is of.
    pub fn pool(&self) -> Option<&str> {
        self.pool.as_deref()
    }

    /// The model of its GPUs, such as `NVIDIA-H100-80GB-HBM3`.
    pub fn gpu_product(&self) -> Option<&str> {
        self.product.as_deref()
    }

    /// What it was bought as.
    pub fn capacity_type(&self) -> CapacityType {
        self.capacity_type
    }

    /// Whether its kubelet says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether new pods may come to it: it is ready, not cordoned, and not about to go.
    pub fn takes_pods(&self) -> bool {
        self.ready && !self.closed && !self.leaving
    }

    /// What it offers to pods of a resource, in thousandths.
    pub fn allocatable_milli(&self, resource: &str) -> Option<i64> {
        amount(&self.allocatable, resource)
    }

    /// Its accelerator resources, such as `nvidia.com/gpu` or `nvidia.com/mig-1g.10gb`, of which it
    /// has some.
    pub fn accelerators(&self) -> impl Iterator<Item = &str> {
        let some = self.allocatable.iter().filter(|(_, milli)| *milli > 0);
        some.map(|(name, _)| &**name).filter(|name| is_accelerator(name))
    }

    /// Whether it is on its way: new, and not ready yet, or without the accelerator that its
    /// kubelet will learn of later. Those of Karpenter have a claim that says so better.
    pub(super) fn is_coming(&self, now: Timestamp, young: Span, accelerator: Option<&str>) -> bool {
        let new = self.created.get().is_some_and(|at| now.since(at) < young);
        let bare =
            accelerator.is_some_and(|name| amount(&self.allocatable, name).unwrap_or(0) == 0);
        new && (!self.ready || bare) && !self.leaving && !self.karpenter
    }

    /// What it will offer of an accelerator, where it can be said.
    pub(super) fn promised(&self, resource: &str) -> Option<i64> {
        amount(&self.capacity, resource).filter(|milli| *milli > 0)
    }

    pub(super) fn keep(
        wire: WireNode,
        pool_labels: &[String],
        strings: &mut Interner<str>,
    ) -> Self {
        let WireNode { metadata, spec, status } = wire;
        let labels = metadata.labels.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let taints = spec.taints.unwrap_or_default();
        let closing = |key: &str| CLOSED.contains(&key);
        let mut one = |text: Option<&String>| text.map(|text| strings.get(text.as_str()));
        let zone = one(first(&labels, ZONES));
        let pool = one(first(&labels, pool_labels));
        let product = one(first(&labels, PRODUCTS));
        let capacity = status.capacity.unwrap_or_default();
        let capacity = capacity.into_iter().filter(|(name, _)| is_accelerator(name)).collect();
        Self {
            name: strings.get(metadata.name.unwrap_or_default().as_str()),
            zone,
            pool,
            product,
            capacity_type: capacity_type(&labels),
            created: When::of(metadata.creation_timestamp.as_ref()),
            ready: conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True"),
            closed: spec.unschedulable
                || taints.iter().any(|one| one.effect != "PreferNoSchedule" && closing(&one.key)),
            leaving: metadata.deletion_timestamp.is_some(),
            karpenter: labels.contains_key("karpenter.sh/nodepool"),
            allocatable: amounts(status.allocatable.unwrap_or_default(), strings),
            capacity: amounts(capacity, strings),
        }
    }
}

/// The first of these labels that says something.
fn first<K: AsRef<str>>(labels: &Map, keys: impl IntoIterator<Item = K>) -> Option<&String> {
    let mut values = keys.into_iter().map(|key| labels.get(key.as_ref()));
    values.find_map(|value| value.filter(|value| !value.is_empty()))
}

/// Whether a resource is counted in cards, or slices of cards.
pub(super) fn is_accelerator(resource: &str) -> bool {
    let Some((vendor, kind)) = resource.split_once('/') else { return false };
    match vendor {
        "nvidia.com" => kind == "gpu" || kind == "gpu.shared" || kind.starts_with("mig-"),
        // A card, or what it is partitioned into: `cpx_nps4`, `spx_nps1`.
        "amd.com" => kind == "gpu" || kind.contains("_nps"),
        "gpu.intel.com" => kind == "i915" || kind == "xe",
        "habana.ai" => kind == "gaudi",
        "google.com" => kind == "tpu",
        "aws.amazon.com" => kind.starts_with("neuron"),
        "huawei.com" => kind.starts_with("Ascend"),
        _ => false,
    }
}

/// What a node was bought as, by the labels of Karpenter, EKS, GKE and AKS.
fn capacity_type(labels: &Map) -> CapacityType {
    let label = |key: &str| labels.get(key).map(String::as_str);
    let has = |key: &str| labels.contains_key(key);
    let said =
        label("karpenter.sh/capacity-type").or_else(|| label("eks.amazonaws.com/capacityType"));
    match said {
        Some("spot" | "SPOT") => return CapacityType::Spot,
        Some("on-demand" | "ON_DEMAND") => return CapacityType::OnDemand,
        Some("reserved" | "CAPACITY_BLOCK") => return CapacityType::Reserved,
        _ => {}
    }
    let spot = label("cloud.google.com/gke-spot") == Some("true")
        || label("cloud.google.com/gke-preemptible") == Some("true")
        || label("kubernetes.azure.com/scalesetpriority") == Some("spot")
        || label("node.kubernetes.io/lifecycle") == Some("spot");
    // These label spot nodes alone: what has their other labels and not this one stays.
    let labels_spot = has("cloud.google.com/gke-nodepool") || has("kubernetes.azure.com/agentpool");
    match (spot, labels_spot) {
        (true, _) => CapacityType::Spot,
        (false, true) => CapacityType::OnDemand,
        (false, false) => CapacityType::Unknown,
    }
}

pub(super) fn amounts(map: Map, strings: &mut Interner<str>) -> Amounts {
    let parsed = map.into_iter().filter_map(|(name, text)| {
        let milli = text.parse::<Quantity>().ok()?.checked_milli()?;
        Some((strings.get(name.as_str()), milli))
    });
    parsed.collect()
}

pub(super) fn amount(amounts: &[(Arc<str>, i64)], resource: &str) -> Option<i64> {
    let place = amounts.binary_search_by(|(name, _)| (**name).cmp(resource)).ok()?;
    amounts.get(place).map(|(_, milli)| *milli)
}
