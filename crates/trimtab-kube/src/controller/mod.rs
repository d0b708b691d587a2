//! The controller of `ScalingPolicy` resources.
//!
//! [`run`] watches policies, and drives each that is valid: it observes the workload, decides, scales, and says so
//! in the policy's status, where the state is kept, too. Of several replicas one does so at a time, or each for
//! a part of the policies, by leases that are held on to right up to each write.

mod accept;
mod adoption;
mod events;
mod fleet;
mod lease;
mod metrics;
mod pages;
mod run;
mod status;
mod watch;

pub use lease::{LeaseSettings, Moment, Moments, SystemMoments};
pub use run::run;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use trimtab_runtime::{Clock, DecisionSink, MetricSource};

use crate::crd::ScalingPolicy;

/// How the controller goes about it. The default suits most.
///
/// ```
/// use std::time::Duration;
/// use trimtab_kube::controller::Settings;
///
/// let mut settings = Settings::default();
/// settings.namespaces = vec![String::from("inference")];
/// settings.leases.shards = 4;
/// settings.save_interval = Duration::from_secs(30);
/// ```
#[non_exhaustive]
pub struct Settings {
    /// The namespaces whose policies are driven. Default: all, which an empty list is.
    pub namespaces: Vec<String>,
    /// How replicas share the work.
    pub leases: LeaseSettings,
    /// A client for leases alone, so that renewals don't wait behind thousands of other requests. Default: the one
    /// for all.
    pub lease_client: Option<kube::Client>,
    /// So many requests for scales and their pods at a time; others wait for their turn, within the deadline. Default 64.
    ///
    /// Metrics are asked for by 64 at a time, statuses are written by 16, events one after the other. All of it together
    /// is less than what a service account has of one API server by default before others of its priority wait.
    pub scale_requests_at_once: u32,
    /// The longest that a source, the target or the status may take. Default 10 s.
    pub deadline: Duration,
    /// How long ticks may go on at the end. Default 20 s, so that the 30 s that a pod has are enough for the rest.
    pub shutdown: Duration,
    /// How often the state of a policy is saved while nothing changes that people look at. Default 60 s.
    ///
    /// It is saved before and after each change of scale, and at the end. What is lost when a process is killed is what
    /// windows learned since the last time: a scale-down may come as much earlier as that.
    pub save_interval: Duration,
    /// The most statuses that are written a second, but for those of changes of scale. Default 20. With more policies
    /// than that times [`save_interval`](Self::save_interval) states are saved less often: 2,000 every 100 s.
    pub status_writes_per_second: u32,
    /// Where `/healthz`, `/readyz`, `/metrics` and the status of workloads are served. Default: nowhere.
    pub listener: Option<TcpListener>,
    /// Who else is told of decisions.
    pub sinks: Vec<Arc<dyn DecisionSink>>,
    /// What time it is for decisions. Default: the system's.
    pub clock: Option<Arc<dyn Clock>>,
    /// How much time has passed, for leases. Default: by the system's clocks.
    pub moments: Arc<dyn Moments>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            leases: LeaseSettings::default(),
            lease_client: None,
            scale_requests_at_once: 64,
            deadline: Duration::from_secs(10),
            shutdown: Duration::from_secs(20),
            save_interval: Duration::from_secs(60),
            status_writes_per_second: 20,
            listener: None,
            sinks: Vec::new(),
            clock: None,
            moments: Arc::new(SystemMoments),
        }
    }
}

impl Settings {
    /// Whether they can be used.
    ///
    /// # Errors
    ///
    /// [`ControllerError::Settings`] with what would be right.
    pub fn check(&self) -> Result<(), ControllerError> {
        if self.scale_requests_at_once == 0 {
            return Err(ControllerError::Settings(String::from(
                "no request for a scale may be made: at least 1 has to be, such as 64",
            )));
        }
        self.leases.check()
    }
}

/// Makes the sources of policies that the cluster itself can't answer.
pub trait Sources: Send + Sync {
    /// The sources of the policy's `sources` but for `kubernetes`, in their order.
    ///
    /// # Errors
    ///
    /// What is wrong with them, and what would be right. The policy is refused with that.
    fn sources(&self, policy: &ScalingPolicy) -> Result<Vec<Arc<dyn MetricSource>>, String>;
}

/// Why the controller could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The settings can't be used.
    #[error("{0}")]
    Settings(String),
}
