//! What the simulated cluster is: the document that describes it, and its checked form.

mod check;
mod delay;
mod describe;
mod invalid;
mod spec;

pub(crate) use delay::MOST_SECONDS;
pub use delay::{Delay, InvalidDelay};
pub use invalid::{BrokenRule, InvalidCluster};
pub use spec::{
    AvailabilitySpec, AvailabilityStep, ClusterSpec, Control, GatewaySpec, Metrics, PoolSpec,
    Routing, SpotSpec, Start, WarmPool,
};

use trimtab_engine::Policy;

use crate::supply::Availability;

/// Replicas at the start, for each that the work keeps busy.
const HEADROOM: f64 = 1.5;

/// A cluster that breaks no rule, with every default filled in. [`ClusterSpec::check`] makes it.
///
/// ```
/// use trimtab_sim::{ClusterSpec, ServiceProfile};
///
/// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
/// let cluster = ClusterSpec::default().check(&profile)?;
/// assert_eq!(cluster.gateway().max_requests_per_replica, profile.max_sequences);
/// assert_eq!(cluster.pools()[0].name, "on-demand");
/// assert_eq!(cluster.least_start_seconds(), 53.0);
/// # Ok::<(), trimtab_sim::InvalidCluster>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    gateway: Gateway,
    start: Start,
    warm_pool: WarmPool,
    pools: Vec<Pool>,
    cost_unit: String,
    metrics: Metrics,
    control: Control,
}

/// Where requests wait and which replica they go to.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Requests that wait at the gateway at most.
    pub queue_capacity: u32,
    /// Requests in flight per replica at most; at least 1.
    pub max_requests_per_replica: u32,
    /// Which replica a request goes to.
    pub routing: Routing,
    /// A request that has waited so long at the gateway, above 0, is rejected.
    pub queue_timeout_seconds: Option<f64>,
}

/// Nodes of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// GPUs of a node, at least those of a replica.
    pub gpus_per_node: u32,
    /// Nodes at most, at least 1; `None` where there is no limit.
    pub max_nodes: Option<u32>,
    /// Nodes that are ready, and empty, when the simulation starts.
    pub initial_nodes: u32,
    /// The price of a GPU for an hour; all pools have one or none has.
    pub gpu_hour_price: Option<f64>,
    /// Seconds that an empty node is kept for.
    pub idle_seconds: f64,
    /// Nodes may be taken back.
    pub spot: Option<Spot>,
    /// Nodes that fail without notice, per node and hour.
    pub losses_per_node_hour: f64,
    /// The zone of its nodes, as policies see it.
    pub zone: Option<String>,
}

/// Nodes that can be had at some times and are taken back at others.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// Seconds from the notice to the loss of a node.
    pub notice_seconds: f64,
    /// How many nodes there are, when.
    pub availability: Availability,
}

impl Cluster {
    /// Where requests wait and which replica they go to.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// How long a start takes.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Replicas that sleep until they are needed.
    pub fn warm_pool(&self) -> &WarmPool {
        &self.warm_pool
    }

    /// Where nodes come from, in the order in which they are tried; at least one.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// What the policy sees.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How decisions take effect.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The same cluster, in which every start takes this long, whatever the node.
    #[must_use]
    pub fn with_lead_time(mut self, lead_time: Delay) -> Self {
        self.start.lead_time_seconds = Some(lead_time);
        self
    }

    /// The least that a start typically takes, in seconds: the lead time where there is one (its
    /// median), else the medians of what a start on a node with the image and the weights goes
    /// through. For the clairvoyant bound, which starts nowhere else.
    pub fn least_start_seconds(&self) -> f64 {
        match &self.start.lead_time_seconds {
            Some(lead_time) => lead_time.median_seconds(),
            None => {
                self.start.cached_weight_load.median_seconds()
                    + self.start.engine_warm_up.median_seconds()
            }
        }
    }

    /// Replicas that are ready when the simulation starts: what the cluster says, else what `need`
    /// replicas of work take with half as much again for headroom, within the policy's bounds and at
    /// least one. A fleet that has been running does not begin at its minimum under full load.
    ///
    /// ```
    /// use trimtab_engine::{Policy, PolicySpec};
    /// use trimtab_sim::{ClusterSpec, ServiceProfile};
    ///
    /// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
    /// let cluster = ClusterSpec::default().check(&profile)?;
    /// let policy = Policy::from_stored(PolicySpec { max_replicas: 8, ..PolicySpec::default() });
    /// assert_eq!(cluster.initial_replicas(&policy, 2.9), 5);
    /// assert_eq!(cluster.initial_replicas(&policy, 0.0), 1);
    /// assert_eq!(cluster.initial_replicas(&policy, 90.0), 8);
    /// # Ok::<(), trimtab_sim::InvalidCluster>(())
    /// ```
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and NaN is 0"
    )]
    pub fn initial_replicas(&self, policy: &Policy, need: f64) -> u32 {
        let bounds = policy.bounds();
        let least = u32::try_from(bounds.min).unwrap_or(0).max(1);
        let most = u32::try_from(bounds.max).unwrap_or(0).max(least);
        let headroom = libm::ceil(need * HEADROOM) as u32;
        self.control.initial_replicas.unwrap_or(headroom.clamp(least, most))
    }

    /// Whether the pools have prices. All have, or none.
    pub fn has_prices(&self) -> bool {
        self.pools.iter().any(|pool| pool.gpu_hour_price.is_some())
    }

    /// What costs are in: the currency of the prices, or `GPU-hours` where there are none.
    pub fn cost_unit(&self) -> &str {
        &self.cost_unit
    }
}
