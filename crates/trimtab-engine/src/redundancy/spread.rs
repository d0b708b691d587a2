//! Replicas by failure domain, and how many are left of a count when the largest domains are lost.

use alloc::vec::Vec;

use crate::float::saturated;
use crate::observation::Observation;
use crate::policy::{FailureDomain, RedundancySpec};

/// Where replicas are, as far as it is known.
pub(super) struct Spread {
    losses: usize,
    /// Replicas of the domains that have any, the fewest first.
    occupied: Vec<i64>,
    /// Domains that are known to exist and have none.
    empty: i64,
    /// Replicas that have a node, nobody knows in which domain: they are taken to be lost.
    unknown: i64,
}

impl Spread {
    /// Where the domain of no replica is known, but how many there are, the replicas are taken to be
    /// spread evenly.
    pub(super) fn seen(spec: &RedundancySpec, observation: &Observation) -> Self {
        let (mut places, mut unknown) = (Vec::new(), 0_i64);
        for (_, details) in observation.pods.placements().filter(|(waits, _)| !waits) {
            let domain = match spec.domain {
                FailureDomain::Zone => details.zone,
                FailureDomain::Node => details.node,
            };
            match domain {
                Some(domain) => places.push(domain),
                None => unknown += 1,
            }
        }
        if places.is_empty() {
            unknown = 0;
        }
        places.sort_unstable();
        let groups = places.chunk_by(|one, other| one == other);
        let mut occupied: Vec<i64> = groups.map(|group| length(group.len())).collect();
        occupied.sort_unstable();
        let there = spec.domains.map_or(0, i64::from);
        let empty = (there - length(occupied.len())).max(0);
        let losses = usize::try_from(spec.survive_domain_losses).unwrap_or(0);
        Self { losses, occupied, empty, unknown }
    }

    /// Domains that are known.
    pub(super) fn domains(&self) -> i32 {
        saturated(self.empty.saturating_add(length(self.occupied.len())))
    }

    /// Replicas of which the domain is not known.
    pub(super) fn unknown(&self) -> i32 {
        saturated(self.unknown)
    }

    /// The least count from `least` to `most` of which `need` replicas are left; `most` if it takes
    /// more, and `least` if no count does: where no more domains are known than are lost.
    pub(super) fn least_that_leaves(&self, need: i32, least: i32, most: i32) -> i32 {
        if length(self.losses) >= i64::from(self.domains()) || self.left_of(least) >= need {
            return least;
        }
        // One more replica never leaves fewer.
        let (mut too_few, mut enough) = (least, most);
        while i64::from(enough) - i64::from(too_few) > 1 {
            let middle = too_few.midpoint(enough);
            if self.left_of(middle) >= need {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        enough
    }

    /// How many of so many replicas are left.
    pub(super) fn left_of(&self, replicas: i32) -> i32 {
        let replicas = i64::from(replicas);
        let there: i64 = self.occupied.iter().sum::<i64>() + self.unknown;
        let lost = self.largest((replicas - there).max(0)) + self.unknown;
        saturated((replicas - lost).max(0))
    }

    /// Replicas in the domains that are lost, once so many have gone where the fewest are.
    fn largest(&self, new: i64) -> i64 {
        // The domains that are filled up to one level, and what they had.
        let (mut filled, mut had) = (self.empty, 0);
        let mut rest = self.occupied.as_slice();
        while let [next, others @ ..] = rest {
            if filled > 0 && new < next.saturating_mul(filled) - had {
                break;
            }
            (filled, had, rest) = (filled + 1, had + next, others);
        }
        let from_rest = self.losses.min(rest.len());
        let largest: i64 = rest.iter().rev().take(from_rest).sum();
        if filled == 0 {
            return largest;
        }
        let (level, higher) = ((had + new).div_euclid(filled), (had + new).rem_euclid(filled));
        let from_filled = length(self.losses - from_rest).min(filled);
        largest + level * from_filled + from_filled.min(higher)
    }
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(losses: usize, occupied: &[i64], empty: i64, unknown: i64) -> Spread {
        Spread { losses, occupied: occupied.to_vec(), empty, unknown }
    }

    #[test]
    fn new_replicas_go_where_the_fewest_are() {
        let three = spread(1, &[1, 2, 4], 0, 0);
        assert_eq!(three.left_of(7), 3);
        assert_eq!(three.left_of(10), 6); // 3, 3, 4
        assert_eq!(three.left_of(12), 8); // 4, 4, 4
        assert_eq!(three.left_of(13), 8); // 5, 4, 4
        assert_eq!(spread(1, &[2], 2, 0).left_of(5), 3); // 2, 2, 1
        assert_eq!(spread(2, &[2], 2, 0).left_of(5), 1);
    }

    #[test]
    fn on_the_way_down_anybody_may_go() {
        assert_eq!(spread(1, &[1, 2, 4], 0, 0).left_of(5), 1);
        assert_eq!(spread(1, &[1, 2, 4], 0, 0).left_of(3), 0);
    }

    #[test]
    fn what_is_unknown_is_lost() {
        assert_eq!(spread(1, &[2, 2], 0, 3).left_of(7), 2);
        assert_eq!(spread(1, &[2, 2], 0, 3).left_of(9), 3);
    }

    #[test]
    fn evenly_spread_where_only_the_domains_are_known() {
        let even = spread(1, &[], 3, 0);
        assert_eq!([3, 4, 6, 7].map(|count| even.left_of(count)), [2, 2, 4, 4]);
        assert_eq!(even.least_that_leaves(4, 4, 100), 6);
        assert_eq!(even.least_that_leaves(4, 4, 5), 5);
    }

    #[test]
    fn a_single_domain_can_be_helped_by_no_count() {
        assert_eq!(spread(1, &[3], 0, 0).least_that_leaves(2, 3, 100), 3);
        assert_eq!(spread(1, &[], 0, 0).least_that_leaves(2, 3, 100), 3);
    }

    #[test]
    fn the_largest_counts_do_not_overflow() {
        let many = spread(3, &[1, i64::from(i32::MAX)], i64::from(i32::MAX), 7);
        assert!(many.left_of(i32::MAX) >= 0);
        assert_eq!(many.least_that_leaves(i32::MAX, 1, i32::MAX), i32::MAX);
    }
}
