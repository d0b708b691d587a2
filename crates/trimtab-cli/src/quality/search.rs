//! How everybody is tuned: a grid, and then ever closer around the best of it.

use std::collections::BTreeSet;

use trimtab_sim::report::best_of_each;
use trimtab_sim::{Candidate, Objective, Run};

use super::tunings::Entrant;
use crate::error::CommandError;

/// Tunings beyond the grid, the same number for everybody.
const CLOSER: usize = 30;
/// How near two neighbours come at last, in steps of the grid.
const LEAST_STEP: f64 = 0.05;

/// The search for the best tuning of one.
pub(super) struct Search<'a> {
    entrant: &'a Entrant,
    /// What was run, and where it stands.
    runs: Vec<Run>,
    places: Vec<Vec<f64>>,
    /// The places of the tunings that run now.
    asked: Vec<Vec<f64>>,
    tried: BTreeSet<Vec<(String, String)>>,
    step: f64,
    left: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(entrant: &'a Entrant) -> Self {
        Self {
            entrant,
            runs: Vec::new(),
            places: Vec::new(),
            asked: Vec::new(),
            tried: BTreeSet::new(),
            step: 0.5,
            left: CLOSER,
        }
    }

    /// What to try next; nothing when it is done.
    pub(super) fn next(
        &mut self,
        objectives: &[Objective],
    ) -> Result<Vec<Candidate>, CommandError> {
        if self.runs.is_empty() {
            return self.ask(grid(self.entrant), usize::MAX);
        }
        while self.left > 0 && self.step >= LEAST_STEP {
            let asked = self.ask(self.around(objectives), self.left)?;
            if !asked.is_empty() {
                self.left -= asked.len();
                return Ok(asked);
            }
            self.step /= 2.0;
        }
        Ok(Vec::new())
    }

    /// Takes note of how the tunings that were asked for did. The next ones are as far from the best
    /// if it is a new one, and half as far otherwise.
    pub(super) fn note(&mut self, runs: Vec<Run>, objectives: &[Objective]) {
        let (known, before) = (self.runs.len(), self.best(objectives));
        self.runs.extend(runs);
        self.places.append(&mut self.asked);
        if known > 0 && self.best(objectives) == before {
            self.step /= 2.0;
        }
    }

    pub(super) fn into_runs(self) -> Vec<Run> {
        self.runs
    }

    fn best(&self, objectives: &[Objective]) -> Option<usize> {
        best_of_each(&self.runs, objectives).first().copied()
    }

    /// Along each axis, a step up and a step down from the best; along the first one, the target, half a
    /// step, too: it is what the cost depends on most.
    fn around(&self, objectives: &[Objective]) -> Vec<Vec<f64>> {
        let Some(best) = self.best(objectives).and_then(|at| self.places.get(at)) else {
            return Vec::new();
        };
        let mut around = Vec::new();
        for (index, axis) in self.entrant.axes().iter().enumerate() {
            let halves = if index == 0 { [-0.5, 0.5].as_slice() } else { &[] };
            for share in [-1.0, 1.0].iter().chain(halves) {
                let step = share * self.step;
                let mut places = best.clone();
                if let Some(place) = places.get_mut(index) {
                    *place = axis.within(*place + step);
                }
                around.push(places);
            }
        }
        around
    }

    /// Those that were not tried, up to so many.
    fn ask(&mut self, places: Vec<Vec<f64>>, most: usize) -> Result<Vec<Candidate>, CommandError> {
        let mut asked = Vec::new();
        for places in places {
            let candidate = self.entrant.tuned(&places)?;
            let tuning = candidate.tuning.clone().into_iter().collect();
            if asked.len() < most && self.tried.insert(tuning) {
                asked.push(candidate);
                self.asked.push(places);
            }
        }
        Ok(asked)
    }
}

/// Every combination of the grid, the last axis fastest.
fn grid(entrant: &Entrant) -> Vec<Vec<f64>> {
    entrant.axes().iter().fold(vec![Vec::new()], |before, axis| {
        let with = |places: &Vec<f64>, at: usize| {
            let mut places = places.clone();
            places.push(at as f64);
            places
        };
        let each = before.iter().flat_map(|places| axis.first().map(move |at| with(places, at)));
        each.collect()
    })
}
