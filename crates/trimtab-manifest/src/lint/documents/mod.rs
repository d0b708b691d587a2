//! Views of the documents around a policy: the pods that are scaled, what guards them, and the nodes
//! that they land on.
//!
//! Each reads what it asks for, with Kubernetes' defaults, and keeps the place of it. What has another
//! type than it should is not there.

mod budget;
mod container;
mod duration;
mod gpu_nodes;
mod node_pool;
mod pod;
mod probe;
mod requirement;
mod selector;
#[cfg(test)]
mod testing;
mod workload;

pub(super) use self::budget::{Budget, Share};
pub(super) use self::container::{Accelerator, Amount, Container, is_accelerator};
pub(super) use self::duration::{seconds, spoken};
pub(super) use self::gpu_nodes::Obstacle;
pub(super) use self::node_pool::{Consolidation, NodePool};
pub(super) use self::pod::{DEFAULT_GRACE_SECONDS, PodTemplate, Taint, Wanted, accelerators, same};
pub(super) use self::probe::{Handler, Probe};
pub(super) use self::requirement::{Allowed, is_well_known};
pub(super) use self::selector::{LabelSelector, Labels, map_matches};
pub(super) use self::workload::{Kind, Workload, same_namespace};
