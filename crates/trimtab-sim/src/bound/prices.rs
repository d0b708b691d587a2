//! Replicas as a fluid: a price on the capacity of each window that no fleet can undercut.

use super::bins::Scale;
use super::work::Work;
use crate::Overlap;

/// What a fleet is charged for beyond its first `above` replicas.
#[derive(Copy, Clone, Debug)]
pub(super) struct Terms {
    pub(super) overlap: Overlap,
    /// The least seconds of a start.
    pub(super) start: f64,
    /// Replicas at the beginning.
    pub(super) initial: u32,
    /// Replicas that are accounted for elsewhere.
    pub(super) above: u32,
}

/// The least replica-seconds beyond the first `above` replicas, for the best prices that are found
/// at this scale.
///
/// The prices that are best for a given division of work among the windows are found exactly. Work
/// that crosses a boundary then moves to where it is cheapest, part by part, and the prices follow,
/// for so many `rounds`. What prices prove does not hang on how they were found.
pub(super) fn least_beyond(scale: &Scale, undated: &Work, terms: &Terms, rounds: u32) -> f64 {
    let mut loads = spread(scale);
    let mut best = 0.0_f64;
    for loads in [&scale.within, &loads] {
        let course = flat_course(loads, terms);
        let prices = prices(loads, &course, scale.seconds, terms);
        best = best.max(prove(scale, undated, &prices, &course, terms));
    }
    for round in 1..=rounds {
        let course = best_course(&loads, scale.seconds, terms);
        let prices = prices(&loads, &course, scale.seconds, terms);
        best = best.max(prove(scale, undated, &prices, &course, terms));
        if round < rounds {
            let part = 1.0 / f64::from(round + 1);
            for (load, reply) in loads.iter_mut().zip(cheapest(scale, &prices)) {
                *load = load.times(1.0 - part).plus(&reply.times(part));
            }
        }
    }
    best
}

/// Whether the search for prices takes little time and memory: a million steps at most.
pub(super) fn is_affordable(scale: &Scale, start: f64) -> bool {
    let values = 2.0 * start / scale.seconds + 2.0;
    #[expect(clippy::cast_precision_loss, reason = "windows are far fewer than 2^53")]
    let windows = scale.within.len() as f64;
    values <= f64::from(u16::MAX) && values * windows <= 1e6
}

/// Work by window, what crosses a boundary in equal parts over the windows within its reach.
fn spread(scale: &Scale) -> Vec<Work> {
    let mut loads = scale.within.clone();
    for (m, crossing) in scale.crossing.iter().enumerate() {
        let reach = 1 << m.min(usize::BITS as usize - 2);
        let mut changes = vec![Work::NONE; loads.len() + 1];
        for (index, work) in crossing.iter().enumerate().filter(|(_, work)| **work != Work::NONE) {
            let (from, to) = (index.saturating_sub(reach), (index + reach).min(loads.len()));
            #[expect(clippy::cast_precision_loss, reason = "windows are far fewer than 2^53")]
            let part = work.times(1.0 / (to - from) as f64);
            for (at, change) in [(from, part), (to, part.times(-1.0))] {
                if let Some(slot) = changes.get_mut(at) {
                    *slot = slot.plus(&change);
                }
            }
        }
        let mut rate = Work::NONE;
        for (load, change) in loads.iter_mut().zip(&changes) {
            rate = rate.plus(change);
            *load = load.plus(&rate);
        }
    }
    loads
}

/// Replicas of work in a window beyond those accounted for elsewhere.
fn excess(load: &Work, seconds: f64, terms: &Terms) -> f64 {
    (load.seconds(terms.overlap) / seconds - f64::from(terms.above)).max(0.0)
}

/// Starting is worth its seconds until the window with the most work is over, then nothing.
fn flat_course(loads: &[Work], terms: &Terms) -> Vec<f64> {
    let seconds = loads.iter().map(|load| load.seconds(terms.overlap)).enumerate();
    let peak = seconds.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index);
    (0..=loads.len()).map(|index| if index <= peak { terms.start } else { 0.0 }).collect()
}

/// What a replica is worth at each boundary of windows, from 0 to the seconds of a start: the
/// course that is best for these loads.
fn best_course(loads: &[Work], seconds: f64, terms: &Terms) -> Vec<f64> {
    let values = value_grid(seconds, terms.start);
    let begin = f64::from(terms.initial.saturating_sub(terms.above));
    let mut totals: Vec<f64> = values.iter().map(|value| -value * begin).collect();
    let mut came_from: Vec<u16> = Vec::with_capacity(loads.len() * values.len());
    for load in loads {
        let next = step(&values, &totals, seconds, excess(load, seconds, terms));
        totals.clear();
        for (total, from) in next.into_iter().rev() {
            totals.push(total);
            came_from.push(from);
        }
    }

    let mut at = totals.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    let value = |at: usize| values.get(at).copied().unwrap_or(0.0);
    let mut course = vec![value(at)];
    for from in came_from.chunks(values.len()).rev() {
        at = from.get(at).copied().map_or(0, usize::from);
        course.push(value(at));
    }
    course.reverse();
    course
}

/// All that an optimal course needs: 0, the start, and whole windows from either.
fn value_grid(seconds: f64, start: f64) -> Vec<f64> {
    let mut values = vec![0.0, start];
    let mut value = seconds;
    while value < start {
        values.extend([value, start - value]);
        value += seconds;
    }
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// For each value at the end of a window, from the highest down, the best total and the value at
/// its beginning that gives it. Values rise by at most the length of the window.
fn step(values: &[f64], totals: &[f64], seconds: f64, excess: f64) -> Vec<(f64, u16)> {
    let mut best = (f64::NEG_INFINITY, 0);
    let mut before = values.iter().zip(totals).enumerate().rev().peekable();
    let least_before = |after: f64| after - seconds * (1.0 + 1e-12);
    let ends = values.iter().rev().map(|&after| {
        while let Some((at, (value, total))) =
            before.next_if(|before| *before.1.0 >= least_before(after))
        {
            let total = total + excess * value;
            if total > best.0 {
                best = (total, u16::try_from(at).unwrap_or(u16::MAX));
            }
        }
        (best.0 + excess * (seconds - after), best.1)
    });
    ends.collect()
}

/// The price of each part of work by window. Where replicas are accounted for elsewhere, windows
/// without an excess charge nothing.
fn prices(loads: &[Work], course: &[f64], seconds: f64, terms: &Terms) -> Vec<(f64, Work)> {
    let values = course.iter().zip(course.iter().skip(1));
    let windows = loads.iter().zip(values);
    let prices = windows.map(|(load, (value, next))| {
        let charged = terms.above == 0 || excess(load, seconds, terms) > 0.0;
        // Never below 0 but for rounding, as the course rises by at most the length of a window.
        let price = if charged { (1.0 + (value - next) / seconds).max(0.0) } else { 0.0 };
        (price, load.counted(terms.overlap).times(price))
    });
    prices.collect()
}

/// What these prices prove: work at the least price between its release and its deadline, less what
/// the replicas take that are accounted for elsewhere.
fn prove(
    scale: &Scale,
    undated: &Work,
    prices: &[(f64, Work)],
    course: &[f64],
    terms: &Terms,
) -> f64 {
    let elsewhere = f64::from(terms.above) * scale.seconds;
    let within = scale.within.iter().zip(prices);
    let mut total: f64 =
        within.map(|(work, (price, parts))| work.dot(parts) - elsewhere * price).sum();
    let parts = prices.iter().map(|(_, parts)| *parts).collect();
    for_each_reach(scale, parts, Work::min, |work, least| total += work.dot(least));
    if terms.above == 0 && *undated != Work::NONE {
        // It may be done after all windows, where a replica costs its time.
        let after = undated.counted(terms.overlap);
        total += undated.dot(&prices.iter().fold(after, |least, (_, parts)| least.min(parts)));
    }
    let begin = f64::from(terms.initial.saturating_sub(terms.above));
    total - course.first().copied().unwrap_or(0.0) * begin
}

/// The loads if all work that crosses a boundary is done where it is cheapest.
fn cheapest(scale: &Scale, prices: &[(f64, Work)]) -> Vec<Work> {
    let mut loads = scale.within.clone();
    let places = prices.iter().enumerate().map(|(index, (price, _))| (*price, index)).collect();
    let cheaper = |a: &(f64, usize), b: &(f64, usize)| if b.0 < a.0 { *b } else { *a };
    for_each_reach(scale, places, cheaper, |work, &(_, index)| {
        if let Some(load) = loads.get_mut(index) {
            *load = load.plus(work);
        }
    });
    loads
}

/// Visits all work that crosses a boundary with the least of the windows' values within its reach.
fn for_each_reach<T: Copy>(
    scale: &Scale,
    values: Vec<T>,
    least: impl Fn(&T, &T) -> T,
    mut visit: impl FnMut(&Work, &T),
) {
    // Of the windows beside each boundary; then of twice as many, from the leasts half a reach
    // before and after it.
    let mut leasts = merged(&values, 1, 0, &least);
    for (m, crossing) in scale.crossing.iter().enumerate() {
        if m > 0 {
            let half = 1_usize.checked_shl(u32::try_from(m - 1).unwrap_or(u32::MAX)).unwrap_or(0);
            leasts = merged(&leasts, half, half, &least);
        }
        for (work, least) in crossing.iter().zip(&leasts) {
            if *work != Work::NONE {
                visit(work, least);
            }
        }
    }
}

/// At each index the lesser of the values so far before and after it, or of the first and the last
/// where there are no more.
fn merged<T: Copy>(
    values: &[T],
    before: usize,
    after: usize,
    least: impl Fn(&T, &T) -> T,
) -> Vec<T> {
    let last = values.len().saturating_sub(1);
    let pairs = (0..values.len()).filter_map(|index| {
        let before = values.get(index.saturating_sub(before))?;
        Some(least(before, values.get((index + after).min(last))?))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least(loads: &[f64], start: f64, initial: u32, above: u32) -> f64 {
        let scale = Scale {
            seconds: 10.0,
            within: loads.iter().map(|load| Work::alone(load * 10.0)).collect(),
            crossing: Vec::new(),
        };
        least_beyond(
            &scale,
            &Work::NONE,
            &Terms { overlap: Overlap::None, start, initial, above },
            1,
        )
    }

    /// The least cost of a fleet in tenths of a replica that is never below the loads, by
    /// enumeration of levels.
    fn by_levels(loads: &[f64], start: f64, initial: u32, above: u32) -> f64 {
        let mut cost = 0.0;
        for tenth in 0..100 {
            let level = f64::from(tenth) / 10.0 + 0.05;
            if level < f64::from(above) {
                continue;
            }
            let mut last_on: Option<usize> = (level < f64::from(initial)).then_some(0);
            for (j, _) in loads.iter().enumerate().filter(|(_, load)| **load > level) {
                let gap = last_on.map_or(f64::INFINITY, |last| 10.0 * count(j - last));
                cost += 0.1 * (10.0 + gap.min(start));
                last_on = Some(j + 1);
            }
        }
        cost
    }

    fn count(windows: usize) -> f64 {
        f64::from(u32::try_from(windows).unwrap())
    }

    #[test]
    fn leasts_within_reach() {
        let n = 11;
        let values: Vec<u32> = (0..n).map(|i| (i * 7 + 3) % 11).collect();
        let one = |i: usize| (0..11).map(|j| Work::alone(if i == j { 1.0 } else { 0.0 })).collect();
        for at in 0..11_usize {
            let scale = Scale { seconds: 1.0, within: vec![], crossing: vec![one(at); 5] };
            let mut m = 0;
            for_each_reach(
                &scale,
                values.clone(),
                |a, b| *a.min(b),
                |_, least| {
                    let near = at.saturating_sub(1 << m)..(at + (1 << m)).min(11);
                    assert_eq!(Some(least), values[near].iter().min(), "{at} {m}");
                    m += 1;
                },
            );
            assert_eq!(m, 5);
        }
    }

    proptest::proptest! {
        /// For work that crosses no boundary, the price proves what filling or leaving each gap
        /// costs, level by level.
        #[test]
        fn as_much_as_the_levels_of_a_fluid(
            tenths in proptest::collection::vec(0_u32..60, 1..12),
            start in 0_u32..70, initial in 0_u32..4, above in 0_u32..4,
        ) {
            let loads: Vec<f64> = tenths.iter().map(|tenths| f64::from(*tenths) / 10.0).collect();
            let start = f64::from(start);
            let (least, levels) = (least(&loads, start, initial, above), by_levels(&loads, start, initial, above));
            proptest::prop_assert!((least - levels).abs() < 1e-6, "{} {}", least, levels);
        }
    }
}
