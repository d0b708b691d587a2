//! How everybody is tuned: each way to be run to about where it meets the objectives, and then ever closer
//! around the best of them.

use std::collections::BTreeSet;
use std::ops::Range;

use trimtab_sim::report::best_of_each;
use trimtab_sim::{Candidate, Objective, Random, Run};

use super::tunings::{Entrant, Place};
use crate::error::CommandError;

/// How many ways to be run go on after each halving, those first that may be the cheapest.
const GO_ON: &[usize] = &[14, 10, 6, 4, 3, 0];
/// A way that is the only one, until nothing new comes of it.
const ALONE: &[usize] = &[1; 12];
/// With an eighth more capacity half as many requests miss an objective: about that was seen before a jump, and it
/// only ranks. How many more than so many times what may is no matter.
const COST_OF_MISSED: f64 = 1.0 / 6.0;
const MOST_MISSED: f64 = 10.0;
/// A cost that is higher by so small a share is no reason to meet the objectives only just.
const HARDLY: f64 = 0.005;
/// From so many of them, since what is best there need not lead to the best there is; after each round one
/// ends, until the best is left.
const CLIMBS: usize = 3;
/// So many tunings are tried at once, around the best of a climb.
const ROUND: usize = 6;
/// How far neighbours are at first, in steps of the grid, by what that grows after a better one was
/// found and shrinks otherwise, and where that ends.
const FIRST_STEP: f64 = 0.6;
const GROWS: f64 = 1.3;
const SHRINKS: f64 = 0.8;
const LEAST_STEP: f64 = 0.1;
/// How many axes move at once, in the mean and at most half of them.
const MOVED: f64 = 2.25;

/// The search for the best tuning of one: the same number of tunings for everybody.
///
/// First it halves: every way to be run is moved along its axis, to less where it meets the objectives and to
/// more where it does not, and fewer and fewer of them. Then it climbs: neighbours of the best are drawn by
/// chance, along several axes at once, since what one move loses another may make up for. Who can't be better
/// than what it is compared with is not run to the end.
pub(super) struct Search<'a> {
    entrant: &'a Entrant,
    objectives: &'a [Objective],
    /// What was run, and where it stands.
    runs: Vec<Run>,
    places: Vec<Place>,
    /// Where each way to be run that is still halved has come to, and how often they were.
    styles: Vec<Place>,
    halved: usize,
    /// How many of them go on after each halving.
    go_on: &'static [usize],
    /// The places of the tunings that run now.
    asked: Vec<Place>,
    tried: BTreeSet<Vec<(String, String)>>,
    climbs: Vec<Climb>,
    /// How many may be tried altogether.
    most: usize,
    random: Random,
}

/// What came of a search.
pub(super) struct Winner {
    /// How the best tuning did.
    pub(super) run: Run,
    pub(super) tuned: Candidate,
    /// The same, with as many replicas as are tried at most; and that with an error budget, where it can have one.
    pub(super) unbound: Candidate,
    pub(super) budgeted: Option<Candidate>,
}

/// From one place to ever better ones.
struct Climb {
    /// The best run so far.
    best: usize,
    /// The runs of its last round.
    round: Range<usize>,
    /// How far the next ones are from the best.
    step: f64,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        entrant: &'a Entrant,
        objectives: &'a [Objective],
        most: usize,
        seed: u64,
    ) -> Self {
        let styles = entrant.styles();
        Self {
            entrant,
            objectives,
            runs: Vec::new(),
            places: Vec::new(),
            go_on: if styles.len() == 1 { ALONE } else { GO_ON },
            styles,
            halved: 0,
            asked: Vec::new(),
            tried: BTreeSet::new(),
            climbs: Vec::new(),
            most,
            random: Random::new(seed, entrant.name()),
        }
    }

    /// Tries each way to be run, too, with at most as many replicas as a fleet that stays and is enough.
    pub(super) fn start_below(&mut self, fixed: &Self) {
        let best = fixed.best(0..fixed.runs.len()).and_then(|at| fixed.runs.get(at));
        let Some(enough) = best.filter(|run| meets(run)) else { return };
        let bound = self.styles.iter().filter_map(|way| self.entrant.bound(way, &enough.tuning));
        let bound: Vec<Place> = bound.collect();
        self.styles.extend(bound);
    }

    /// Tries, too, where it does as another one does with the tuning that came of its search.
    pub(super) fn start_like(&mut self, other: &Self) {
        let like =
            other.winning_run().map(|run| self.entrant.like(other.entrant.name(), &run.tuning));
        self.styles.extend(like.into_iter().flatten());
    }

    /// What to try next; nothing when it is done.
    pub(super) fn next(&mut self) -> Result<Vec<Candidate>, CommandError> {
        while self.halved < self.go_on.len() {
            let left = self.most.saturating_sub(self.runs.len());
            let last = self.begin().get(CLIMBS - 1).map(|climb| climb.best);
            let asked = self.ask(self.styles.clone(), left, last)?;
            if !asked.is_empty() {
                return Ok(asked);
            }
            self.halve(self.runs.len());
        }
        let mut all = Vec::new();
        let mut climbs = core::mem::take(&mut self.climbs);
        for climb in &mut climbs {
            let from = self.runs.len() + all.len();
            let most = ROUND.min(self.most.saturating_sub(from));
            // Some may have been tried: more are drawn than are asked for.
            let Some(best) = self.places.get(climb.best).cloned() else { continue };
            let on = self.beyond(&best, climb.step);
            let beside = (0..4 * ROUND).map(|_| self.beside(&best, climb.step));
            let around = on.into_iter().chain(beside).collect();
            all.extend(self.ask(around, most, Some(climb.best))?);
            climb.round = from..self.runs.len() + all.len();
        }
        self.climbs = climbs;
        Ok(all)
    }

    /// Takes note of how the tunings that were asked for did.
    pub(super) fn note(&mut self, runs: Vec<Run>) {
        let first = self.runs.len();
        self.runs.extend(runs);
        self.places.append(&mut self.asked);
        if self.halved < self.go_on.len() {
            self.halve(first);
            return;
        }
        let mut climbs = core::mem::take(&mut self.climbs);
        for climb in &mut climbs {
            let best = self.best(climb.round.clone());
            match best.filter(|best| self.prefers(*best, climb.best)) {
                Some(best) => {
                    climb.best = best;
                    climb.step *= GROWS;
                }
                None => climb.step = (climb.step * SHRINKS).max(LEAST_STEP),
            }
        }
        let worse = |one: usize, than: usize| if self.prefers(one, than) { than } else { one };
        let worst = climbs.iter().map(|climb| climb.best).reduce(worse);
        if climbs.len() > 1 {
            climbs.retain(|climb| Some(climb.best) != worst);
        }
        self.climbs = climbs;
    }

    /// The best tuning, and how it did.
    pub(super) fn winner(&self) -> Result<Option<Winner>, CommandError> {
        let at = self.winning();
        let Some((run, place)) = at.and_then(|at| self.runs.get(at).zip(self.places.get(at)))
        else {
            return Ok(None);
        };
        let unbound = self.entrant.unbound(place);
        // Whatever misses any of the objectives is what it is charged with.
        let share = self.objectives.iter().map(|objective| objective.share).fold(1.0, f64::min);
        Ok(Some(Winner {
            run: run.clone(),
            tuned: self.entrant.tuned(place)?,
            budgeted: self.entrant.budgeted(&unbound, share)?,
            unbound: self.entrant.tuned(&unbound)?,
        }))
    }

    fn winning(&self) -> Option<usize> {
        let best = self.best(0..self.runs.len())?;
        Some(surest(&self.runs, best, self.objectives))
    }

    fn winning_run(&self) -> Option<&Run> {
        self.runs.get(self.winning()?)
    }

    /// Moves every way to be run by half of what is left of its reach, by how its run from the `first` one on
    /// did; those that have become dear are left.
    fn halve(&mut self, first: usize) {
        let best = self.best(0..self.runs.len()).and_then(|at| self.runs.get(at));
        let best = best.filter(|run| meets(run)).map_or(f64::INFINITY, |run| run.cost);
        let mut going = Vec::new();
        for mut style in core::mem::take(&mut self.styles) {
            let runs = self.places.iter().zip(&self.runs).skip(first);
            let run = runs.filter(|(place, _)| place.is_at(&style)).map(|(_, run)| run).next();
            let axis = self.entrant.axes().get(style.target);
            // What was tried in another way already is no way of its own.
            let (Some(run), Some(axis)) = (run, axis) else { continue };
            let too_dear = run.cost > best;
            if too_dear && !meets(run) && !run.ended_early {
                continue; // with more it would be dearer still
            }
            let less = meets(run) || too_dear;
            let step = style.reach / (4 << self.halved) as f64;
            if let Some(at) = style.at.get_mut(style.target) {
                *at = axis.within(if less {
                    *at + axis.less() * step
                } else {
                    *at - axis.less() * step
                });
            }
            going.push((promise(run, self.objectives), style));
        }
        going.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let goes_on = self.go_on.get(self.halved).copied().unwrap_or_default();
        self.styles = going.into_iter().map(|(_, style)| style).take(goes_on).collect();
        self.halved += 1;
        if self.halved == self.go_on.len() {
            self.climbs = self.begin();
        }
    }

    /// Climbs from the best places, no two of which are of one style.
    fn begin(&self) -> Vec<Climb> {
        let mut left: Vec<usize> = (0..self.runs.len()).collect();
        let mut climbs = Vec::new();
        while climbs.len() < CLIMBS {
            let Some(best) = self.best(left.iter().copied()) else { break };
            climbs.push(Climb { best, round: 0..0, step: FIRST_STEP });
            let style = |at: usize| self.places.get(at).map(|place| place.style);
            left.retain(|at| style(*at) != style(best));
        }
        climbs
    }

    fn best(&self, among: impl IntoIterator<Item = usize>) -> Option<usize> {
        let better = |best, at| if self.prefers(at, best) { at } else { best };
        among.into_iter().reduce(better)
    }

    fn prefers(&self, one: usize, than: usize) -> bool {
        let (Some(one), Some(than)) = (self.runs.get(one), self.runs.get(than)) else {
            return false;
        };
        best_of_each(&[than.clone(), one.clone()], self.objectives).first() == Some(&1)
    }

    /// With the target of its style moved alone, either way: what is saved up to the objective, or spent for
    /// it.
    fn beyond(&self, best: &Place, step: f64) -> Vec<Place> {
        let moved = |by: f64| {
            let mut place = best.clone();
            let axis = self.entrant.axes().get(place.target);
            if let Some((axis, at)) = axis.zip(place.at.get_mut(place.target)) {
                *at = axis.within(*at + axis.less() * by);
            }
            place
        };
        [step, step / 3.0, -step / 3.0].map(|by| moved(by / 2.0)).to_vec()
    }

    /// A neighbour, near or far: some of its axes move, and what holds it may come or go.
    fn beside(&mut self, best: &Place, step: f64) -> Place {
        let mut place = best.clone();
        let axes = self.entrant.axes();
        let chance = (MOVED / axes.len().max(1) as f64).min(0.5);
        let step = step * libm::exp(self.random.normal());
        for (axis, at) in axes.iter().zip(&mut place.at) {
            if self.random.unit() < chance {
                *at = axis.within(*at + step * self.random.normal());
            }
        }
        if self.entrant.can_be_held() && self.random.unit() < chance {
            place.held = !place.held;
        }
        place
    }

    /// Those that were not tried, up to so many, to beat this run: who can't any more need not run to the end.
    fn ask(
        &mut self,
        places: Vec<Place>,
        most: usize,
        beat: Option<usize>,
    ) -> Result<Vec<Candidate>, CommandError> {
        let beat = beat.and_then(|at| self.runs.get(at)).filter(|run| meets(run));
        let to_beat = beat.map(|run| run.cost);
        let mut asked = Vec::new();
        for place in places {
            if asked.len() >= most {
                break;
            }
            let candidate = self.entrant.tuned(&place)?;
            let tuning = candidate.tuning.clone().into_iter().collect();
            if self.tried.insert(tuning) {
                asked.push(Candidate { to_beat, ..candidate });
                self.asked.push(place);
            }
        }
        Ok(asked)
    }
}

/// Of the runs that meet the objectives for hardly more than the cheapest, which is the best, the one that has the
/// most to spare.
fn surest(runs: &[Run], best: usize, objectives: &[Objective]) -> usize {
    let Some(cheapest) = runs.get(best).filter(|run| meets(run)) else { return best };
    let most = cheapest.cost * (1.0 + HARDLY);
    let as_cheap = |run: &Run| meets(run) && !run.ended_early && run.cost <= most;
    let runs = runs.iter().enumerate().filter(|(_, run)| as_cheap(run));
    let missed = |run: &Run| missed(run, objectives);
    let surest = runs.min_by(|(_, one), (_, other)| missed(one).total_cmp(&missed(other)));
    surest.map_or(best, |(at, _)| at)
}

/// What it would cost, about, with just so much capacity that it meets the objectives.
fn promise(run: &Run, objectives: &[Objective]) -> f64 {
    if run.ended_early && !meets(run) {
        return f64::INFINITY; // how far from them is not known
    }
    let missed = missed(run, objectives).clamp(1.0 / MOST_MISSED, MOST_MISSED);
    run.cost * libm::pow(missed, COST_OF_MISSED)
}

/// How many times as many requests as may miss an objective, where they are the most.
fn missed(run: &Run, objectives: &[Objective]) -> f64 {
    let missed = run.attainment.iter().zip(objectives).map(|(attained, objective)| {
        (1.0 - attained.share) / (1.0 - objective.share).max(f64::EPSILON)
    });
    missed.fold(0.0, f64::max)
}

/// Whether it meets all objectives.
pub(super) fn meets(run: &Run) -> bool {
    run.attainment.iter().all(|attained| attained.met)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use trimtab_engine::Digest;
    use trimtab_sim::Attained;

    use super::*;

    /// A run with so many requests within a promise of 99 %.
    pub(in crate::quality) fn run(share: f64, cost: f64, ended_early: bool) -> Run {
        Run {
            policy: String::from("own"),
            digest: Digest::of("own"),
            tuning: BTreeMap::new(),
            ended_early,
            requests: Default::default(),
            attainment: vec![Attained { share, met: share >= 0.99 }],
            latency: Default::default(),
            replica_seconds: Default::default(),
            pools: Vec::new(),
            cost,
            starts: 0,
            stops: 0,
            losses: 0,
            under_provisioned_seconds: 0.0,
            bound_replica_seconds: 0.0,
            efficiency: 0.0,
            on_front: false,
            decisions: 0,
            timeline: Default::default(),
        }
    }

    /// Half as many misses are worth an eighth of the cost; how good or bad beyond a factor of ten is no matter.
    #[test]
    fn what_is_to_spare_makes_a_way_cheaper_and_what_is_missed_dearer() {
        let of =
            |share: f64| promise(&run(share, 100.0, false), &["ttft<=2s@99%".parse().unwrap()]);
        assert!((of(0.99) - 100.0).abs() < 1e-9);
        assert!((of(0.98) / of(0.99) - 1.1225).abs() < 1e-3);
        assert!((of(0.99) / of(0.995) - 1.1225).abs() < 1e-3);
        assert_eq!(of(1.0), of(0.999));
        assert_eq!(of(0.5), of(0.0));
    }

    /// Of a run that ended for its misses nobody knows how many there would have been; one that only became too
    /// dear has kept them.
    #[test]
    fn a_run_that_ended_for_what_it_missed_promises_nothing() {
        let objectives = ["ttft<=2s@99%".parse().unwrap()];
        assert_eq!(promise(&run(0.9, 100.0, true), &objectives), f64::INFINITY);
        assert!(promise(&run(0.995, 100.0, true), &objectives).is_finite());
    }

    /// A cost that is no difference buys what there is to spare for it; more is not spent, and who misses stays
    /// who it is.
    #[test]
    fn of_those_that_cost_the_same_the_surest_is_the_best() {
        let objectives = ["ttft<=2s@99%".parse().unwrap()];
        let of = |runs: &[Run], best| surest(runs, best, &objectives);
        let runs = [
            run(0.9901, 100.0, false),
            run(0.9950, 100.4, false),
            run(0.9999, 101.0, false),
            run(0.9899, 90.0, false),
            run(0.9990, 100.2, true),
        ];
        assert_eq!(of(&runs, 0), 1);
        let nobody = [run(0.98, 100.0, false), run(0.97, 100.1, false)];
        assert_eq!(of(&nobody, 0), 0);
    }
}
