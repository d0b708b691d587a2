//! The models: small recursions, each in the form that corrects itself by its error, so that a load that does
//! not change is forecast to the last bit.

use alloc::vec;
use alloc::vec::Vec;

use libm::pow;
use serde::{Deserialize, Serialize};

use crate::policy::{Finite, ForecastModel};

/// How much of an error goes into the level, into the trend, and into the profile of the season; and what is
/// left of the trend after a step.
const LEVEL_SHARE: f64 = 0.5;
const TREND_SHARE: f64 = 0.1;
const SEASON_SHARE: f64 = 0.3;
const DAMPING: f64 = 0.9;
/// Of the Kalman filter: what the level and the slope vary by within a step, and what is known of the slope at
/// first, all relative to what an observation varies by.
const LEVEL_VARIANCE: f64 = 0.25;
const SLOPE_VARIANCE: f64 = 0.01;
const FIRST_SLOPE_VARIANCE: f64 = 0.1;

/// What all models remember, whichever are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Models {
    last: Finite,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    damped: Option<DampedTrend>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local: Option<LocalTrend>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Season>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seasonal: Option<HoltWinters>,
}

/// The damped trend of Gardner and McKenzie, as ETS(A,Ad,N).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DampedTrend {
    level: Finite,
    trend: Finite,
}

/// A local linear trend by a Kalman filter: the state and its covariance.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LocalTrend {
    level: Finite,
    slope: Finite,
    level_variance: Finite,
    covariance: Finite,
    slope_variance: Finite,
}

/// One value for each step of a season.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Season {
    /// Steps that were observed one after the other, until there are as many as the season has.
    filled: u32,
    values: Vec<Finite>,
}

/// A damped trend with an additive profile of the season, as ETS(A,Ad,A).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HoltWinters {
    trend: DampedTrend,
    profile: Season,
}

impl Models {
    /// Begins at a load, with what `models` ask for.
    pub(super) fn new(models: &[ForecastModel], slots: u32, load: Finite, step: i64) -> Self {
        let has = |model| models.contains(&model);
        let season = || Season::new(slots, load, step);
        Self {
            last: load,
            damped: has(ForecastModel::DampedTrend).then(|| DampedTrend::new(load)),
            local: has(ForecastModel::LocalTrend).then(|| LocalTrend::new(load)),
            before: has(ForecastModel::SeasonalNaive).then(season),
            seasonal: has(ForecastModel::HoltWinters)
                .then(|| HoltWinters { trend: DampedTrend::new(load), profile: season() }),
        }
    }

    /// A step passes in which nothing is observed.
    pub(super) fn pass(&mut self) {
        self.damped.iter_mut().for_each(DampedTrend::pass);
        self.local.iter_mut().for_each(LocalTrend::pass);
        if let Some(seasonal) = &mut self.seasonal {
            seasonal.trend.pass();
            seasonal.profile.skip();
        }
        self.before.iter_mut().for_each(Season::skip);
    }

    /// A step passes in which the load was so much.
    pub(super) fn observe(&mut self, load: Finite, step: i64) {
        self.last = load;
        if let Some(damped) = &mut self.damped {
            damped.pass();
            damped.correct(load.get() - damped.level.get());
        }
        if let Some(local) = &mut self.local {
            local.pass();
            local.correct(load);
        }
        if let Some(before) = &mut self.before {
            before.observe(load, step);
        }
        if let Some(seasonal) = &mut self.seasonal {
            seasonal.observe(load, step);
        }
    }

    /// What the load will be so many steps ahead, at the step `at`, if the model can say.
    pub(super) fn forecast(&self, model: ForecastModel, ahead: i64, at: i64) -> Option<Finite> {
        let ahead = crate::float::from_i64(ahead);
        let load = match model {
            ForecastModel::Naive => self.last.get(),
            ForecastModel::DampedTrend => self.damped?.forecast(ahead),
            ForecastModel::LocalTrend => self.local?.forecast(ahead),
            ForecastModel::SeasonalNaive => self.before.as_ref()?.value(at)?.get(),
            ForecastModel::HoltWinters => {
                let seasonal = self.seasonal.as_ref()?;
                seasonal.trend.forecast(ahead) + seasonal.profile.value(at)?.get()
            }
        };
        Finite::new(load)
    }

    pub(super) fn list_bytes(&self) -> usize {
        let seasonal = self.seasonal.as_ref().map(|seasonal| &seasonal.profile);
        let seasons = self.before.iter().chain(seasonal);
        seasons.map(|season| season.values.capacity() * size_of::<Finite>()).sum()
    }
}

impl DampedTrend {
    fn new(load: Finite) -> Self {
        Self { level: load, trend: Finite::default() }
    }

    fn pass(&mut self) {
        let trend = DAMPING * self.trend.get();
        self.level = or(self.level.get() + trend, self.level);
        self.trend = or(trend, self.trend);
    }

    fn correct(&mut self, error: f64) {
        self.level = or(self.level.get() + LEVEL_SHARE * error, self.level);
        self.trend = or(self.trend.get() + LEVEL_SHARE * TREND_SHARE * error, self.trend);
    }

    /// The trend counts a bit less with each step.
    fn forecast(&self, ahead: f64) -> f64 {
        let steps = DAMPING * (1.0 - pow(DAMPING, ahead)) / (1.0 - DAMPING);
        self.level.get() + steps * self.trend.get()
    }
}

impl LocalTrend {
    fn new(load: Finite) -> Self {
        Self {
            level: load,
            slope: Finite::default(),
            level_variance: Finite::from(1),
            covariance: Finite::default(),
            slope_variance: Finite::new(FIRST_SLOPE_VARIANCE).unwrap_or_default(),
        }
    }

    fn pass(&mut self) {
        let (level, both, slope) =
            (self.level_variance.get(), self.covariance.get(), self.slope_variance.get());
        self.level = or(self.level.get() + self.slope.get(), self.level);
        self.level_variance = or(level + 2.0 * both + slope + LEVEL_VARIANCE, self.level_variance);
        self.covariance = or(both + slope, self.covariance);
        self.slope_variance = or(slope + SLOPE_VARIANCE, self.slope_variance);
    }

    fn correct(&mut self, load: Finite) {
        let (level, both) = (self.level_variance.get(), self.covariance.get());
        let error = load.get() - self.level.get();
        let (to_level, to_slope) = (level / (level + 1.0), both / (level + 1.0));
        self.level = or(self.level.get() + to_level * error, load);
        self.slope = or(self.slope.get() + to_slope * error, Finite::default());
        self.slope_variance = or(self.slope_variance.get() - to_slope * both, self.slope_variance);
        self.covariance = or(both - to_level * both, self.covariance);
        self.level_variance = or(level - to_level * level, self.level_variance);
    }

    fn forecast(&self, ahead: f64) -> f64 {
        self.level.get() + ahead * self.slope.get()
    }
}

impl Season {
    fn new(slots: u32, load: Finite, step: i64) -> Self {
        let mut season = Self { filled: 0, values: vec![Finite::default(); slots as usize] };
        season.observe(load, step);
        season
    }

    fn is_full(&self) -> bool {
        self.filled as usize >= self.values.len()
    }

    /// What was not observed begins a first season anew, and is no news to a later one.
    fn skip(&mut self) {
        if !self.is_full() {
            self.filled = 0;
        }
    }

    fn observe(&mut self, load: Finite, step: i64) {
        if let Some(value) = self.slot(step) {
            *value = load;
        }
        if !self.is_full() {
            self.filled += 1;
        }
    }

    fn place(&self, step: i64) -> Option<usize> {
        let slots = i64::try_from(self.values.len()).ok()?;
        usize::try_from(step.checked_rem_euclid(slots)?).ok()
    }

    fn slot(&mut self, step: i64) -> Option<&mut Finite> {
        let place = self.place(step)?;
        self.values.get_mut(place)
    }

    /// Nothing before the first season is over.
    fn value(&self, step: i64) -> Option<Finite> {
        let place = self.place(step).filter(|_| self.is_full())?;
        self.values.get(place).copied()
    }
}

impl HoltWinters {
    /// Until a season is full it is only noted; then its mean is the level, and what it differs from the
    /// mean by is the profile.
    fn observe(&mut self, load: Finite, step: i64) {
        if let Some(profile) = self.profile.value(step) {
            self.trend.pass();
            let error = load.get() - (self.trend.level.get() + profile.get());
            self.trend.correct(error);
            if let Some(value) = self.profile.slot(step) {
                *value = or(profile.get() + SEASON_SHARE * error, profile);
            }
            return;
        }
        self.profile.observe(load, step);
        if !self.profile.is_full() {
            return;
        }
        let mut mean = Mean::default();
        self.profile.values.iter().for_each(|value| mean.add(*value));
        self.trend = DampedTrend::new(mean.value);
        for value in &mut self.profile.values {
            *value = or(value.get() - mean.value.get(), Finite::default());
        }
    }
}

/// A mean that of equal values is that value to the last bit.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Mean {
    pub(super) value: Finite,
    count: u32,
}

impl Mean {
    pub(super) fn add(&mut self, value: Finite) {
        self.count = self.count.saturating_add(1);
        let share = (value.get() - self.value.get()) / f64::from(self.count);
        self.value = or(self.value.get() + share, value);
    }
}

/// The number, or what stands for it where floats have none for it.
fn or(value: f64, otherwise: Finite) -> Finite {
    Finite::new(value).unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERIES: [i32; 12] = [10, 12, 11, 15, 18, 17, 21, 20, 26, 24, 23, 30];

    fn after(loads: &[f64], slots: u32) -> Models {
        let finite = |load: &f64| Finite::new(*load).unwrap();
        let (first, rest) = loads.split_first().unwrap();
        let mut models = Models::new(&ForecastModel::ALL, slots, finite(first), 0);
        for (step, load) in (1..).zip(rest) {
            models.observe(finite(load), step);
        }
        models
    }

    fn ahead(models: &Models, model: ForecastModel, last: i64) -> Vec<f64> {
        let one = |ahead| models.forecast(model, ahead, last + ahead).map(Finite::get);
        (1..=5).filter_map(one).collect()
    }

    /// What statsmodels 0.15 says with the same parameters: `ETSModel` (damped additive trend, without and with
    /// an additive season of 4), and `UnobservedComponents` (`local linear trend`).
    #[test]
    fn known_answers() {
        let models = after(&SERIES.map(f64::from), 4);
        let near = |model, wanted: [f64; 5]| {
            for (found, wanted) in ahead(&models, model, 11).into_iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-9 * wanted, "{model:?}: {found}, not {wanted}");
            }
        };
        near(
            ForecastModel::DampedTrend,
            [
                27.894574553450504,
                28.550674203420446,
                29.141163888393393,
                29.672604604869047,
                30.150901249697135,
            ],
        );
        near(
            ForecastModel::HoltWinters,
            [
                28.839274706660134,
                27.455562283887907,
                27.541771606979257,
                31.277072525804474,
                30.748771881429622,
            ],
        );
        near(
            ForecastModel::LocalTrend,
            [
                29.279983578412498,
                30.76529257028173,
                32.25060156215096,
                33.735910554020194,
                35.221219545889426,
            ],
        );
        near(ForecastModel::Naive, [30.0; 5]);
        near(ForecastModel::SeasonalNaive, [26.0, 24.0, 23.0, 30.0, 26.0]);
    }

    /// A step without an observation is a forecast that is believed.
    #[test]
    fn what_was_not_observed_is_no_news() {
        let mut models = after(&SERIES.map(f64::from), 4);
        let before = ahead(&models, ForecastModel::LocalTrend, 11);
        models.pass();
        let later = ahead(&models, ForecastModel::LocalTrend, 12);
        assert!((later[0] - before[1]).abs() < 1e-9);
        assert_eq!(ahead(&models, ForecastModel::SeasonalNaive, 12)[0], 24.0);
        // A first season with a hole in it begins anew.
        let mut young = after(&[1.0, 2.0, 3.0], 4);
        young.pass();
        young.observe(Finite::from(4), 4);
        assert!(ahead(&young, ForecastModel::SeasonalNaive, 4).is_empty());
    }

    proptest! {
        #[test]
        fn a_constant_load_stays_to_the_last_bit(
            load in 0.0..1e9_f64, steps in 1..200_usize, slots in 2..30_u32,
        ) {
            let models = after(&vec![load; steps], slots);
            let last = i64::try_from(steps).unwrap() - 1;
            for model in ForecastModel::ALL {
                prop_assert!(ahead(&models, model, last).iter().all(|it| *it == load));
            }
        }

        /// Twice the load is twice the forecast, to the last bit.
        #[test]
        fn powers_of_two_pass_through(
            loads in prop::collection::vec(0.0..1e6_f64, 1..60), power in -8..8_i32, slots in 2..9_u32,
        ) {
            let scale = libm::ldexp(1.0, power);
            let scaled: Vec<f64> = loads.iter().map(|load| load * scale).collect();
            let last = i64::try_from(loads.len()).unwrap() - 1;
            for model in ForecastModel::ALL {
                let one: Vec<f64> = ahead(&after(&loads, slots), model, last)
                    .iter()
                    .map(|load| load * scale)
                    .collect();
                prop_assert_eq!(one, ahead(&after(&scaled, slots), model, last));
            }
        }
    }
}
