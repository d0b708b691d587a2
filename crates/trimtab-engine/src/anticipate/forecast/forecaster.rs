//! The load from one lead time from now on: which model says it, how much more it may be, and how good that was.

use alloc::vec::Vec;

use libm::{ceil, fmax, fmin};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::models::{Mean, Models};
use crate::condition::ConditionReason;
use crate::digest::Digest;
use crate::float::from_count;
use crate::policy::{Finite, ForecastModel, ForecastRules};

/// Errors that a model's quantile is taken from; as many losses it is judged by.
const MOST_ERRORS: usize = 16;
/// Forecasts of at least this share of the highest load are near it, and fewer than these say nothing.
const NEAR_PEAK: f64 = 0.9;
const FEWEST_AT_PEAK: usize = 4;
/// Fewer forecasts that came due than these say nothing of a model.
const FEWEST_SCORED: u32 = 4;
/// Forecasts that wait for their time, at most.
const MOST_PENDING: usize = 8;
/// After so many steps without an observation all is begun anew.
const LONGEST_GAP: i64 = 512;
const MODELS: usize = ForecastModel::ALL.len();

/// What is remembered of a load: at most 4.5 KiB with a season, 2 KiB without.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Forecaster {
    /// Of which load, in which steps.
    of: Digest,
    /// When its first step began.
    origin: Timestamp,
    /// The step that is observed, and the mean of what was seen in it.
    step: i64,
    mean: Mean,
    /// When something was seen last, and what.
    seen_at: Timestamp,
    seen: Finite,
    /// What was learned of the steps before; nothing in the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    models: Option<Models>,
    tracks: Vec<Track>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<Pending>,
}

/// How good a model was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Track {
    model: ForecastModel,
    /// The mean pinball loss of the last ones that came due.
    loss: Finite,
    scored: u32,
    /// What became of the last forecasts, oldest first.
    errors: Vec<Missed>,
}

/// A forecast that came due, and what the load exceeded it by.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Missed {
    point: Finite,
    by: Finite,
}

/// Forecasts of one step, one for each track, or none where a model could say nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pending {
    due: i64,
    points: [Option<Finite>; MODELS],
}

/// A forecast.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Forecast {
    pub(crate) model: ForecastModel,
    /// What the model says.
    pub(crate) point: Finite,
    /// With the quantile of its own errors; at least 0.
    pub(crate) load: Finite,
    /// Its mean pinball loss.
    pub(crate) loss: Finite,
}

/// Why there is none.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum IgnoredReason {
    /// Too few forecasts have come due for any model to be trusted.
    Learning,
    /// Nothing has been seen of the load for a lead time.
    Stale,
    /// No model is better than to say that the load stays as it is.
    WorseThanNaive,
}

impl IgnoredReason {
    /// The word for it in conditions.
    pub(crate) const fn reason(self) -> ConditionReason {
        match self {
            Self::Learning => ConditionReason::TooLittleHistory,
            Self::Stale => ConditionReason::LoadStale,
            Self::WorseThanNaive => ConditionReason::ForecastWorseThanNaive,
        }
    }
}

impl Forecaster {
    /// Takes note of a load. What is not after the last one is left out.
    pub(crate) fn observe(
        &mut self,
        rules: &ForecastRules,
        now: Timestamp,
        load: Finite,
        lead_time: Span,
    ) {
        if self.of != rules.of {
            *self = Self::new(rules, now, load);
        }
        if now <= self.seen_at {
            return;
        }
        let step = self.step_of(now, rules);
        let passed = step.saturating_sub(self.step);
        if !(0..=LONGEST_GAP).contains(&passed) {
            *self = Self::new(rules, now, load);
            return;
        }
        if passed > 0 {
            self.close(rules);
            for _ in 1..passed {
                self.models.iter_mut().for_each(Models::pass);
            }
            self.step = step;
            self.mean = Mean::default();
            self.promise(rules, now, lead_time);
        }
        self.mean.add(load);
        (self.seen_at, self.seen) = (now, load);
    }

    /// Begins at a load.
    pub(crate) fn new(rules: &ForecastRules, now: Timestamp, load: Finite) -> Self {
        let mut mean = Mean::default();
        mean.add(load);
        let mut models = rules.models.clone();
        if !models.contains(&ForecastModel::Naive) {
            models.push(ForecastModel::Naive); // what the others are held against
        }
        let track = |model| Track { model, loss: Finite::default(), scored: 0, errors: Vec::new() };
        Self {
            of: rules.of,
            origin: now,
            step: 0,
            mean,
            seen_at: now,
            seen: load,
            models: None,
            tracks: models.into_iter().map(track).collect(),
            pending: Vec::new(),
        }
    }

    fn step_of(&self, at: Timestamp, rules: &ForecastRules) -> i64 {
        at.since(self.origin).as_millis().div_euclid(rules.step.as_millis().max(1))
    }

    /// What was seen last, if that is of now.
    pub(crate) fn seen_at(&self, now: Timestamp) -> Option<Finite> {
        (self.seen_at == now).then_some(self.seen)
    }

    /// The step is over: the forecasts of it are judged, and the models learn.
    fn close(&mut self, rules: &ForecastRules) {
        let (load, step) = (self.mean.value, self.step);
        for pending in self.pending.iter().filter(|pending| pending.due == step) {
            for (track, point) in self.tracks.iter_mut().zip(pending.points) {
                if let Some(point) = point {
                    track.score(point, load.get() - point.get(), rules.quantile);
                }
            }
        }
        self.pending.retain(|pending| pending.due > step);
        match &mut self.models {
            Some(models) => models.observe(load, step),
            None => self.models = Some(Models::new(&rules.models, rules.slots, load, step)),
        }
    }

    /// Notes what each model says of the step one lead time from now, to be judged then.
    fn promise(&mut self, rules: &ForecastRules, now: Timestamp, lead_time: Span) {
        let step = self.step;
        self.pending.retain(|pending| pending.due >= step);
        let due = self.step_of(now.saturating_add(lead_time), rules);
        // As many as there is room for, evenly.
        let spacing = due.saturating_sub(step) / 8 + 1;
        let has_room = self.pending.len() < MOST_PENDING;
        let is_apart =
            self.pending.last().is_none_or(|last| last.due.saturating_add(spacing) <= due);
        if !has_room || !is_apart {
            return;
        }
        let mut points = [None; MODELS];
        for (point, track) in points.iter_mut().zip(&self.tracks) {
            *point = self.point(track.model, due);
        }
        self.pending.push(Pending { due, points });
    }

    /// What a model says of a step; the last one that it knows is the one before the present one.
    fn point(&self, model: ForecastModel, step: i64) -> Option<Finite> {
        let ahead = step.saturating_sub(self.step).saturating_add(1);
        self.models.as_ref()?.forecast(model, ahead, step)
    }

    /// What the load will be at most from one lead time from now on, for a step, by the model that was the best
    /// lately. What is asked for now has to be enough for so long: what the next step says can't serve sooner.
    pub(crate) fn forecast(
        &self,
        rules: &ForecastRules,
        now: Timestamp,
        lead_time: Span,
    ) -> Result<Forecast, IgnoredReason> {
        if now.since(self.seen_at) > lead_time {
            return Err(IgnoredReason::Stale);
        }
        let step = self.step_of(now.saturating_add(lead_time), rules);
        let trusted = |track: &&Track| track.scored >= FEWEST_SCORED;
        let asked = |track: &&Track| rules.models.contains(&track.model);
        let best = self.tracks.iter().filter(asked).filter(trusted).min_by_key(|it| it.loss);
        let best = best.ok_or(IgnoredReason::Learning)?;
        let naive = self.tracks.iter().find(|track| track.model == ForecastModel::Naive);
        if naive.is_some_and(|naive| naive.loss < best.loss) {
            return Err(IgnoredReason::WorseThanNaive);
        }
        let points = [step, step.saturating_add(1)].map(|step| self.point(best.model, step));
        let point = points.into_iter().flatten().max().ok_or(IgnoredReason::Learning)?;
        let load = fmax(point.get() + best.margin(point, rules.quantile), 0.0);
        let load = Finite::new(load).ok_or(IgnoredReason::Learning)?;
        Ok(Forecast { model: best.model, point, load, loss: best.loss })
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let errors: usize = self.tracks.iter().map(|track| track.errors.capacity()).sum();
        errors * size_of::<Missed>()
            + self.tracks.capacity() * size_of::<Track>()
            + self.pending.capacity() * size_of::<Pending>()
            + self.models.as_ref().map_or(0, Models::list_bytes)
    }
}

impl Track {
    /// Judges by the errors of before, then remembers this one.
    fn score(&mut self, point: Finite, error: f64, share: f64) {
        let Some(by) = Finite::new(error) else { return };
        let over = error - self.margin(point, share);
        let loss = fmax(share * over, (share - 1.0) * over);
        self.scored = self.scored.saturating_add(1);
        let weight = f64::from(self.scored.min(16)); // as many as there are errors
        let mean = self.loss.get() + (loss - self.loss.get()) / weight;
        self.loss = Finite::new(mean).unwrap_or(self.loss);
        if self.errors.len() >= MOST_ERRORS {
            self.errors.remove(0);
        } else if self.errors.len() == self.errors.capacity() {
            self.errors.reserve_exact(MOST_ERRORS);
        }
        self.errors.push(Missed { point, by });
    }

    /// What comes on top of a forecast: the error that a share of the last ones did not exceed. A load that
    /// comes and goes is missed from its low and not from its peak: what exceeded any forecast counts up
    /// to the highest load, and beyond that what exceeded forecasts near it.
    fn margin(&self, point: Finite, share: f64) -> f64 {
        let all = self.quantile(share, f64::NEG_INFINITY).unwrap_or(0.0);
        let loads = self.errors.iter().map(|missed| missed.point.get() + missed.by.get());
        let peak = loads.fold(0.0, fmax);
        let at_peak = self.quantile(share, NEAR_PEAK * peak).unwrap_or(0.0);
        fmin(all, fmax(peak - point.get(), at_peak))
    }

    /// Of the errors of forecasts of at least `least`; nothing if too few are.
    fn quantile(&self, share: f64, least: f64) -> Option<f64> {
        let mut sorted = [Finite::default(); MOST_ERRORS];
        let errors = self.errors.iter().filter(|missed| missed.point.get() >= least);
        let mut count = 0;
        for (slot, missed) in sorted.iter_mut().zip(errors) {
            *slot = missed.by;
            count += 1;
        }
        let sorted = sorted
            .get_mut(..count)
            .filter(|_| count >= FEWEST_AT_PEAK || (count > 0 && least == f64::NEG_INFINITY))?;
        sorted.sort_unstable();
        let rank = fmax(ceil(share * from_count(count)) - 1.0, 0.0);
        sorted.get(crate::anticipate::rank(rank)).map(|error| error.get())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::strategy::slo::Measure;

    const LEAD_TIME: Span = Span::from_secs(120);

    fn rules(models: &[ForecastModel], slots: u32) -> ForecastRules {
        ForecastRules {
            metric: 0,
            measure: Measure { is_load: true, target: 1.0, min_coverage: 0.5, max_age: None },
            of: Digest::of(&slots),
            step: Span::from_secs(30),
            slots,
            quantile: 0.9,
            models: models.to_vec(),
        }
    }

    /// Sees a load at each time.
    fn after(
        rules: &ForecastRules,
        loads: impl IntoIterator<Item = (Timestamp, f64)>,
    ) -> Forecaster {
        let mut known: Option<Forecaster> = None;
        for (now, load) in loads {
            let load = Finite::new(load).unwrap();
            match &mut known {
                Some(known) => known.observe(rules, now, load, LEAD_TIME),
                none => *none = Some(Forecaster::new(rules, now, load)),
            }
        }
        known.unwrap()
    }

    fn every_15(loads: impl IntoIterator<Item = f64>) -> Vec<(Timestamp, f64)> {
        (0..).map(|tick| Timestamp::from_secs(tick * 15)).zip(loads).collect()
    }

    #[test]
    fn it_waits_until_forecasts_have_come_due() {
        let rules = rules(&ForecastModel::ALL, 4);
        let known = after(&rules, every_15(vec![5.0; 10]));
        let now = Timestamp::from_secs(9 * 15);
        assert_eq!(known.forecast(&rules, now, LEAD_TIME), Err(IgnoredReason::Learning));
        let known = after(&rules, every_15(vec![5.0; 30]));
        let now = Timestamp::from_secs(29 * 15);
        let forecast = known.forecast(&rules, now, LEAD_TIME).unwrap();
        assert_eq!((forecast.load.get(), forecast.loss.get()), (5.0, 0.0));
        let later = now.saturating_add(Span::from_secs(121));
        assert_eq!(known.forecast(&rules, later, LEAD_TIME), Err(IgnoredReason::Stale));
    }

    /// A load that rises, steadily or ever faster, has a trend; one that comes again has a season.
    #[test]
    fn the_model_that_fits_is_chosen() {
        let rules = rules(&ForecastModel::ALL, 8);
        let now = Timestamp::from_secs(199 * 15);
        let of = |load: fn(f64) -> f64| {
            let known = after(&rules, every_15((0..200_u32).map(|tick| load(f64::from(tick)))));
            known.forecast(&rules, now, LEAD_TIME).unwrap()
        };
        let ramp = of(|tick| tick);
        assert_eq!(ramp.model, ForecastModel::LocalTrend);
        assert!((ramp.load.get() - 208.5).abs() < 0.1, "{ramp:?}"); // 208 and 209
        let faster = of(|tick| tick * tick);
        assert_eq!(faster.model, ForecastModel::LocalTrend);
        assert!((faster.load.get() - 208.5 * 208.5).abs() < 300.0, "{faster:?}");
        let waves = (0..400_u32).map(|tick| f64::from(tick / 2 % 8 * 5 % 8));
        let known = after(&rules, every_15(waves));
        let forecast = known.forecast(&rules, Timestamp::from_secs(399 * 15), LEAD_TIME).unwrap();
        assert_eq!((forecast.model, forecast.loss.get()), (ForecastModel::SeasonalNaive, 0.0));
        assert_eq!(forecast.load.get(), 7.0); // 203 * 5 % 8, and 4 after it
    }

    /// A jump in the middle of a step is expected from the begin of that step on: its mean alone says half of it.
    #[test]
    fn a_jump_that_recurs_is_expected_before_it_comes() {
        let rules = rules(&[ForecastModel::SeasonalNaive], 20);
        // On for ten minutes and off for ten; the first tick is the begin of a step, and a step has two.
        let load = |tick: i64| if tick.rem_euclid(40) < 20 { 90.0 } else { 10.0 };
        let at = |tick: i64| Timestamp::from_secs(tick * 15);
        for tick in 400..440 {
            let known = after(&rules, (1..=tick).map(|tick| (at(tick), load(tick))));
            let forecast = known.forecast(&rules, at(tick), LEAD_TIME).unwrap().load.get();
            // Of one that ends within its step less may be said: it is there already.
            let lead_time_later = fmin(load(tick + 8), load(tick + 9));
            assert!(forecast >= lead_time_later, "{tick}: {forecast}");
        }
    }

    /// A trend that is broken again and again is worse than no trend.
    #[test]
    fn it_steps_aside_where_the_load_of_now_says_more() {
        let rules = rules(&[ForecastModel::LocalTrend], 0);
        let saw = (0..400_u32).map(|tick| f64::from(tick % 14 * 10));
        let known = after(&rules, every_15(saw));
        let forecast = known.forecast(&rules, Timestamp::from_secs(399 * 15), LEAD_TIME);
        assert_eq!(forecast, Err(IgnoredReason::WorseThanNaive));
    }

    /// From its low a load that jumps may jump again, from its peak it never did.
    #[test]
    fn what_comes_and_goes_is_expected_up_to_its_peak() {
        let rules = rules(&[ForecastModel::Naive], 0);
        let waves = |count: u32| {
            let loads = (0..count).map(|tick| if tick / 14 % 2 == 0 { 30.0 } else { 70.0 });
            let known = after(&rules, every_15(loads));
            let now = Timestamp::from_secs(i64::from(count - 1) * 15);
            known.forecast(&rules, now, LEAD_TIME).unwrap().load.get()
        };
        assert_eq!([waves(280 + 12), waves(280 + 26)], [70.0, 70.0]);
    }

    #[test]
    fn another_load_is_begun_anew() {
        let one = rules(&ForecastModel::ALL, 4);
        let mut known = after(&one, every_15(vec![5.0; 60]));
        let other = rules(&ForecastModel::ALL, 5);
        known.observe(&other, Timestamp::from_secs(900), Finite::from(7), LEAD_TIME);
        assert_eq!((known.models, known.step), (None, 0));
    }

    proptest! {
        /// Whenever it is looked at, a load that does not change is forecast as it is.
        #[test]
        fn a_constant_load_is_forecast_as_it_is(
            load in 0.0..1e6_f64, gaps in prop::collection::vec(1_i64..60_000, 40..160),
        ) {
            let rules = rules(&ForecastModel::ALL, 6);
            let mut now = Timestamp::UNIX_EPOCH;
            let times = gaps.into_iter().map(|gap| { now = now.saturating_add(Span::from_millis(gap)); now });
            let times: Vec<Timestamp> = times.collect();
            let known = after(&rules, times.iter().map(|at| (*at, load)));
            if let Ok(forecast) = known.forecast(&rules, now, LEAD_TIME) {
                prop_assert_eq!(forecast.load.get(), load);
            }
        }

        #[test]
        fn a_shift_of_time_and_a_power_of_two_change_nothing(
            ticks in prop::collection::vec((1_i64..90_000, 0.0..1e4_f64), 1..150),
            shift in 0_i64..1_000_000_000, power in -4..4_i32,
        ) {
            let rules = rules(&ForecastModel::ALL, 6);
            let scale = libm::ldexp(1.0, power);
            let mut at = 0;
            let loads: Vec<(i64, f64)> =
                ticks.into_iter().map(|(gap, load)| { at += gap; (at, load) }).collect();
            let run = |shift: i64, scale: f64| {
                let time = |at: i64| Timestamp::from_millis(at + shift);
                let known = after(&rules, loads.iter().map(|(at, load)| (time(*at), load * scale)));
                let forecast = known.forecast(&rules, time(at), LEAD_TIME);
                forecast.map(|it| (it.model, it.load.get() / scale, it.loss.get() / scale))
            };
            prop_assert_eq!(run(0, 1.0), run(shift, scale));
        }

        #[test]
        fn its_memory_is_bounded(
            ticks in prop::collection::vec((-10_000_i64..10_000_000, -1e9..1e9_f64), 1..400),
            slots in 0..168_u32,
        ) {
            let rules = rules(&ForecastModel::ALL, slots);
            let mut now = Timestamp::UNIX_EPOCH;
            let known = after(&rules, ticks.into_iter().map(|(gap, load)| {
                now = now.saturating_add(Span::from_millis(gap));
                (now, load)
            }));
            let bytes = size_of::<Forecaster>() + known.heap_bytes();
            prop_assert!(bytes <= 5 << 10, "{} bytes", bytes);
            if slots == 0 {
                prop_assert!(bytes <= 2 << 10, "{} bytes", bytes);
            }
            prop_assert!(known.pending.len() <= MOST_PENDING);
            prop_assert!(known.tracks.iter().all(|track| track.errors.len() <= MOST_ERRORS));
        }
    }
}
