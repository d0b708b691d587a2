//! One policy on one workload: events in virtual time, in one thread, from one seed.
//!
//! The way of a request: it arrives at the gateway, waits there if no replica has room, goes to a
//! replica's server, gets its first token and its last. The way of a decision: replicas are scraped,
//! the policy's metrics are read from the scrapes, the production `decide` decides, its count is
//! written, and a little later the fleet starts or stops replicas.

mod agenda;
mod agreement;
mod control;
mod course;
mod fleet;
mod gateway;
mod latency;
mod recorder;
mod replica;
mod tournament;

use thiserror::Error;
use trimtab_engine::{DecisionRecord, ObservationError, Policy};

use crate::bound::{BoundBuilder, Overlap};
use crate::cluster::Cluster;
use crate::metrics::Bindings;
use crate::supply::PoolUse;
use crate::survey::BIN_SECONDS;
use crate::{
    Attained, Latency, Moment, Objective, ReplicaSeconds, RequestCounts, ServiceProfile, Timeline,
    Workload, WorkloadError,
};
use agenda::Event;
pub use agreement::PoolsDisagree;
use control::{Control, Detail};
use fleet::Fleet;
use recorder::{MINUTE_SECONDS, Recorder};

/// How long after the last arrival requests may still be served; then the rest is cut.
const TAIL_SECONDS: f64 = 600.0;

/// What a simulation assumes, apart from the workload and the policy.
#[derive(Clone, Debug)]
pub struct Simulation<'a> {
    /// How long serving takes.
    pub profile: &'a ServiceProfile,
    /// Where it runs.
    pub cluster: &'a Cluster,
    /// What was promised.
    pub objectives: &'a [Objective],
    /// Replicas that are ready from the first moment on; see [`Cluster::initial_replicas`].
    pub initial_replicas: u32,
    /// Where all chance comes from: the same seed gives the same bytes.
    pub seed: u64,
    /// The step of the timeline in seconds; `None` records none.
    pub step_seconds: Option<f64>,
}

/// Who watches a simulation.
pub trait Watch {
    /// So many requests have arrived since the last call. `false` cancels the simulation.
    fn proceeds(&mut self, arrived: u64) -> bool;

    /// Whether it is worth going on, asked at every scrape. `false` ends the simulation there: what came of
    /// it until then is its result, and says so ([`Simulated::ended_early`]).
    fn goes_on(&mut self, standing: &Standing<'_>) -> bool {
        let _ = standing;
        true
    }

    /// Whether [`Watch::decided`] is wanted; it costs time.
    fn wants_records(&self) -> bool {
        false
    }

    /// A decision was made.
    ///
    /// # Errors
    ///
    /// Ends the simulation.
    fn decided(&mut self, record: &DecisionRecord) -> std::io::Result<()> {
        let _ = record;
        Ok(())
    }
}

/// Nobody watches.
#[derive(Copy, Clone, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn proceeds(&mut self, _: u64) -> bool {
        true
    }
}

/// How a simulation stands.
#[derive(Debug)]
pub struct Standing<'a> {
    now: Moment,
    fleet: &'a Fleet<'a>,
}

impl Standing<'_> {
    /// What the nodes have been used for.
    pub fn pools(&self) -> Vec<PoolUse> {
        self.fleet.pool_use(self.now)
    }

    /// Requests that are known not to be within each objective, in their order.
    pub fn missed(&self) -> impl Iterator<Item = u64> {
        self.fleet.recorder.missed()
    }
}

/// What came of a simulation.
#[derive(Debug)]
pub struct Simulated {
    /// Who watched it ended it before the last request ([`Watch::goes_on`]).
    pub ended_early: bool,
    /// When it ended: with the last request, whatever else was to come, or when those that were left were given up.
    pub ended: Moment,
    /// What became of the requests.
    pub requests: RequestCounts,
    /// How far the objectives were met, in their order.
    pub attainment: Vec<Attained>,
    /// What users felt.
    pub latency: Latency,
    /// Where the replicas' time went.
    pub replica_seconds: ReplicaSeconds,
    /// Ready replica-seconds minute by minute.
    pub ready_minutes: Vec<f64>,
    /// What the nodes did.
    pub pools: Vec<PoolUse>,
    /// The work of the requests that were served within all objectives.
    pub timely: BoundBuilder,
    /// Replicas that were started.
    pub starts: u64,
    /// Replicas that were stopped by a decision.
    pub stops: u64,
    /// Replicas whose node was lost or taken back, but for those that were draining already.
    pub losses: u64,
    /// Decisions.
    pub decisions: u64,
    /// The course of it, but for [`Timeline::need`].
    pub timeline: Timeline,
}

/// Why a simulation did not come to its end.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// The workload is at fault.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// The observation does not fit the policy.
    #[error(transparent)]
    Observation(#[from] ObservationError),
    /// Policy and cluster do not speak of the same pools.
    #[error(transparent)]
    Pools(#[from] PoolsDisagree),
    /// Who watched it ended it.
    #[error("the simulation was cancelled")]
    Cancelled,
    /// Who watched it could not write a decision down.
    #[error("can't write the decision log: {0}")]
    Log(#[from] std::io::Error),
}

impl Simulation<'_> {
    /// Runs a policy on a workload, to the last request.
    ///
    /// # Errors
    ///
    /// What is wrong with the workload, or comes from `watch`.
    pub fn run(
        &self,
        workload: &dyn Workload,
        policy: &Policy,
        bindings: &Bindings,
        watch: &mut dyn Watch,
    ) -> Result<Simulated, SimulationError> {
        agreement::check(policy, self.cluster, self.profile)?;
        let timely = BoundBuilder::new(self.profile, self.objectives, Overlap::None, BIN_SECONDS);
        let recorder = Recorder::new(self.objectives, timely, self.step_seconds);
        let initial = self.initial_replicas;
        let mut fleet =
            Fleet::new(self.profile, self.cluster, self.seed, initial, policy, recorder);
        let spec_replicas = i32::try_from(initial).unwrap_or(i32::MAX);
        let mut control = Control::new(policy, bindings, spec_replicas);
        fleet
            .agenda
            .enter(Moment::from_seconds(self.cluster.metrics().scrape_seconds), Event::Scrape);
        fleet.agenda.enter(Moment::from_nanos(control.period_nanos()), Event::Decide);
        if let Some(interval) = control.sampling_nanos() {
            fleet.agenda.enter_first(Moment::from_nanos(interval), Event::Sample);
        }

        let mut requests = workload.requests()?;
        let mut arrival = requests.next().transpose()?;
        let mut last_arrival = Moment::START;
        let mut unreported = 0;
        loop {
            let planned = fleet.agenda.next();
            let happens = fleet.next_event();
            let arrives = arrival.map_or(Moment::NEVER, |request| request.arrival);
            let now = arrives.min(happens).min(planned);
            if arrives < planned.min(happens) {
                if let Some(request) = arrival {
                    fleet.arrive(request);
                    unreported += 1;
                    last_arrival = arrives;
                }
                arrival = requests.next().transpose()?;
            } else if happens <= planned {
                fleet.advance();
            } else {
                let event = fleet.agenda.take();
                self.carry_out(event, &mut fleet, &mut control, now, watch)?;
                if !watch.proceeds(core::mem::take(&mut unreported)) {
                    return Err(SimulationError::Cancelled);
                }
                let scraped = event == Some(Event::Scrape);
                if scraped && !watch.goes_on(&Standing { now, fleet: &fleet }) {
                    return Ok(Simulated { ended_early: true, ..fleet.finish(now) });
                }
            }
            let given_up = || now > last_arrival.after_seconds(TAIL_SECONDS);
            if arrival.is_none() && (!fleet.is_serving() || given_up()) {
                if !watch.proceeds(unreported) {
                    return Err(SimulationError::Cancelled);
                }
                return Ok(fleet.finish(now));
            }
        }
    }

    fn carry_out(
        &self,
        event: Option<Event>,
        fleet: &mut Fleet<'_>,
        control: &mut Control<'_>,
        now: Moment,
        watch: &mut dyn Watch,
    ) -> Result<(), SimulationError> {
        match event {
            Some(Event::Scrape) => {
                fleet.scrape(now);
                let next = now.after_seconds(self.cluster.metrics().scrape_seconds);
                fleet.agenda.enter(next, Event::Scrape);
            }
            Some(Event::Sample) => {
                control.sample(now, fleet.load(now));
                if let Some(interval) = control.sampling_nanos() {
                    fleet.agenda.enter_first(now.after_nanos(interval), Event::Sample);
                }
            }
            Some(Event::Decide) => {
                self.decide(fleet, control, now, watch)?;
                fleet.agenda.enter(now.after_nanos(control.period_nanos()), Event::Decide);
            }
            Some(Event::Apply { replicas }) => fleet.scale_to(now, replicas),
            Some(Event::CarryOut) => fleet.carry_out(now),
            Some(Event::Started { slot, replica }) => fleet.start_ended(now, slot, replica),
            Some(Event::DrainEnds { slot, replica }) => fleet.drain_ended(now, slot, replica),
            None => {}
        }
        Ok(())
    }

    fn decide(
        &self,
        fleet: &mut Fleet<'_>,
        control: &mut Control<'_>,
        now: Moment,
        watch: &mut dyn Watch,
    ) -> Result<(), SimulationError> {
        let detail = match (watch.wants_records(), fleet.recorder.explains()) {
            (true, _) => Detail::Record,
            (false, true) => Detail::Trace,
            (false, false) => Detail::Count,
        };
        let with_nodes = control.asks_for_nodes();
        let pods = fleet.pods(with_nodes);
        let warm = fleet.warm_counts();
        let pools = if with_nodes { fleet.pool_views(now) } else { Vec::new() };
        let (decision, record) =
            control.decide(now, &fleet.scraper, &pods, warm, &pools, detail)?;
        if let Some(record) = record {
            watch.decided(&record)?;
        }
        let at = now.after_seconds(self.cluster.control().apply_seconds);
        if let Some(orders) = fleet.orders_of(&decision, &pods) {
            fleet.order(at, orders);
        } else if let Some(replicas) = decision.scale_to {
            let replicas = u32::try_from(replicas).unwrap_or(0);
            fleet.agenda.enter(at, Event::Apply { replicas });
        }
        fleet.recorder.decided(now, decision);
        Ok(())
    }
}

impl Simulated {
    /// Seconds of minutes in which the ready replicas could do less than the work that arrived,
    /// `need` being that work in replicas, minute by minute.
    pub fn under_provisioned_seconds(&self, need: &[f64]) -> f64 {
        let ready = self.ready_minutes.iter().copied().chain(std::iter::repeat(0.0));
        let short = need.iter().zip(ready).filter(|(need, ready)| **need * MINUTE_SECONDS > *ready);
        short.count() as f64 * MINUTE_SECONDS
    }
}
