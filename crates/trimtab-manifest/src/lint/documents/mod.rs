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
mod placement;
mod pod;
mod probe;
mod requirement;
mod selector;
mod service;
#[cfg(test)]
mod testing;
mod workload;

pub(super) use self::budget::{Budget, Share};
pub(super) use self::container::{Container, same};
pub(super) use self::duration::spoken;
pub(super) use self::node_pool::NodePool;
pub(super) use self::placement::{Misfit, Placement, WantedLabel, is_of_resource};
pub(super) use self::pod::{PodTemplate, Taint, running};
pub(super) use self::probe::{Handler, Probe};
pub(super) use self::selector::{LabelSelector, Labels};
pub(super) use self::service::{Around, Known, Service};
pub(super) use self::workload::{Kind, Workload, accelerators};
