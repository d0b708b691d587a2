//! Work by when it is released and due, in bins that coarsen: what must be done within each window.

use super::work::Work;
use crate::Moment;

/// Work of requests, kept by the bins between its release and its deadline.
///
/// Of bin `i` the key is `2 i + 1`, of the boundary before it `2 i`. Work that is released and due
/// in one bin has its key; other work has that of the boundary it crosses which is a multiple of
/// the highest power of two. So at any scale of windows of 2^s bins, work crosses a boundary of
/// windows exactly if its key is one.
///
/// Rows keep apart what is due soon after its release from what is not: row `r` holds work that is
/// due within 4^r bins.
#[derive(Clone, Debug)]
pub(super) struct Bins {
    bin_nanos: i64,
    rows: Vec<Vec<Work>>,
    /// Work without a deadline.
    undated: Work,
    /// Of the bin that the latest deadline is in.
    last: usize,
}

/// A longer trace has longer bins, not more: at first of 5 s, this is four days.
const MOST_BINS: i64 = 1 << 16;

/// The work of [`Bins`] at one scale.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// The length of a window.
    pub(super) seconds: f64,
    /// Released and due in the window, by window.
    pub(super) within: Vec<Work>,
    /// Crossing the boundary before the window, by window; by how far it may reach: entry `m` from
    /// at most `2^m` windows before the boundary to as many after it.
    pub(super) crossing: Vec<Vec<Work>>,
}

impl Bins {
    pub(super) fn new(bin_nanos: i64) -> Self {
        Self { bin_nanos: bin_nanos.max(1), rows: Vec::new(), undated: Work::NONE, last: 0 }
    }

    pub(super) fn undated(&self) -> &Work {
        &self.undated
    }

    pub(super) fn add_undated(&mut self, work: &Work) {
        self.undated = self.undated.plus(work);
    }

    /// Work that can be done from `released` on and must be done by `due`.
    pub(super) fn add(&mut self, released: Moment, due: Moment, work: &Work) {
        let first = released.nanos().max(0);
        // What is due at the end of a bin is due in it.
        let last = due.nanos().saturating_sub(1).max(first);
        while last / self.bin_nanos >= MOST_BINS {
            self.coarsen();
        }
        let row = row_of((last - first) / self.bin_nanos);
        let (first, last) = (index(first / self.bin_nanos), index(last / self.bin_nanos));
        self.last = self.last.max(last);

        let rows = self.rows.len().max(row + 1);
        self.rows.resize(rows, Vec::new());
        let Some(row) = self.rows.get_mut(row) else { return };
        let key = key(first, last);
        if row.len() <= key {
            row.resize(key + 1, Work::NONE);
        }
        if let Some(slot) = row.get_mut(key) {
            *slot = slot.plus(work);
        }
    }

    /// Bins of twice the length. What was due within so many bins is due within as many of those.
    fn coarsen(&mut self) {
        self.rows.iter_mut().for_each(coarsen);
        self.bin_nanos = self.bin_nanos.saturating_mul(2);
        self.last /= 2;
    }

    /// From windows of one bin up to windows of which one or two hold everything.
    pub(super) fn scales(&self) -> Scales {
        Scales {
            bin_seconds: seconds(self.bin_nanos),
            rows: self.rows.clone(),
            last: self.last,
            scale: 0,
        }
    }
}

/// The scales, from fine to coarse.
pub(super) struct Scales {
    bin_seconds: f64,
    rows: Vec<Vec<Work>>,
    last: usize,
    scale: usize,
}

impl Iterator for Scales {
    type Item = Scale;

    fn next(&mut self) -> Option<Scale> {
        if self.scale > 0 {
            if self.last == 0 {
                return None;
            }
            self.rows.iter_mut().for_each(coarsen);
            self.last /= 2;
            self.bin_seconds *= 2.0;
        }
        let windows = self.last + 1;
        let reaches = (2 * self.rows.len()).saturating_sub(self.scale + 1).max(1);
        let mut scale = Scale {
            seconds: self.bin_seconds,
            within: vec![Work::NONE; windows],
            crossing: vec![Vec::new(); reaches],
        };
        for (row, works) in self.rows.iter().enumerate().filter(|(_, works)| !works.is_empty()) {
            add_to(&mut scale.within, works.iter().skip(1).step_by(2));
            if let Some(sums) = scale.crossing.get_mut((2 * row).saturating_sub(self.scale)) {
                sums.resize(windows, Work::NONE);
                add_to(sums, works.iter().step_by(2));
            }
        }
        self.scale += 1;
        Some(scale)
    }
}

fn add_to<'a>(sums: &mut [Work], works: impl Iterator<Item = &'a Work>) {
    for (sum, work) in sums.iter_mut().zip(works) {
        *sum = sum.plus(work);
    }
}

/// Two bins become one, and what crossed only the boundary between them is within.
fn coarsen(row: &mut Vec<Work>) {
    let coarse = row
        .chunks(4)
        .flat_map(|keys| {
            let (boundary, rest) = keys.split_first().map_or((Work::NONE, keys), |(b, r)| (*b, r));
            [boundary, rest.iter().fold(Work::NONE, |sum, work| sum.plus(work))]
        })
        .collect();
    *row = coarse;
}

/// The least row for work that is due within this many bins, rounded down.
fn row_of(whole_bins: i64) -> usize {
    let bits = (i64::BITS - whole_bins.leading_zeros()) as usize;
    bits.div_ceil(2)
}

/// The key of work from bin `first` to bin `last`.
fn key(first: usize, last: usize) -> usize {
    let different = first ^ last;
    if different == 0 {
        return 2 * first + 1;
    }
    let highest = different.ilog2();
    2 * ((last >> highest) << highest)
}

fn index(bin: i64) -> usize {
    usize::try_from(bin).unwrap_or(usize::MAX / 4)
}

fn seconds(nanos: i64) -> f64 {
    Moment::from_nanos(nanos).seconds()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Overlap;

    fn total(works: &[Work]) -> f64 {
        works.iter().map(|work| work.seconds(Overlap::None)).sum()
    }

    proptest! {
        /// At every scale each job is where its interval says.
        #[test]
        fn windows_hold_what_is_released_and_due_in_them(
            jobs in prop::collection::vec((0_i64..400, 0_i64..150), 1..20),
        ) {
            let mut bins = Bins::new(4);
            for &(released, lag) in &jobs {
                let (released, due) = (Moment::from_nanos(released), Moment::from_nanos(released + lag));
                bins.add(released, due, &Work::alone(1.0));
            }
            let mut windows = 0;
            for (s, scale) in bins.scales().enumerate() {
                let width = 4 << s;
                windows = scale.within.len();
                for (j, within) in scale.within.iter().enumerate() {
                    let start = i64::try_from(j).unwrap() * width;
                    let inside = jobs.iter().filter(|&&(released, lag)| {
                        let end = start + width;
                        start <= released && released < end && released + lag <= end
                    });
                    prop_assert_eq!(total(&[*within]), f64::from(u32::try_from(inside.count()).unwrap()));
                    // What crosses the boundary before it does not reach further than it may.
                    for (m, crossing) in scale.crossing.iter().enumerate() {
                        let reach = width << m;
                        let near = jobs.iter().filter(|&&(released, lag)| {
                            start - reach <= released && released < start
                                && start < released + lag && released + lag <= start + reach
                        });
                        let near = f64::from(u32::try_from(near.count()).unwrap());
                        prop_assert!(crossing.get(j).map_or(0.0, |work| total(&[*work])) <= near);
                    }
                }
                let crossing: f64 = scale.crossing.iter().map(|works| total(works)).sum();
                let all = total(&scale.within) + crossing;
                prop_assert_eq!(all, f64::from(u32::try_from(jobs.len()).unwrap()));
            }
            prop_assert_eq!(windows, 1);
        }
    }
}
