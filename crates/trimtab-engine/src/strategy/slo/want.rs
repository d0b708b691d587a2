//! What the signals come to: a count to go up to, and a count that it may come down to.

use serde::{Deserialize, Serialize};

/// Two counts with room in between.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Want {
    /// There should be at least so many.
    pub at_least: i32,
    /// More than so many are not needed; never less than `at_least`.
    pub at_most: i32,
}

impl Want {
    /// Exactly so many.
    pub const fn exactly(replicas: i32) -> Self {
        Self { at_least: replicas, at_most: replicas }
    }

    /// Nothing is asked for and nothing is given up.
    pub const fn hold(current: i32) -> Self {
        Self { at_least: 0, at_most: current }
    }

    /// What both ask for: the larger of each.
    ///
    /// ```
    /// use trimtab_engine::strategy::slo::Want;
    ///
    /// let both = Want::exactly(3).and(Want::hold(5));
    /// assert_eq!(both, Want { at_least: 3, at_most: 5 });
    /// assert_eq!([both.of(2), both.of(4), both.of(9)], [3, 4, 5]);
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.max(other.at_least),
            at_most: self.at_most.max(other.at_most),
        }
    }

    /// The count within that is nearest to the current one.
    pub fn of(self, current: i32) -> i32 {
        current.min(self.at_most).max(self.at_least)
    }
}
