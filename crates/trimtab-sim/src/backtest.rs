//! Policies on workloads: every one on every one, at every lead time, in parallel.

use std::collections::BTreeMap;

use rayon::prelude::*;
use thiserror::Error;
use trimtab_engine::{DecisionRecord, Policy};

use crate::bound::BoundBuilder;
use crate::cluster::Cluster;
use crate::metrics::Bindings;
use crate::report::mark_front;
use crate::simulation::{Simulated, Simulation, SimulationError, Standing, Watch};
use crate::supply::PoolUse;
use crate::survey::{Survey, SurveyError, survey};
use crate::{
    Backtest, BoundSummary, Comparison, Objective, PoolCost, Run, ServiceProfile, Settings,
    Workload,
};

/// A policy that takes part.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What to call it.
    pub name: String,
    /// The fields that a sweep set, by path.
    pub tuning: BTreeMap<String, String>,
    /// The policy.
    pub policy: Policy,
    /// Where its metrics come from.
    pub bindings: Bindings,
    /// A cost at which all objectives can be met: as soon as it is sure that this one costs more or misses an
    /// objective, its run [ends](Run::ended_early). `None`: it runs to the end, come what may.
    pub to_beat: Option<f64>,
}

/// A cluster, and what to call its lead time.
#[derive(Clone, Debug)]
pub struct Site {
    /// As it is written in the report.
    pub lead_time: String,
    /// The cluster.
    pub cluster: Cluster,
}

/// What to compare.
pub struct Plan {
    /// How long serving takes.
    pub profile: ServiceProfile,
    /// What was promised; policies are ranked by the first.
    pub objectives: Vec<Objective>,
    /// Where all chance comes from.
    pub seed: u64,
    /// What arrives.
    pub workloads: Vec<Box<dyn Workload>>,
    /// Where it is served, once for every lead time.
    pub sites: Vec<Site>,
    /// Who decides.
    pub candidates: Vec<Candidate>,
    /// Whether timelines are recorded.
    pub timelines: bool,
    /// Settings to show in the report.
    pub details: Vec<(String, String)>,
}

/// Who hears how far a backtest has come. Called from several threads.
pub trait Progress: Sync {
    /// So many requests are to be simulated in all.
    fn begins(&self, requests: u64) {
        let _ = requests;
    }

    /// So many more were. `false` ends the backtest.
    fn proceeds(&self, requests: u64) -> bool {
        let _ = requests;
        true
    }
}

/// Nobody hears.
#[derive(Copy, Clone, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {}

/// Why a backtest did not come to its end.
#[derive(Debug, Error)]
pub enum BacktestError {
    /// A workload can't be served.
    #[error(transparent)]
    Survey(#[from] SurveyError),
    /// A simulation failed.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// There are no threads to be had.
    #[error("can't start {jobs} threads: {reason}")]
    Threads {
        /// How many were asked for.
        jobs: usize,
        /// Why not.
        reason: String,
    },
}

/// Steps of a timeline: about as many as a chart has pixels to show.
const STEPS: f64 = 480.0;
/// No step is shorter.
const SHORTEST_STEP_SECONDS: f64 = 5.0;
const SECONDS_PER_HOUR: f64 = 3600.0;
const MINUTE_SECONDS: f64 = 60.0;

impl Plan {
    /// Compares, with so many threads (0: one per core).
    ///
    /// Whatever the threads, the result is the same to the byte.
    ///
    /// # Errors
    ///
    /// The first error by the order of workloads, lead times and policies. Nothing runs before every
    /// workload was surveyed.
    pub fn run(&self, jobs: usize, progress: &dyn Progress) -> Result<Backtest, BacktestError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
        let pool =
            pool.map_err(|error| BacktestError::Threads { jobs, reason: error.to_string() })?;
        pool.install(|| self.compare(progress))
    }

    fn compare(&self, progress: &dyn Progress) -> Result<Backtest, BacktestError> {
        let surveys: Vec<Survey> = self
            .workloads
            .par_iter()
            .map(|workload| survey(workload.as_ref(), &self.profile, &self.objectives))
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<_, _>>()?;
        let requests: u64 = surveys.iter().map(|survey| survey.summary.requests).sum();
        progress.begins(requests * (self.sites.len() * self.candidates.len()) as u64);

        let cases: Vec<Case<'_>> = self
            .workloads
            .iter()
            .zip(&surveys)
            .flat_map(|(workload, survey)| {
                let case =
                    move |site| Case { plan: self, workload: workload.as_ref(), survey, site };
                self.sites.iter().map(case)
            })
            .collect();
        let runs: Vec<Run> = cases
            .iter()
            .flat_map(|case| self.candidates.iter().map(move |candidate| (case, candidate)))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(case, candidate)| case.run(candidate, progress))
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<_, _>>()?;

        let mut runs = runs.into_iter();
        let comparisons = cases.iter().map(|case| {
            let runs = runs.by_ref().take(self.candidates.len()).collect();
            case.conclude(runs)
        });
        Ok(Backtest { comparisons: comparisons.collect(), settings: self.settings() })
    }

    fn settings(&self) -> Settings {
        let cost_unit = self.sites.first().map_or("GPU-hours", |site| site.cluster.cost_unit());
        Settings {
            trimtab: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.seed,
            profile: self.profile.name.clone(),
            objectives: self.objectives.clone(),
            cost_unit: cost_unit.to_owned(),
            details: self.details.clone(),
        }
    }

    /// One simulation with every decision recorded: the first workload, the first lead time and this
    /// candidate.
    ///
    /// # Errors
    ///
    /// What is wrong with the workload, and what `each` returns.
    pub fn record(
        &self,
        candidate: &Candidate,
        each: &mut dyn FnMut(&DecisionRecord) -> std::io::Result<()>,
    ) -> Result<(), BacktestError> {
        let (Some(workload), Some(site)) = (self.workloads.first(), self.sites.first()) else {
            return Ok(());
        };
        let survey = survey(workload.as_ref(), &self.profile, &self.objectives)?;
        let case = Case { plan: self, workload: workload.as_ref(), survey: &survey, site };
        let simulation = self.simulation(site, case.initial_replicas(candidate), None);
        let mut watch = Recording { each };
        simulation.run(workload.as_ref(), &candidate.policy, &candidate.bindings, &mut watch)?;
        Ok(())
    }

    fn simulation<'a>(
        &'a self,
        site: &'a Site,
        initial_replicas: u32,
        step_seconds: Option<f64>,
    ) -> Simulation<'a> {
        Simulation {
            profile: &self.profile,
            cluster: &site.cluster,
            objectives: &self.objectives,
            initial_replicas,
            seed: self.seed,
            step_seconds,
        }
    }
}

/// One workload at one lead time.
struct Case<'a> {
    plan: &'a Plan,
    workload: &'a dyn Workload,
    survey: &'a Survey,
    site: &'a Site,
}

impl Case<'_> {
    fn run(&self, candidate: &Candidate, progress: &dyn Progress) -> Result<Run, SimulationError> {
        let step = (self.survey.summary.seconds / STEPS).max(SHORTEST_STEP_SECONDS);
        let step = self.plan.timelines.then(|| libm::ceil(step));
        let may_miss = self.plan.objectives.iter();
        let may_miss = may_miss.map(|objective| self.survey.may_miss(objective.share)).collect();
        let mut watch =
            Reporting { case: self, progress, to_beat: candidate.to_beat, may_miss, arrived: 0 };
        let initial_replicas = self.initial_replicas(candidate);
        let simulation = self.plan.simulation(self.site, initial_replicas, step);
        let done =
            simulation.run(self.workload, &candidate.policy, &candidate.bindings, &mut watch)?;
        if done.ended_early {
            progress.proceeds(self.survey.summary.requests.saturating_sub(watch.arrived));
        }
        Ok(self.assess(candidate, done))
    }

    fn assess(&self, candidate: &Candidate, done: Simulated) -> Run {
        let bound = if done.ended_early {
            0.0 // it says nothing of a part
        } else {
            self.least(&done.timely, self.initial_replicas(candidate))
        };
        let spent = done.replica_seconds.spent();
        let under = done.under_provisioned_seconds(&self.survey.work.need(MINUTE_SECONDS));
        let mut timeline = done.timeline;
        if timeline.step_seconds > 0.0 {
            timeline.need = self.survey.work.need(timeline.step_seconds);
            timeline.need.resize(timeline.ready.len(), 0.0);
        }
        let pools: Vec<PoolCost> = done.pools.into_iter().map(|pool| self.bill(pool)).collect();
        Run {
            policy: candidate.name.clone(),
            digest: candidate.policy.digest(),
            tuning: candidate.tuning.clone(),
            ended_early: done.ended_early,
            requests: done.requests,
            attainment: done.attainment,
            latency: done.latency,
            replica_seconds: done.replica_seconds,
            cost: pools.iter().map(|pool| pool.cost).sum(),
            pools,
            starts: done.starts,
            stops: done.stops,
            losses: done.losses,
            under_provisioned_seconds: under,
            bound_replica_seconds: bound,
            efficiency: if spent > 0.0 { bound / spent } else { 0.0 },
            on_front: false,
            decisions: done.decisions,
            timeline,
        }
    }

    fn conclude(&self, mut runs: Vec<Run>) -> Comparison {
        mark_front(&mut runs);
        Comparison {
            workload: self.survey.summary.clone(),
            lead_time: self.site.lead_time.clone(),
            bound: self.bound(),
            runs,
        }
    }

    /// Serving everything within the objectives on the cheapest GPUs, from as many replicas as any of
    /// the candidates begins with.
    fn bound(&self) -> BoundSummary {
        let cluster = &self.site.cluster;
        let candidates = self.plan.candidates.iter();
        let initial = candidates.map(|candidate| self.initial_replicas(candidate)).max();
        let initial = initial.unwrap_or(0);
        let replica_seconds = self.least(&self.survey.work, initial);
        let pools = cluster.pools().iter();
        let price = pools.map(|pool| self.price(pool.gpu_hour_price)).min_by(f64::total_cmp);
        let gpu_hours = replica_seconds * f64::from(self.plan.profile.gpus) / SECONDS_PER_HOUR;
        BoundSummary { replica_seconds, cost: gpu_hours * price.unwrap_or(1.0) }
    }

    fn initial_replicas(&self, candidate: &Candidate) -> u32 {
        self.site.cluster.initial_replicas(&candidate.policy, self.survey.need_at_start())
    }

    /// The least replica-seconds for this work, from so many replicas and the warm pool on.
    fn least(&self, work: &BoundBuilder, initial: u32) -> f64 {
        let cluster = &self.site.cluster;
        let initial = initial.saturating_add(cluster.warm_pool().size);
        work.finish(cluster.least_start_seconds(), initial).replica_seconds
    }

    /// What a pool costs.
    fn bill(&self, pool: PoolUse) -> PoolCost {
        let gpu_hours = pool.gpu_seconds / SECONDS_PER_HOUR;
        let price = self.price(pool.gpu_hour_price);
        PoolCost { pool: pool.pool, gpu_hours, cost: gpu_hours * price }
    }

    /// Of a GPU-hour in the unit of the costs.
    fn price(&self, price: Option<f64>) -> f64 {
        if self.site.cluster.has_prices() { price.unwrap_or(0.0) } else { 1.0 }
    }
}

struct Reporting<'a> {
    case: &'a Case<'a>,
    progress: &'a dyn Progress,
    to_beat: Option<f64>,
    /// Requests that may miss each objective.
    may_miss: Vec<u64>,
    /// Those that were reported.
    arrived: u64,
}

impl Watch for Reporting<'_> {
    fn proceeds(&mut self, arrived: u64) -> bool {
        self.arrived += arrived;
        self.progress.proceeds(arrived)
    }

    fn goes_on(&mut self, standing: &Standing<'_>) -> bool {
        let Some(to_beat) = self.to_beat else { return true };
        let cost: f64 = standing.pools().into_iter().map(|pool| self.case.bill(pool).cost).sum();
        cost <= to_beat && standing.missed().zip(&self.may_miss).all(|(missed, may)| missed <= *may)
    }
}

struct Recording<'a> {
    each: &'a mut dyn FnMut(&DecisionRecord) -> std::io::Result<()>,
}

impl Watch for Recording<'_> {
    fn proceeds(&mut self, _: u64) -> bool {
        true
    }

    fn wants_records(&self) -> bool {
        true
    }

    fn decided(&mut self, record: &DecisionRecord) -> std::io::Result<()> {
        (self.each)(record)
    }
}
