//! A load at a size: everybody is tuned on it at a lead time.

use std::slice;

use trimtab_metric::Span;
use trimtab_sim::{Candidate, Cluster, Plan, Run, ServiceProfile, SurveyError, survey};

use super::load::{Part, SizedLoad, at_scale, sized};
use super::search::{Search, Winner};
use super::trials::Trials;
use super::tunings::{Circumstances, entrants};
use crate::backtest::args::{BacktestArgs, LoadArgs};
use crate::backtest::failure::workload_error;
use crate::backtest::progress::Bar;
use crate::backtest::{jobs, setting};
use crate::error::CommandError;
use crate::process::{Interrupt, Process};

/// How long whoever is told to stop has, where nothing else is said: enough for the longest answers of any load.
/// With 30 s, a cluster's default, up to a hundredth of them would be cut where they are long, and who is
/// compared would be tuned around that.
const GRACE: Span = Span::from_secs(900);

/// A load at a size.
pub(super) struct Case<'a> {
    pub(super) args: &'a BacktestArgs,
    pub(super) load: &'a LoadArgs,
    pub(super) replicas: f64,
    pub(super) interrupt: &'a Interrupt,
}

/// What came of the search on a load.
pub(super) struct Compared {
    pub(super) load: String,
    pub(super) lead_time: String,
    /// Of everybody's best tuning, over all seeds that they were tuned on.
    pub(super) best: Vec<Run>,
    /// Of the same tunings on each of the other seeds.
    pub(super) other_seeds: Vec<Vec<Run>>,
    /// Of the same tunings, and `slo` with an error budget besides, on what comes after, if there is anything: with
    /// as many replicas as are tried at most, since a bound that the first part needs no more than may be too little
    /// for the next, and would be all that is compared.
    pub(super) later: Vec<Vec<Run>>,
}

impl Case<'_> {
    /// What serves, and where.
    fn fleet(&self) -> Result<(ServiceProfile, Cluster), CommandError> {
        let mut fleet = self.args.setting.fleet.clone();
        if fleet.cluster.is_none() {
            fleet.grace_period.get_or_insert(GRACE);
        }
        setting::fleet(&fleet)
    }

    /// The seeds that everybody is tuned on, and those after them.
    fn seeds(&self) -> (Vec<u64>, Vec<u64>) {
        let first = self.args.setting.seed;
        let tuned_on = first.saturating_add(self.args.suite.tuning_seeds.into());
        let others = tuned_on.saturating_add(self.args.suite.other_seeds.into());
        ((first..tuned_on).collect(), (tuned_on..others).collect())
    }

    pub(super) fn sized(&self) -> Result<Result<SizedLoad, SurveyError>, CommandError> {
        let (profile, _) = self.fleet()?;
        let size = (self.replicas, self.args.suite.most_requests);
        let (seeds, _) = self.seeds();
        let objectives = &self.args.setting.objectives;
        sized(self.load, &seeds, &profile, objectives, size, self.interrupt)
    }

    /// Everybody with every tuning, and with the best on the other seeds and on what comes after.
    pub(super) fn compare(
        &self,
        sized: &SizedLoad,
        lead_time: Span,
        process: Process,
    ) -> Result<Compared, CommandError> {
        let setting = &self.args.setting;
        let (profile, _) = self.fleet()?;
        let circumstances = Circumstances {
            profile: &profile,
            capacity: sized.capacity,
            peak: sized.peak,
            replicas: self.replicas,
            lead_time_seconds: lead_time.as_millis() / 1000,
        };
        let entrants = entrants(&circumstances)?;
        let tunings = usize::from(self.args.suite.tunings);
        let search = |entrant| Search::new(entrant, &setting.objectives, tunings, setting.seed);
        let mut searches: Vec<Search<'_>> = entrants.iter().map(search).collect();
        let bar = Bar::new(process, self.interrupt);
        let trials = |loads: Vec<(Part, u64)>| -> Result<Trials<'_>, CommandError> {
            let plan = |(load, seed)| self.plan(load, lead_time, seed);
            let plans = loads.into_iter().map(plan).collect::<Result<_, _>>()?;
            Ok(Trials { plans, jobs: jobs(setting), bar: &bar, interrupt: self.interrupt })
        };
        let (seeds, other_seeds) = self.seeds();
        let mut tuned_on = trials(sized.workloads.iter().cloned().zip(seeds).collect())?;
        tune(&mut searches, &mut tuned_on)?;
        let winners = searches.iter().filter_map(|search| search.winner().transpose());
        let winners: Vec<Winner> = winners.collect::<Result<_, CommandError>>()?;
        let best = winners.iter().map(|winner| winner.run.clone()).collect();
        let tuned: Vec<Candidate> = winners.iter().map(|winner| winner.tuned.clone()).collect();
        let unbound = winners.iter().map(|winner| winner.unbound.clone());
        let budgeted = winners.iter().filter_map(|winner| winner.budgeted.clone());
        let lasting: Vec<Candidate> = unbound.chain(budgeted).collect();
        let made_by = |seed| {
            let most = self.args.suite.most_requests;
            Ok((at_scale(self.load, seed, sized.rate_scale, most, self.interrupt)?, seed))
        };
        let others: Result<Vec<(Part, u64)>, CommandError> =
            other_seeds.into_iter().map(made_by).collect();
        let other_seeds = trials(others?)?.run_each(&tuned)?;
        let later = self.later(sized)?.map(|part| (part, setting.seed));
        let later = trials(later.into_iter().collect())?.run_each(&lasting)?;
        let (load, lead_time) = tuned_on.names();
        Ok(Compared { load, lead_time, best, other_seeds, later })
    }

    /// What comes after the requests that everybody is tuned on, as the first seed makes it: nothing where that is
    /// less than half as many, or can't be served within the objectives at all.
    fn later(&self, sized: &SizedLoad) -> Result<Option<Part>, CommandError> {
        let suite = &self.args.suite;
        let most = suite.later_requests.unwrap_or(suite.most_requests);
        let later = sized.workloads.first().map(|first| first.later(most));
        let Some(later) = later.filter(|_| most > 0) else { return Ok(None) };
        if !later.has(suite.most_requests.div_ceil(2).min(most)).map_err(workload_error)? {
            return Ok(None);
        }
        let (profile, _) = self.fleet()?;
        match survey(&later, &profile, &self.args.setting.objectives) {
            Ok(_) => Ok(Some(later)),
            Err(SurveyError::Impossible { .. }) => Ok(None),
            Err(SurveyError::Workload(error)) => Err(workload_error(error)),
        }
    }

    /// Of nobody yet.
    fn plan(&self, load: Part, lead_time: Span, seed: u64) -> Result<Plan, CommandError> {
        let (profile, cluster) = self.fleet()?;
        Ok(Plan {
            profile,
            objectives: self.args.setting.objectives.clone(),
            seed,
            workloads: vec![Box::new(load)],
            sites: setting::sites(cluster, &[lead_time])?,
            candidates: Vec::new(),
            timelines: false,
            details: Vec::new(),
        })
    }
}

/// First the fleet that stays, from which everybody starts; then the peers, and `slo` starts from where they are best,
/// too, as who comes from them would.
fn tune(searches: &mut [Search<'_>], on: &mut Trials<'_>) -> Result<(), CommandError> {
    let [own, peers @ .., fixed] = searches else { return Ok(()) };
    search_on(on, slice::from_mut(fixed))?;
    peers.iter_mut().for_each(|peer| peer.start_below(fixed));
    peers.iter_mut().for_each(|peer| peer.start_like(fixed));
    search_on(on, peers)?;
    own.start_below(fixed);
    peers.iter().chain([&*fixed]).for_each(|other| own.start_like(other));
    search_on(on, slice::from_mut(own))
}

/// Runs what these searches ask for, until none asks for more.
fn search_on(trials: &mut Trials<'_>, searches: &mut [Search<'_>]) -> Result<(), CommandError> {
    loop {
        let mut candidates = Vec::new();
        let mut counts = Vec::new();
        for search in searches.iter_mut() {
            let next = search.next()?;
            counts.push(next.len());
            candidates.extend(next);
        }
        if candidates.is_empty() {
            return Ok(());
        }
        let mut runs = trials.run(&candidates)?.into_iter();
        for (search, count) in searches.iter_mut().zip(&counts) {
            search.note(runs.by_ref().take(*count).collect());
        }
    }
}
