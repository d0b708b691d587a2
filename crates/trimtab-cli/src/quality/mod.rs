//! `trimtab backtest --suite quality`: `slo` against the peers, everybody at their best tuning.
//!
//! On every load, at every size and lead time, each is tuned in its targets, bounds and windows, on the very load
//! that is then compared on: nobody can be tuned better than that, `slo` included.

pub(crate) mod args;
mod contenders;
mod likenesses;
mod load;
mod scale;
mod search;
mod table;
mod tunings;

use std::collections::BTreeMap;
use std::io::Write;
use std::slice;

use trimtab_metric::Span;
use trimtab_sim::{
    Candidate, Cluster, Comparison, Plan, Run, Scenario, ServiceProfile, SurveyError,
};

use crate::Exit;
use crate::backtest::args::{BacktestArgs, LoadArgs};
use crate::backtest::failure::backtest_error;
use crate::backtest::progress::Bar;
use crate::backtest::{jobs, setting};
use crate::error::CommandError;
use crate::process::{Interrupt, Process};
use load::{First, SizedLoad};
use search::Search;
use table::{Again, Outcome, Row, head, on_other_seeds};
use tunings::{Circumstances, entrants};

/// Lead times where none are given, in seconds.
const LEAD_TIMES: [i64; 3] = [30, 120, 300];

pub(crate) fn run(
    args: &BacktestArgs,
    process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let interrupt = process.note_interrupt();
    let mut lead_times = args.setting.fleet.lead_times.clone();
    if lead_times.is_empty() {
        lead_times = LEAD_TIMES.into_iter().map(Span::from_secs).collect();
    }
    let mut tally: BTreeMap<Outcome, u32> = BTreeMap::new();
    let mut again = Vec::new();
    head(out)?;
    for load in loads(&args.setting.load) {
        for replicas in &args.suite.replicas {
            let case = Case { args, load: &load, replicas: *replicas, interrupt: &interrupt };
            let sized = match case.sized()? {
                Ok(sized) => sized,
                Err(impossible) => {
                    writeln!(err, "note: left out: {impossible}")?;
                    break;
                }
            };
            for lead_time in &lead_times {
                let (comparison, winners) = case.compare(&sized, *lead_time, process)?;
                let (replicas, rate_scale) = (*replicas, sized.rate_scale);
                let row = Row { comparison: &comparison, replicas, rate_scale };
                let result = row.write(&args.setting.objectives, out)?;
                row.tell_tunings(&args.setting.objectives, err)?;
                *tally.entry(result).or_default() += 1;
                if !args.suite.other_seeds.is_empty() {
                    let runs = case.on_other_seeds(&sized, *lead_time, &winners, process)?;
                    again.push(Again { comparison, replicas, runs });
                }
            }
        }
    }
    let count = |outcome| tally.get(&outcome).copied().unwrap_or(0);
    let lost = count(Outcome::Loses);
    writeln!(
        out,
        "\n`slo` wins {} rows, is even in {} and loses {lost}.",
        count(Outcome::Wins),
        count(Outcome::Even)
    )?;
    if !again.is_empty() {
        on_other_seeds(&again, &args.suite.other_seeds, out)?;
    }
    Ok(if lost > 0 && args.fail_on_miss { Exit::No } else { Exit::Done })
}

/// The loads one by one; every scenario where none is given.
fn loads(args: &LoadArgs) -> Vec<LoadArgs> {
    let none = LoadArgs { traces: Vec::new(), scenarios: Vec::new(), ..args.clone() };
    let mut scenarios = args.scenarios.clone();
    if scenarios.is_empty() && args.traces.is_empty() {
        scenarios = Scenario::names().map(str::to_owned).collect();
    }
    let traces = args.traces.iter();
    let traces = traces.map(|file| LoadArgs { traces: vec![file.clone()], ..none.clone() });
    let scenarios = scenarios.into_iter();
    let scenarios = scenarios.map(|name| LoadArgs { scenarios: vec![name], ..none.clone() });
    traces.chain(scenarios).collect()
}

/// How long whoever is told to stop has, where nothing else is said: enough for the longest answers of any load.
/// With 30 s, a cluster's default, up to a hundredth of them would be cut where they are long, and who is
/// compared would be tuned around that.
const GRACE: Span = Span::from_secs(900);

/// A load at a size.
struct Case<'a> {
    args: &'a BacktestArgs,
    load: &'a LoadArgs,
    replicas: f64,
    interrupt: &'a Interrupt,
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

    fn sized(&self) -> Result<Result<SizedLoad, SurveyError>, CommandError> {
        let setting = &self.args.setting;
        let (profile, _) = self.fleet()?;
        let size = (self.replicas, self.args.suite.most_requests);
        load::sized(self.load, setting.seed, &profile, &setting.objectives, size, self.interrupt)
    }

    /// Everybody with every tuning, and the best of each.
    fn compare(
        &self,
        sized: &SizedLoad,
        lead_time: Span,
        process: Process,
    ) -> Result<(Comparison, Vec<Candidate>), CommandError> {
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
        let mut plan = self.plan(sized.workload.clone(), lead_time, setting.seed)?;
        let bar = Bar::new(process, self.interrupt);
        let mut of_all: Option<Comparison> = None;
        // First the fleet that stays, from which everybody starts; then the peers, and `slo` starts from
        // where they are best, too, as who comes from them would.
        if let [own, peers @ .., fixed] = searches.as_mut_slice() {
            self.search(slice::from_mut(fixed), &mut plan, &bar, &mut of_all)?;
            peers.iter_mut().for_each(|peer| peer.start_below(fixed));
            peers.iter_mut().for_each(|peer| peer.start_like(fixed));
            self.search(peers, &mut plan, &bar, &mut of_all)?;
            own.start_below(fixed);
            peers.iter().chain([&*fixed]).for_each(|other| own.start_like(other));
            self.search(slice::from_mut(own), &mut plan, &bar, &mut of_all)?;
        }
        let winners: Result<Vec<_>, CommandError> = searches.iter().map(Search::winner).collect();
        let winners = winners?.into_iter().flatten().collect();
        let runs = searches.into_iter().flat_map(Search::into_runs).collect();
        let of_all = of_all.ok_or_else(|| CommandError::argument("there is no load"))?;
        Ok((Comparison { runs, ..of_all }, winners))
    }

    /// How these do on each of the other seeds.
    fn on_other_seeds(
        &self,
        sized: &SizedLoad,
        lead_time: Span,
        candidates: &[Candidate],
        process: Process,
    ) -> Result<Vec<Vec<Run>>, CommandError> {
        let bar = Bar::new(process, self.interrupt);
        let of_seed = |seed: &u64| {
            let load = load::of_seed(self.load, *seed, sized, self.interrupt)?;
            let mut plan = self.plan(load, lead_time, *seed)?;
            plan.candidates = candidates.to_vec();
            let comparisons = self.backtest(&plan, &bar)?.into_iter();
            Ok(comparisons.flat_map(|comparison| comparison.runs).collect())
        };
        self.args.suite.other_seeds.iter().map(of_seed).collect()
    }

    /// Of nobody yet.
    fn plan(&self, load: First, lead_time: Span, seed: u64) -> Result<Plan, CommandError> {
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

    fn backtest(&self, plan: &Plan, bar: &Bar) -> Result<Vec<Comparison>, CommandError> {
        let backtest = plan.run(jobs(&self.args.setting), bar);
        let backtest = backtest.map_err(|error| backtest_error(error, self.interrupt))?;
        Ok(backtest.comparisons)
    }

    /// Runs what these searches ask for, until none asks for more.
    fn search(
        &self,
        searches: &mut [Search<'_>],
        plan: &mut Plan,
        bar: &Bar,
        of_all: &mut Option<Comparison>,
    ) -> Result<(), CommandError> {
        loop {
            let mut counts = Vec::new();
            for search in searches.iter_mut() {
                let next = search.next()?;
                counts.push(next.len());
                plan.candidates.extend(next);
            }
            if plan.candidates.is_empty() {
                return Ok(());
            }
            let comparisons = self.backtest(plan, bar)?;
            plan.candidates.clear();
            for mut comparison in comparisons {
                let mut runs = core::mem::take(&mut comparison.runs).into_iter();
                for (search, count) in searches.iter_mut().zip(&counts) {
                    search.note(runs.by_ref().take(*count).collect());
                }
                of_all.get_or_insert(comparison);
            }
        }
    }
}
