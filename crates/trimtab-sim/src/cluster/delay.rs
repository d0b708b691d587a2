//! How long something takes: a fixed time, or a lognormal one.

use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::Random;

/// A time in seconds: fixed, or lognormal with this median and 95th percentile.
///
/// It is written as a number of seconds, or as `{medianSeconds: 90, p95Seconds: 180}`. What is drawn
/// is 10 times the median at most, so that nothing takes forever.
///
/// ```
/// use trimtab_sim::Random;
/// use trimtab_sim::cluster::Delay;
///
/// let launch = Delay::lognormal(90.0, 180.0)?;
/// let mut random = Random::new(1, "launch");
/// assert!((0.0..=900.0).contains(&launch.sample(&mut random)));
/// assert_eq!(launch.to_string(), "median 90s, p95 180s");
/// assert_eq!(Delay::fixed(120.0)?.to_string(), "120s");
/// # Ok::<(), trimtab_sim::cluster::InvalidDelay>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Delay {
    median: f64,
    /// The median, where the time is fixed.
    p95: f64,
}

/// Numbers that make no [`Delay`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidDelay {
    /// Seconds that are negative, not finite or beyond 31 years.
    #[error("`{seconds}` is no delay: seconds have to be from 0 to {MOST_SECONDS}")]
    Seconds {
        /// What was given.
        seconds: f64,
    },
    /// A median that no lognormal time has.
    #[error("a `medianSeconds` of {median} is out of range: above 0 and at most {MOST_SECONDS}")]
    Median {
        /// What was given.
        median: f64,
    },
    /// A 95th percentile below the median, or beyond what is ever drawn.
    #[error("a `p95Seconds` of {p95} is out of range: from the median, {median}, to 10 times that")]
    P95 {
        /// The median.
        median: f64,
        /// What was given.
        p95: f64,
    },
}

/// The longest time that a cluster may name: 31 years, far inside what a moment can hold.
pub(crate) const MOST_SECONDS: f64 = 1e9;

/// What is drawn is so many medians at most.
const MOST_MEDIANS: f64 = 10.0;

/// The 95th percentile of the standard normal distribution.
const NORMAL_P95: f64 = 1.644_853_626_951_472_2;

impl Delay {
    /// Always this long.
    ///
    /// # Errors
    ///
    /// [`InvalidDelay::Seconds`] unless `seconds` is from 0 to 10⁹.
    pub fn fixed(seconds: f64) -> Result<Self, InvalidDelay> {
        if (0.0..=MOST_SECONDS).contains(&seconds) {
            return Ok(Self::constant(seconds));
        }
        Err(InvalidDelay::Seconds { seconds })
    }

    /// Lognormal: half of all times are below `median` seconds, and one of 20 is above `p95`.
    ///
    /// # Errors
    ///
    /// [`InvalidDelay::Median`] unless `median` is above 0 and at most 10⁹, [`InvalidDelay::P95`] unless
    /// `p95` is from `median` to 10 times that.
    pub fn lognormal(median: f64, p95: f64) -> Result<Self, InvalidDelay> {
        if !(median > 0.0 && median <= MOST_SECONDS) {
            return Err(InvalidDelay::Median { median });
        }
        if !(p95 >= median && p95 <= MOST_MEDIANS * median) {
            return Err(InvalidDelay::P95 { median, p95 });
        }
        Ok(Self { median, p95 })
    }

    pub(super) const fn constant(seconds: f64) -> Self {
        Self { median: seconds, p95: seconds }
    }

    pub(super) const fn between(median: f64, p95: f64) -> Self {
        Self { median, p95 }
    }

    /// The median in seconds.
    pub fn median_seconds(&self) -> f64 {
        self.median
    }

    /// Whether it is always the same.
    pub fn is_fixed(&self) -> bool {
        self.median >= self.p95
    }

    /// Draws a time in seconds. A fixed one draws nothing.
    pub fn sample(&self, random: &mut Random) -> f64 {
        if self.is_fixed() {
            return self.median;
        }
        let sigma = libm::log(self.p95 / self.median) / NORMAL_P95;
        self.median * random.lognormal(0.0, sigma).min(MOST_MEDIANS)
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_fixed() {
            return write!(f, "{}s", self.median);
        }
        write!(f, "median {}s, p95 {}s", self.median, self.p95)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Lognormal {
    median_seconds: f64,
    p95_seconds: f64,
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_fixed() {
            return serializer.serialize_f64(self.median);
        }
        Lognormal { median_seconds: self.median, p95_seconds: self.p95 }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DelayVisitor;

        impl<'de> Visitor<'de> for DelayVisitor {
            type Value = Delay;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds, or a map with `medianSeconds` and `p95Seconds`")
            }

            #[expect(clippy::cast_precision_loss, reason = "such a time is refused anyway")]
            fn visit_i64<E: Error>(self, value: i64) -> Result<Delay, E> {
                self.visit_f64(value as f64)
            }

            #[expect(clippy::cast_precision_loss, reason = "such a time is refused anyway")]
            fn visit_u64<E: Error>(self, value: u64) -> Result<Delay, E> {
                self.visit_f64(value as f64)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Delay, E> {
                Delay::fixed(value).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Delay, A::Error> {
                let Lognormal { median_seconds, p95_seconds } =
                    Lognormal::deserialize(MapAccessDeserializer::new(map))?;
                Delay::lognormal(median_seconds, p95_seconds).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(DelayVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Delay, String> {
        let source = trimtab_manifest::Source::new("delay.yaml", yaml);
        trimtab_manifest::from_str::<Vec<Delay>>(&source, &trimtab_manifest::Limits::default())
            .map(|delays| delays[0])
            .map_err(|error| error.problems()[0].message().to_owned())
    }

    #[test]
    fn both_forms_are_read_and_written() {
        for (yaml, delay, json) in [
            ("- 120", Delay::constant(120.0), "120.0"),
            ("- 0", Delay::constant(0.0), "0.0"),
            ("- 0.1", Delay::constant(0.1), "0.1"),
            ("- 2.5", Delay::constant(2.5), "2.5"),
            (
                "- {medianSeconds: 90, p95Seconds: 180.1}",
                Delay::between(90.0, 180.1),
                r#"{"medianSeconds":90.0,"p95Seconds":180.1}"#,
            ),
        ] {
            assert_eq!(read(yaml), Ok(delay), "{yaml}");
            assert_eq!(serde_json::to_string(&delay).unwrap(), json);
            assert_eq!(serde_json::from_str::<Delay>(json).unwrap(), delay);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (yaml, part) in [
            ("- -1", "`-1` is no delay"),
            ("- .inf", "`inf` is no delay"),
            ("- .nan", "`NaN` is no delay"),
            ("- 1e10", "is no delay: seconds have to be from 0 to 1000000000"),
            ("- soon", "expected seconds, or a map with `medianSeconds` and `p95Seconds`"),
            ("- {medianSeconds: 0, p95Seconds: 1}", "a `medianSeconds` of 0 is out of range"),
            ("- {medianSeconds: 9, p95Seconds: 8}", "a `p95Seconds` of 8 is out of range"),
            ("- {medianSeconds: 9, p95Seconds: 91}", "from the median, 9, to 10 times that"),
            ("- {medianSeconds: 9}", "p95Seconds"),
            ("- {medianSeconds: 9, p95Seconds: 9, p99Seconds: 9}", "p99Seconds"),
        ] {
            let message = read(yaml).unwrap_err();
            assert!(message.contains(part), "{yaml}: {message}");
        }
    }

    #[test]
    fn samples_have_the_median_and_the_95th_percentile() {
        let delay = Delay::lognormal(60.0, 150.0).unwrap();
        let mut random = Random::new(5, "delay");
        let mut drawn: Vec<f64> = (0..40_000).map(|_| delay.sample(&mut random)).collect();
        drawn.sort_by(f64::total_cmp);
        assert!((drawn[20_000] / 60.0 - 1.0).abs() < 0.02, "{}", drawn[20_000]);
        assert!((drawn[38_000] / 150.0 - 1.0).abs() < 0.03, "{}", drawn[38_000]);
        assert!(drawn[39_999] <= 600.0);
    }

    #[test]
    fn the_longest_tail_is_cut_at_ten_medians() {
        let delay = Delay::lognormal(1.0, 10.0).unwrap();
        let mut random = Random::new(5, "delay");
        let drawn: Vec<f64> = (0..10_000).map(|_| delay.sample(&mut random)).collect();
        let most = drawn.iter().copied().fold(0.0, f64::max);
        assert!((most - 10.0).abs() < 1e-12, "{most}");
    }
}
