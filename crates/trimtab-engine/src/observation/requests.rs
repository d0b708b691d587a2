//! What a pod requests of a resource, and what it uses: sums over its containers.

use super::{ContainerKind, ContainerMetrics, PodRecord, ResourceList};

/// What a pod requests, in thousandths; `None` when something that should request the resource
/// does not.
///
/// With `pod_level` (the `PodLevelResources` gate) and a pod that requests as a whole, the pod's
/// own request wins over the sum of its containers', and overhead counts. Otherwise containers and
/// sidecars are summed, and each of them has to request the resource.
pub(super) fn requested(
    pod: &PodRecord,
    resource: &str,
    container: Option<&str>,
    pod_level: bool,
) -> Option<i64> {
    match container {
        Some(name) => pod
            .containers
            .iter()
            .find(|container| container.name == name && container.kind != ContainerKind::Init)
            .and_then(|container| amount(&container.requests, resource)),
        None if pod_level && pod.requests.keys().any(|name| is_pod_level(name)) => {
            aggregate(pod, resource)
        }
        None => pod
            .containers
            .iter()
            .filter(|container| container.kind != ContainerKind::Init)
            .try_fold(0_i64, |sum, container| {
                Some(sum.wrapping_add(amount(&container.requests, resource)?))
            }),
    }
}

/// What a pod uses, in thousandths: all containers have to report the resource, and there has to
/// be one.
pub(super) fn used(
    containers: &[ContainerMetrics],
    resource: &str,
    container: Option<&str>,
) -> Option<i64> {
    if let Some(name) = container {
        let container = containers.iter().find(|container| container.name == name)?;
        return amount(&container.usage, resource);
    }
    if containers.is_empty() {
        return None;
    }
    containers.iter().try_fold(0_i64, |sum, container| {
        Some(sum.wrapping_add(amount(&container.usage, resource)?))
    })
}

/// The scheduler's view: the larger of what runs together and what any init step needs, unless the
/// pod says it as a whole; then its overhead on top.
fn aggregate(pod: &PodRecord, resource: &str) -> Option<i64> {
    let mut running = None;
    let mut sidecars = None;
    let mut starting = None;
    for container in &pod.containers {
        let Some(request) = amount(&container.requests, resource) else { continue };
        match container.kind {
            ContainerKind::Container => running = Some(add(running, request)),
            ContainerKind::Sidecar => {
                running = Some(add(running, request));
                sidecars = Some(add(sidecars, request));
                starting = starting.max(sidecars);
            }
            ContainerKind::Init => starting = starting.max(Some(add(sidecars, request))),
        }
    }
    let whole = amount(&pod.requests, resource).or(running.max(starting));
    match (whole, amount(&pod.overhead, resource)) {
        (whole, Some(overhead)) => Some(add(whole, overhead)),
        (whole, None) => whole,
    }
}

fn add(sum: Option<i64>, more: i64) -> i64 {
    sum.unwrap_or(0).wrapping_add(more)
}

fn amount(list: &ResourceList, resource: &str) -> Option<i64> {
    list.get(resource).map(|quantity| quantity.milli())
}

/// The resources that a pod may request as a whole.
fn is_pod_level(resource: &str) -> bool {
    resource == "cpu" || resource == "memory" || resource.starts_with("hugepages-")
}
