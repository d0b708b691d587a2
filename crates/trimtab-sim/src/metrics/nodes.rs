//! What a policy gets to see of nodes, if it asks: where pods run, and what the pools have.

use trimtab_engine::{CapacityType, ObservationRecord, Policy, PoolSupplyRecord};

use super::{PodView, timestamp};
use crate::supply::PoolView;

/// Adds to an observation of these pods where they run, and, for a policy with `supply`, what its pools
/// have. Other pools it is not told of.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
/// use trimtab_sim::metrics::{Bindings, Observer, PodView, Scraper, observe_nodes};
/// use trimtab_sim::supply::Supply;
/// use trimtab_sim::{ClusterSpec, Moment, ServiceProfile, cluster::Metrics};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10, "supply": {"pools": [{"name": "on-demand"}]},
///         "metrics": [{"type": "Pods", "pods": {"metric": {"name": "requests_waiting"},
///             "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#,
/// )?)?;
/// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
/// let mut spec = ClusterSpec::default();
/// spec.pools[0].initial_nodes = 2;
/// let mut supply = Supply::new(&spec.check(&profile)?, &profile, 1);
///
/// let (start, placed) = (Moment::START, supply.place_running(Moment::START).unwrap());
/// let node = supply.pool_of(placed.node).map(|pool| (placed.node, pool));
/// let pods = [PodView { node, start_time: Some(start), ..PodView::default() }];
/// let scraper = Scraper::new(&Metrics::default(), 1);
/// let bindings = Bindings::new(&policy, &[])?;
/// let mut observer = Observer::new(&bindings);
/// let seen = observer.observe(&scraper, &[], start, 1, &pods);
/// observe_nodes(seen, &policy, &pods, &supply.pool_views(start));
/// assert_eq!(seen.pods[0].node_name.as_deref(), Some("node-0"));
/// assert_eq!(seen.supply.as_ref().unwrap()[0].free_gpus, Some(1));
/// seen.resolve(&policy)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn observe_nodes(
    record: &mut ObservationRecord,
    policy: &Policy,
    pods: &[PodView],
    pools: &[PoolView<'_>],
) {
    for (seen, pod) in record.pods.iter_mut().zip(pods) {
        seen.creation_timestamp = Some(timestamp(pod.created));
        let Some((node, pool)) = pod.node else { continue };
        let Some(PoolView { pool, .. }) = pools.get(pool) else { continue };
        seen.node_name = Some(format!("node-{}", node.number()));
        seen.zone.clone_from(&pool.zone);
        seen.pool = Some(pool.name.clone());
        seen.capacity_type =
            if pool.spot.is_some() { CapacityType::Spot } else { CapacityType::OnDemand };
    }
    let Some(supply) = policy.supply() else { return };
    let planned =
        |view: &&PoolView<'_>| supply.pools.iter().any(|pool| pool.name == view.pool.name);
    let pools = pools.iter().filter(planned).map(|view| PoolSupplyRecord {
        pool: view.pool.name.clone(),
        allocatable_gpus: Some(view.allocatable_gpus),
        free_gpus: Some(view.free_gpus),
        coming_gpus: Some(view.coming_gpus),
        coming_nodes: None,
        max_gpus: None,
    });
    record.supply = Some(pools.collect());
}
