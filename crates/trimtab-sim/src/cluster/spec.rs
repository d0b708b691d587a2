//! The document that describes a cluster. Every field may be left out.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Delay;

/// The simulated cluster, as it is written in a file.
///
/// The default is one pool of on-demand nodes without a limit, one for each replica, starts in phases as they
/// were measured, metrics as Prometheus takes them, and no warm pool.
///
/// ```
/// use trimtab_manifest::{Limits, Source, from_str};
/// use trimtab_sim::{ClusterSpec, ServiceProfile};
///
/// let source = Source::new("cluster.yaml", "\
/// start: {leadTimeSeconds: 120}
/// warmPool: {size: 1}
/// pools:
/// - {name: reserved, maxNodes: 2, gpuHourPrice: 1.64}
/// - name: spot
///   gpuHourPrice: 1.19
///   spot:
///     noticeSeconds: 120
///     availability:
///       steps: [{atSeconds: 0, nodes: 4}, {atSeconds: 3600, nodes: 0}]
///       repeatSeconds: 7200
/// ");
/// let spec: ClusterSpec = from_str(&source, &Limits::default())?;
///
/// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
/// let cluster = spec.check(&profile)?;
/// assert_eq!(cluster.lead_time_text(), "120s");
/// assert_eq!(cluster.pools().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// Where requests wait and which replica they go to.
    pub gateway: GatewaySpec,
    /// How long a start takes.
    pub start: Start,
    /// Replicas that sleep until they are needed.
    pub warm_pool: WarmPool,
    /// Where nodes come from, tried in this order. At least one; default one pool with the defaults
    /// of [`PoolSpec`].
    pub pools: Vec<PoolSpec>,
    /// What the pools' prices are in, as reports say it. Default `money`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What the policy sees.
    pub metrics: Metrics,
    /// How decisions take effect.
    pub control: Control,
}

/// Where requests wait and which replica they go to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewaySpec {
    /// Requests that wait at the gateway at most; what comes on top is rejected. 0 rejects whatever
    /// no replica takes at once. Default 10000.
    pub queue_capacity: u32,
    /// Requests in flight per replica, beyond which the gateway holds them back; at least 1. Default
    /// the profile's `maxSequences`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests_per_replica: Option<u32>,
    /// Which replica a request goes to. Default `LeastLoaded`.
    pub routing: Routing,
    /// A request that has waited at the gateway for so many seconds, above 0, is rejected. Default:
    /// it waits on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_timeout_seconds: Option<f64>,
}

/// Which replica a request goes to.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    /// The one with the fewest requests in flight.
    #[default]
    LeastLoaded,
    /// Each in turn.
    RoundRobin,
}

/// How long a start takes: in phases, unless `leadTimeSeconds` is set.
///
/// The defaults are a container of 10 to 20 GB and a model that loads as production models were
/// measured to (median 22.7 s, p95 45.4 s over 7.5 thousand loads).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Start {
    /// From the request for a node to a node that is ready. Default median 90 s, p95 180 s.
    pub node_launch: Delay,
    /// Pulling the image; nothing where the node has it. Default median 60 s, p95 150 s.
    pub image_pull: Delay,
    /// Loading the weights for the first time on a node. Default median 23 s, p95 45 s.
    pub weight_load: Delay,
    /// Loading weights that are in the node's page cache. Default median 8 s, p95 20 s.
    pub cached_weight_load: Delay,
    /// Compiling, capturing graphs, profiling memory. Default median 45 s, p95 100 s.
    pub engine_warm_up: Delay,
    /// Promotion from the warm pool. Default median 8 s, p95 20 s.
    pub wake: Delay,
    /// Every start takes this long, whatever the node: it stands for all phases but `wake`, the
    /// launch of the node included. Default: the phases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_time_seconds: Option<Delay>,
}

/// Replicas that are provisioned and asleep.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmPool {
    /// How many. Default 0.
    pub size: u32,
}

/// Nodes of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolSpec {
    /// Its name, which no other pool has. Default `spot` for a pool with `spot`, else `on-demand`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of GPU, which has to be the profile's. Default: that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// GPUs of a node, at least those of a replica. Default: those, so that every replica has a node
    /// of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus_per_node: Option<u32>,
    /// Nodes at most, at least 1. Default unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u32>,
    /// Nodes that are ready, and empty, when the simulation starts; of a spot pool, as many as can be
    /// had then. Default 0.
    pub initial_nodes: u32,
    /// The price of a GPU for an hour. All pools have one or none has: else costs don't add up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_hour_price: Option<f64>,
    /// Seconds that an empty node is kept for. Default 600.
    pub idle_seconds: f64,
    /// Nodes may be taken back. Default: they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<SpotSpec>,
    /// Nodes that fail without notice, per node and hour (exponential), up to 3600. Default 0.
    pub losses_per_node_hour: f64,
    /// The zone of its nodes, as a policy with `redundancy` sees it. Default: it is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// Nodes that can be had at some times and are taken back at others: when fewer can be had than there
/// are, chance picks those that get a notice. None is launched in place of one under notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SpotSpec {
    /// Seconds from the notice to the loss of a node: 120 on AWS, 30 on Google Cloud and Azure.
    /// Default 30.
    pub notice_seconds: f64,
    /// How many nodes there are, when. Required.
    pub availability: AvailabilitySpec,
}

/// How many nodes can be had over time: `steps` written here, or a column of a `file`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AvailabilitySpec {
    /// Counts from their times on. The first is at 0, and the times rise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<AvailabilityStep>>,
    /// A CSV file with a header, gzipped if its name ends in `.gz`. The first column is the time in
    /// seconds, from 0 on, rising.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The column of the file, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Nodes for each 1 in the column, at least 1. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes_per_unit: Option<u32>,
    /// After so many seconds, beyond the last step, it begins again. Default for a file its length,
    /// where the last row lasts as long as the one before it; for `steps`, the last one stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_seconds: Option<f64>,
    /// The time of the recording at which the simulation starts. Default 0.
    pub start_seconds: f64,
}

/// From when on there are how many nodes.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AvailabilityStep {
    /// Seconds since the start of the recording.
    pub at_seconds: f64,
    /// Nodes that can be had from then on.
    pub nodes: u32,
}

/// How production sees the replicas.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Metrics {
    /// Seconds between two scrapes of a replica, at least 0.1. Default 15.
    pub scrape_seconds: f64,
    /// Seconds from a scrape to the moment when a policy can see it. Default 5.
    pub delay_seconds: f64,
    /// The chance that a scrape is lost, in [0, 1). Default 0.
    pub loss_probability: f64,
    /// Seconds that rates and quantiles look back, at least twice `scrapeSeconds`. Default 60.
    pub window_seconds: f64,
}

/// How decisions take effect.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Control {
    /// Seconds from a decision to its effect. Default 1.
    pub apply_seconds: f64,
    /// Replicas that are ready when the simulation starts. Default: what the work of the first five
    /// minutes keeps busy and half as many again, within the policy's bounds, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_replicas: Option<u32>,
    /// Seconds that a replica has to finish its requests once it is told to stop, after which the
    /// rest is cut. Default 30, as in Kubernetes.
    pub drain_seconds: f64,
}

impl ClusterSpec {
    /// Takes relative paths in it from `folder`, the one of the document, and no longer from the
    /// current one.
    pub fn relative_to(&mut self, folder: &Path) {
        for pool in &mut self.pools {
            let availability = pool.spot.as_mut().map(|spot| &mut spot.availability);
            if let Some(file) = availability.and_then(|recorded| recorded.file.as_mut()) {
                *file = folder.join(&*file);
            }
        }
    }
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self {
            gateway: GatewaySpec::default(),
            start: Start::default(),
            warm_pool: WarmPool::default(),
            pools: vec![PoolSpec::default()],
            currency: None,
            metrics: Metrics::default(),
            control: Control::default(),
        }
    }
}

impl Default for GatewaySpec {
    fn default() -> Self {
        Self {
            queue_capacity: 10_000,
            max_requests_per_replica: None,
            routing: Routing::default(),
            queue_timeout_seconds: None,
        }
    }
}

impl Default for Start {
    fn default() -> Self {
        Self {
            node_launch: Delay::between(90.0, 180.0),
            image_pull: Delay::between(60.0, 150.0),
            weight_load: Delay::between(23.0, 45.0),
            cached_weight_load: Delay::between(8.0, 20.0),
            engine_warm_up: Delay::between(45.0, 100.0),
            wake: Delay::between(8.0, 20.0),
            lead_time_seconds: None,
        }
    }
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self {
            name: None,
            gpu: None,
            gpus_per_node: None,
            max_nodes: None,
            initial_nodes: 0,
            gpu_hour_price: None,
            idle_seconds: 600.0,
            spot: None,
            losses_per_node_hour: 0.0,
            zone: None,
        }
    }
}

impl Default for SpotSpec {
    fn default() -> Self {
        Self { notice_seconds: 30.0, availability: AvailabilitySpec::default() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            scrape_seconds: 15.0,
            delay_seconds: 5.0,
            loss_probability: 0.0,
            window_seconds: 60.0,
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { apply_seconds: 1.0, initial_replicas: None, drain_seconds: 30.0 }
    }
}
