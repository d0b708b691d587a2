//! The warm pool as a second workload, whose count goes up and down as the first one's does the
//! other way.

use k8s_openapi::List;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::Request;
use trimtab_engine::{WarmCounts, WarmPlan};
use trimtab_runtime::{Change, TargetError};

use super::LOOK_BEFORE_WRITE;
use super::call::call;
use super::count::{Count, Host, count_of, selector_of};
use crate::cluster::{Cluster, Selector};

/// How many should stand by once a change is carried out; nothing if the pool stays as it is.
pub(super) fn size(change: &Change) -> Option<i32> {
    let WarmPlan { size, promote, start: _, demote, refill, release } = change.warm?;
    [promote, demote, refill, release].iter().any(|count| *count > 0).then_some(size)
}

/// How many stand by. Those that were asked for and are not ready, or not even there, are on their
/// way.
pub(super) async fn read(
    host: &Host,
    standby: &Count,
    cluster: Option<&Cluster>,
) -> Result<WarmCounts, TargetError> {
    let found = standby.find(host).await?;
    let scale = standby.read(host, &found).await?;
    let ready = match cluster {
        Some(cluster) => ready_as_watched(host, cluster, &scale)?,
        None => ready_as_listed(host, &scale).await?,
    };
    let count = u32::try_from(count_of(&scale)).unwrap_or(0);
    let ready = ready.min(count);
    Ok(WarmCounts { ready, starting: count.saturating_sub(ready) })
}

fn ready_as_watched(host: &Host, cluster: &Cluster, scale: &Scale) -> Result<u32, TargetError> {
    let text = selector_of(scale);
    let selector: Selector =
        text.parse().map_err(|error| TargetError::Malformed(format!("{error}")))?;
    let counts = cluster.warm(&host.namespace, &selector);
    let counts = counts.filter(|_| !selector.is_everything());
    counts.map(|counts| counts.ready).ok_or_else(|| {
        TargetError::Unreachable(String::from("which pods there are is not known at the moment"))
    })
}

async fn ready_as_listed(host: &Host, scale: &Scale) -> Result<u32, TargetError> {
    let text = selector_of(scale);
    if text.is_empty() {
        return Err(TargetError::Malformed(String::from("its scale has no selector")));
    }
    let request = Request::new(format!("/api/v1/namespaces/{}/pods", host.namespace));
    let params = ListParams::default().labels(text).match_any();
    let pods: List<Pod> = call(&host.client, request.list(&params)).await?;
    let ready = pods.items.iter().filter(|pod| is_ready(pod)).count();
    Ok(u32::try_from(ready).unwrap_or(u32::MAX))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

/// Sets how many stand by. That is a number and no difference, so that to do it again does no harm.
pub(super) async fn write(host: &Host, standby: &Count, size: i32) -> Result<(), TargetError> {
    let found = standby.find(host).await?;
    if let Some(rival) = standby.rival(host, &found.scalable, LOOK_BEFORE_WRITE).await {
        return Err(TargetError::Contested(format!("of {}: {rival}", standby.name)));
    }
    standby.check_ownership()?;
    let scale = standby.read(host, &found).await?;
    let from = count_of(&scale);
    if from == size {
        return Ok(());
    }
    let version = scale.metadata.resource_version.as_deref();
    standby.write(host, &found, (from, size), version).await
}
