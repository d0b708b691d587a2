//! Requests from a generator: named shapes of a day, a week, a ramp, a flash crowd.

mod catalog;
mod shape;

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::trace::{Arrivals, CV_RANGE, RATE_SCALE_RANGE, Segment, in_range};
use crate::{Requests, TokenLengths, Workload, WorkloadError};

use shape::Shape;

/// A second to ten years.
const DURATION_RANGE: RangeInclusive<f64> = 1.0..=315_576_000.0;

/// A workload that is generated: a rate over time, and arrivals that follow it.
///
/// | name | requests per second | lasts | CV |
/// |---|---|---|---|
/// | `steady` | 40 | 2 h | 1 |
/// | `diurnal` | a day of mean 40: 12.5 at 03:00, a rise to 62.6 at 10:00, 53.8 at 12:00, 62 at 15:00, a decline over the evening | 24 h | 1.2 |
/// | `weekly` | seven such days of mean 8, from 1.5 to 15; Saturday and Sunday a little over half | 7 d | 1.2 |
/// | `ramp` | 5 for 15 min, up to 80 within 60 min, 80 for 15 min, down to 5 within 15 min, 5 for 15 min | 2 h | 1 |
/// | `step` | 10, from 30 min to 90 min 50, then 10 again | 2 h | 1 |
/// | `flash-crowd` | 10, after 60 min within 60 s up to 100, 100 for 5 min, then back with a half-life of 5 min | 2 h | 1.5 |
/// | `on-off` | 40 for 15 min, 0 for 15 min, in turns | 4 h | 1 |
/// | `markov` | 5, 25 or 75, for exponential times of mean 10 min, 5 min and 2 min; the next one is either of the others by chance | 4 h | 1 |
///
/// The clock starts on a Monday at 00:00. Between the points given, rates are linear; `diurnal` has
/// one every hour. What lasts longer than in the table starts over, and `markov` goes on.
///
/// Arrivals are a renewal process on the integral of the rate. Its gaps are gamma distributed with
/// the coefficient of variation (CV) of the table; 1 is a Poisson process. Lengths are lognormal,
/// [`TokenLengths::default`] unless set. The same seed gives the same requests.
///
/// For another shape, write its rate to a file and open it as a [`Trace`](crate::Trace).
///
/// ```
/// use trimtab_sim::{Scenario, Workload};
///
/// let hour = Scenario::named("diurnal", 7).unwrap().with_duration_seconds(3600.0);
/// let requests = hour.requests()?.collect::<Result<Vec<_>, _>>()?;
/// assert!((60_000..80_000).contains(&requests.len())); // 22 per second at midnight, 17 at 01:00
/// assert!(requests.is_sorted_by_key(|request| request.arrival));
/// assert!(Scenario::named("eternal", 7).is_none());
/// # Ok::<(), trimtab_sim::WorkloadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    name: &'static str,
    shape: Shape,
    seed: u64,
    duration_seconds: f64,
    rate_scale: f64,
    interarrival_cv: f64,
    tokens: TokenLengths,
}

impl Scenario {
    /// The one to take when none is named.
    pub const DEFAULT: &'static str = "diurnal";

    /// The scenario of this name, with a seed for all its chance.
    pub fn named(name: &str, seed: u64) -> Option<Self> {
        let entry = catalog::find(name)?;
        Some(Self {
            name: entry.name,
            shape: (entry.shape)(),
            seed,
            duration_seconds: entry.duration_seconds,
            rate_scale: 1.0,
            interarrival_cv: entry.interarrival_cv,
            tokens: TokenLengths::default(),
        })
    }

    /// All names, in the order of the table.
    pub fn names() -> impl Iterator<Item = &'static str> {
        catalog::ENTRIES.iter().map(|entry| entry.name)
    }

    /// With every rate times this, 0.000001 to 10 000.
    #[must_use]
    pub fn with_rate_scale(self, rate_scale: f64) -> Self {
        Self { rate_scale, ..self }
    }

    /// For so long, 1 s to ten years.
    #[must_use]
    pub fn with_duration_seconds(self, duration_seconds: f64) -> Self {
        Self { duration_seconds, ..self }
    }

    /// With these lengths of requests.
    #[must_use]
    pub fn with_tokens(self, tokens: TokenLengths) -> Self {
        Self { tokens, ..self }
    }

    /// With this coefficient of variation of the gaps between arrivals: 0 (even spacing) to 100.
    #[must_use]
    pub fn with_interarrival_cv(self, interarrival_cv: f64) -> Self {
        Self { interarrival_cv, ..self }
    }

    /// How long it lasts.
    pub fn duration_seconds(&self) -> f64 {
        self.duration_seconds
    }
}

impl Workload for Scenario {
    fn name(&self) -> &str {
        self.name
    }

    /// # Errors
    ///
    /// [`WorkloadError`] when a number that was set is out of its range. Nothing else fails.
    fn requests(&self) -> Result<Requests, WorkloadError> {
        let source: Arc<str> = self.name.into();
        in_range(&source, "rate scale", self.rate_scale, &RATE_SCALE_RANGE)?;
        in_range(&source, "coefficient of variation", self.interarrival_cv, &CV_RANGE)?;
        in_range(&source, "duration", self.duration_seconds, &DURATION_RANGE)?;
        let Self { duration_seconds: end, rate_scale, interarrival_cv: cv, tokens, seed, .. } =
            *self;
        let segments = self.shape.stretches(seed).map_while(move |stretch| stretch.cut(end)).map(
            move |stretch| {
                Ok(Segment {
                    start: stretch.start,
                    seconds: stretch.seconds,
                    from: stretch.from * rate_scale,
                    to: stretch.to * rate_scale,
                    cv,
                    tokens,
                })
            },
        );
        Ok(Box::new(Arrivals::new(segments, seed)))
    }
}
