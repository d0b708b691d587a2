//! Whole replicas, level by level: when there must be k of them, and what having them then costs at
//! least.

use core::iter;

use super::bins::Scale;
use super::work::Work;
use crate::Overlap;

/// A stretch of time, in seconds from the start of the trace.
type Stretch = (f64, f64);

/// The least replica-seconds of each level of whole replicas, the first replica first.
///
/// In a window of `w` seconds whose work is more than `(k - 1) w`, level `k` is on at some moment:
/// there are at least `k` replicas ready then. What is known of a level is such stretches, of one
/// scale of windows at a time.
#[derive(Debug, Default)]
pub(super) struct Levels {
    seconds: Vec<f64>,
}

impl Levels {
    pub(super) fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// Raises each level to what the windows of this scale say about it.
    pub(super) fn raise(&mut self, scale: &Scale, overlap: Overlap, start: f64, initial: u32) {
        let mut windows = Windows::new(scale, overlap);
        let mut stretches = Vec::new();
        for level in 1_u32.. {
            windows.keep_above(f64::from(level - 1));
            windows.stretches(scale.seconds, &mut stretches);
            if stretches.is_empty() {
                break;
            }
            let least = least_on_time(&stretches, start, level <= initial);
            match self.seconds.get_mut(level as usize - 1) {
                Some(known) => *known = known.max(least),
                None => self.seconds.push(least),
            }
        }
    }
}

/// Windows by index, and replicas of work: in the window, and on average in it and the next one.
struct Windows {
    loads: Vec<(usize, f64, f64)>,
    above: f64,
}

impl Windows {
    fn new(scale: &Scale, overlap: Overlap) -> Self {
        let near = scale.crossing.first().into_iter().flatten();
        let next = scale.within.iter().zip(near.chain(iter::repeat(&Work::NONE))).skip(1);
        let windows = scale.within.iter().zip(next.map(Some).chain([None]));
        let loads = windows.enumerate().map(|(index, (within, next))| {
            let pair = next
                .map_or(0.0, |(next, crossing)| within.plus(next).plus(crossing).seconds(overlap));
            (index, within.seconds(overlap) / scale.seconds, pair / (2.0 * scale.seconds))
        });
        Self { loads: loads.collect(), above: 0.0 }
    }

    fn keep_above(&mut self, replicas: f64) {
        self.above = surely_above(replicas);
        self.loads.retain(|&(_, one, pair)| one > self.above || pair > self.above);
    }

    /// Windows, and pairs of windows in which neither says it alone: starts and ends both increase.
    fn stretches(&self, seconds: f64, into: &mut Vec<Stretch>) {
        into.clear();
        let at = |index: usize| as_f64(index) * seconds;
        let nexts = self.loads.iter().skip(1).map(Some).chain([None]);
        for (&(index, one, pair), next) in self.loads.iter().zip(nexts) {
            let next_alone = next.is_some_and(|&(i, one, _)| i == index + 1 && one > self.above);
            if one > self.above {
                into.push((at(index), at(index + 1)));
            } else if pair > self.above && !next_alone {
                into.push((at(index), at(index + 2)));
            }
        }
    }
}

/// A sum of floats may be above a whole number by its rounding alone.
fn surely_above(replicas: f64) -> f64 {
    replicas * (1.0 + 1e-9) + 1e-12
}

#[expect(clippy::cast_precision_loss, reason = "windows are far fewer than 2^53")]
fn as_f64(index: usize) -> f64 {
    index as f64
}

/// The least time of a level that is on at some moment of each stretch, if each time that it goes
/// on takes `start` seconds more. A level that is on at the beginning need not be started for that.
///
/// Starts and ends of the stretches increase. One time on serves neighbours i..=j of them, from the
/// end of i to the start of j.
fn least_on_time(stretches: &[Stretch], start: f64, on_at_first: bool) -> f64 {
    let beginning: &[Stretch] = if on_at_first { &[(0.0, 0.0)] } else { &[] };
    let all = || beginning.iter().chain(stretches);

    // With what an earlier time on begins: the end of its first stretch, the least cost before it.
    let mut firsts = all();
    let mut costs_before = Vec::with_capacity(stretches.len() + 2);
    costs_before.push(0.0_f64);
    let mut begun = 0;
    let mut first = firsts.next();
    // Over those first stretches that have ended: the cost before, less the end.
    let mut ended = f64::INFINITY;
    let mut cost = 0.0;
    for &(from, _) in all() {
        while let Some(&(_, end)) = first
            && end < from
            && let Some(before) = costs_before.get(begun)
        {
            ended = ended.min(before - end);
            begun += 1;
            first = firsts.next();
        }
        // The first stretch that has not ended yet is this one at the latest: on for one moment.
        let moment = costs_before.get(begun).copied().unwrap_or(cost);
        cost = start + moment.min(ended + from);
        costs_before.push(cost);
    }
    if on_at_first { cost - start } else { cost }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_is_kept_through_or_restarted() {
        let stretches = |gap: f64| [(0.0, 10.0), (10.0 + gap, 20.0 + gap)];
        assert_eq!(least_on_time(&stretches(50.0), 60.0, false), 60.0 + 50.0);
        assert_eq!(least_on_time(&stretches(70.0), 60.0, false), 60.0 + 60.0);
        assert_eq!(least_on_time(&stretches(50.0), 60.0, true), 60.0);
        assert_eq!(least_on_time(&[], 60.0, true), 0.0);
        assert_eq!(least_on_time(&[], 60.0, false), 0.0);
    }

    /// All ways to cut the stretches into times on.
    fn enumerated(stretches: &[Stretch], start: f64, on_at_first: bool) -> f64 {
        let Some(cuts) = stretches.len().checked_sub(1) else { return 0.0 };
        let cost = |group: &[Stretch], initial: bool| {
            let (begin, paid) = if initial { (0.0, 0.0) } else { (group[0].1, start) };
            paid + (group[group.len() - 1].0 - begin).max(0.0)
        };
        let mut least = f64::INFINITY;
        for mask in 0..1_u32 << cuts {
            let mut groups = vec![vec![stretches[0]]];
            for (i, &stretch) in stretches.iter().enumerate().skip(1) {
                if mask >> (i - 1) & 1 == 1 {
                    groups.push(Vec::new());
                }
                groups.last_mut().unwrap().push(stretch);
            }
            let sum: f64 = groups.iter().map(|group| cost(group, false)).sum();
            least = least.min(sum);
            if on_at_first {
                least = least.min(sum - cost(&groups[0], false) + cost(&groups[0], true));
            }
        }
        least
    }

    proptest! {
        #[test]
        fn as_by_enumeration(
            steps in prop::collection::vec((1_u32..8, 0_u32..8), 0..9),
            start in 0_u32..12,
            on_at_first: bool,
        ) {
            let mut stretches = Vec::new();
            let (mut from, mut to) = (0, 0);
            for (step, length) in steps {
                from += step;
                to = (to + 1).max(from + length);
                stretches.push((f64::from(from), f64::from(to)));
            }
            let start = f64::from(start);
            let least = least_on_time(&stretches, start, on_at_first);
            prop_assert_eq!(least, enumerated(&stretches, start, on_at_first));
        }
    }
}
