//! When: whole nanoseconds of virtual time.

use core::fmt;

/// A point in virtual time, in whole nanoseconds since the start of the trace.
///
/// Integers, so that the order of events does not hang on rounding. Arithmetic saturates, and
/// [`Moment::NEVER`] is later than everything.
///
/// ```
/// use trimtab_sim::Moment;
///
/// let start = Moment::from_seconds(1.5);
/// assert_eq!(start.after_seconds(0.25).seconds(), 1.75);
/// assert!(start < Moment::NEVER);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(i64);

const NANOS_PER_SECOND: f64 = 1e9;

impl Moment {
    /// The start of the trace.
    pub const START: Self = Self(0);

    /// Later than any event.
    pub const NEVER: Self = Self(i64::MAX);

    /// From nanoseconds since the start.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From seconds since the start, to the nearest nanosecond; what is beyond 292 years saturates,
    /// and NaN is the start.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is meant")]
    pub fn from_seconds(seconds: f64) -> Self {
        Self(libm::rint(seconds * NANOS_PER_SECOND) as i64)
    }

    /// Nanoseconds since the start.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the start.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the first 104 days, then to 2 ns or so"
    )]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND
    }

    /// This much later.
    pub fn after_seconds(self, seconds: f64) -> Self {
        self.after_nanos(Self::from_seconds(seconds).0)
    }

    /// This much later.
    pub const fn after_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this.
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds from `earlier` to this.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        Self(self.nanos_since(earlier)).seconds()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.seconds())
    }
}
