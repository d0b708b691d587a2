//! Between which counts a deployment may move: its bounds, scaled by the capacity of the cluster.

use libm::fmod;

use crate::policy::TargetCapacityDirection;

/// The least and the most replicas, once scaled.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The least.
    pub lower: i32,
    /// The most.
    pub upper: i32,
    /// The count to begin with, not scaled.
    pub initial: Option<i32>,
}

/// How much of a deployment a cluster takes, and which way that moves.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Capacity {
    /// `target_capacity` in percent, 0 to 100; `None` is all.
    pub percentage: Option<f64>,
    /// `target_capacity_direction`
    pub direction: Option<TargetCapacityDirection>,
}

impl Capacity {
    /// A count at this capacity, rounded half up; 0 only if the count or the capacity is.
    ///
    /// ```
    /// use trimtab_engine::strategy::ray_serve::Capacity;
    ///
    /// let third = Capacity { percentage: Some(33.3), direction: None };
    /// assert_eq!([0, 1, 4, 5, 20].map(|count| third.of(count)), [0, 1, 1, 2, 7]);
    /// ```
    pub fn of(self, count: i32) -> i32 {
        let Some(percentage) = self.percentage.filter(|percentage| *percentage != 100.0) else {
            return count;
        };
        if percentage == 0.0 || count == 0 {
            return 0;
        }
        let hundredths = f64::from(count) * percentage;
        let rest = fmod(hundredths, 100.0); // exact, and so is the whole part then
        let whole = (hundredths - rest) / 100.0;
        saturating_i32(if rest >= 50.0 { whole + 1.0 } else { whole }).max(1)
    }
}

impl Limits {
    /// The bounds at a capacity. While the capacity moves up, the initial count is the least.
    pub fn new(min: i32, max: i32, initial: Option<i32>, capacity: Capacity) -> Self {
        let up = capacity.direction == Some(TargetCapacityDirection::Up);
        let least = initial.filter(|_| up).unwrap_or(min);
        Self { lower: capacity.of(least), upper: capacity.of(max), initial }
    }

    /// The nearest count within; the lower limit wins.
    pub fn bound(self, count: i32) -> i32 {
        count.min(self.upper).max(self.lower)
    }

    /// The target of a deployment that is new or has a new configuration, having had `target`.
    ///
    /// ```
    /// use trimtab_engine::strategy::ray_serve::{Capacity, Limits};
    ///
    /// let half = Capacity { percentage: Some(50.0), direction: None };
    /// assert_eq!(Limits::new(1, 10, Some(8), half).register(0), 5);
    /// assert_eq!(Limits::new(1, 10, None, half).register(3), 3);
    /// ```
    pub fn register(self, target: i32) -> i32 {
        self.bound(self.initial.unwrap_or(target))
    }
}

/// Cuts off the fraction; what does not fit is the nearest count, NaN is 0.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
pub(super) fn saturating_i32(value: f64) -> i32 {
    value as i32
}
