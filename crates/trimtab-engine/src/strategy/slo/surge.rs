//! How much more the load may need by the time that a replica asked for now serves.

use alloc::vec::Vec;

use libm::{ceil, fmax, fmin};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::policy::Finite;

/// Growths that are remembered: of the last so many lead times, [`PER_LEAD_TIME`] for each, or of the last
/// hour and a half where that is more.
const MOST_GROWTHS: usize = 96;
/// How often within a lead time the need is noted, but no more often than once a minute.
const PER_LEAD_TIME: i64 = 8;
const SHORTEST_SPACING: Span = Span::from_secs(60);
/// Needs of at least this share of the peak are near it.
const NEAR_PEAK: f64 = 0.9;
/// Fewer needs near the peak than these, and they say nothing: a lead time's worth.
const FEWEST_AT_PEAK: usize = 8;

/// What the need grew by within a lead time, lately.
///
/// Each need is followed for one lead time; what the largest one after it exceeds the largest one of
/// the lead time before it by is its growth, 0 if nothing exceeds that: ups and downs are no growth. A quantile of the growths is what has to be there beside the
/// present need, if that quantile of all lead times shall pass without a lack: the newsvendor's
/// answer, where the quantile is the cost of a lack over the cost of a lack and of a spare together.
///
/// A load that comes and goes grows from its low and not from its peak: what grew from the peak counts
/// beyond the peak, and what grew from anywhere counts up to it.
///
/// It holds at most 96 growths and 8 needs.
///
/// ```
/// use trimtab_engine::strategy::slo::Surge;
/// use trimtab_metric::{Span, Timestamp};
///
/// let lead_time = Span::from_secs(80);
/// let mut surge = Surge::default();
/// for tick in 0..100 {
///     let need = if tick / 10 % 2 == 1 { 6.0 } else { 4.0 };
///     surge.note(Timestamp::from_secs(tick * 10), need, lead_time);
/// }
/// assert_eq!(surge.quantile(0.9), 2.0);
/// assert_eq!(surge.spare(4.0, 0.9), 2.0);
/// assert_eq!(surge.spare(6.0, 0.9), 0.0); // nothing ever grew from there
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Surge {
    /// Needs whose lead time is not over, oldest first, each with the largest one since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<OpenNeed>,
    /// What needs grew by, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    growths: Vec<Growth>,
}

/// What a need grew by.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Growth {
    from: Finite,
    by: Finite,
}

/// A need that is followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenNeed {
    at: Timestamp,
    /// The largest one of the lead time before, or itself.
    from: Finite,
    /// The largest one since.
    largest: Finite,
}

impl Surge {
    /// Takes note of the present need, in replicas. Times that go back are left out.
    pub fn note(&mut self, now: Timestamp, need: f64, lead_time: Span) {
        let Some(need) = Finite::new(need) else { return };
        if self.open.last().is_some_and(|last| last.at >= now) {
            return;
        }
        for open in &mut self.open {
            open.largest = open.largest.max(need);
        }
        let over =
            self.open.iter().take_while(|open| open.at.saturating_add(lead_time) <= now).count();
        for open in self.open.drain(..over) {
            if self.growths.len() >= MOST_GROWTHS {
                self.growths.remove(0);
            }
            let by = Finite::new(fmax(open.largest.get() - open.from.get(), 0.0));
            self.growths.push(Growth { from: open.from, by: by.unwrap_or_default() });
        }
        let spacing =
            Span::from_millis(lead_time.as_millis() / PER_LEAD_TIME).max(SHORTEST_SPACING);
        if self.open.last().is_none_or(|last| last.at.saturating_add(spacing) <= now) {
            let from = Finite::new(self.recent(need.get())).unwrap_or(need);
            self.open.push(OpenNeed { at: now, from, largest: need });
        }
    }

    /// The largest need of the last lead time, the present one included: what a growth begins from, so
    /// that the ups and downs of a load that does not grow are no growth.
    pub fn recent(&self, need: f64) -> f64 {
        self.open.iter().map(|open| open.largest.get()).fold(need, fmax)
    }

    /// What has to be there beside the present need, which is not noted yet: the growth of that
    /// quantile, or, if that is less, what is missing to the peak or what the needs near the peak grew
    /// by. Need and spare together never fall where the need rises.
    pub fn spare(&self, need: f64, share: f64) -> f64 {
        let growth = self.quantile(share);
        let peak = self.peak();
        let is_near = |growth: &&Growth| growth.from.get() >= NEAR_PEAK * peak;
        let near = self.growths.iter().filter(is_near).count();
        let at_peak = if near < FEWEST_AT_PEAK {
            growth
        } else {
            quantile(self.growths.iter().filter(is_near), near, share)
        };
        fmin(growth, fmax(peak - need, at_peak))
    }

    /// The growth that a share of the last ones did not exceed, 0 to 1; 0 before the first is known.
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(self.growths.iter(), self.growths.len(), share)
    }

    /// The largest need that is remembered.
    fn peak(&self) -> f64 {
        let open = self.open.iter().map(|open| open.largest.get());
        let grown = self.growths.iter().map(|growth| growth.from.get() + growth.by.get());
        open.chain(grown).fold(0.0, fmax)
    }

    pub(crate) fn list_bytes(&self) -> usize {
        self.open.capacity() * size_of::<OpenNeed>() + self.growths.capacity() * size_of::<Growth>()
    }
}

/// The one that a share of so many growths does not exceed; 0 of none.
fn quantile<'a>(growths: impl Iterator<Item = &'a Growth>, count: usize, share: f64) -> f64 {
    let rank = index(ceil(share * crate::float::from_count(count)) - 1.0);
    if rank >= count {
        return 0.0;
    }
    let by = growths.map(|growth| growth.by);
    let mut room = [Finite::default(); MOST_GROWTHS];
    match room.get_mut(..count) {
        Some(room) => {
            room.iter_mut().zip(by).for_each(|(slot, by)| *slot = by);
            room.select_nth_unstable(rank).1.get()
        }
        None => {
            let mut by: Vec<Finite> = by.collect(); // a state that was written by hand
            by.select_nth_unstable(rank).1.get()
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 0")]
fn index(rank: f64) -> usize {
    fmax(rank, 0.0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEAD_TIME: Span = Span::from_secs(120);

    fn after(needs: &[f64]) -> Surge {
        let mut surge = Surge::default();
        for (tick, need) in (0_i64..).zip(needs) {
            surge.note(Timestamp::from_secs(tick * 15), *need, LEAD_TIME);
        }
        surge
    }

    #[test]
    fn a_constant_or_falling_need_does_not_grow() {
        assert_eq!(after(&[7.5; 60]).quantile(1.0), 0.0);
        let falling: Vec<f64> = (0..60_u32).map(|tick| 60.0 - f64::from(tick)).collect();
        assert_eq!(after(&falling).quantile(1.0), 0.0);
    }

    #[test]
    fn a_ramp_grows_by_its_slope_times_the_lead_time() {
        let ramp: Vec<f64> = (0..60_u32).map(f64::from).collect();
        let surge = after(&ramp);
        assert_eq!((surge.quantile(0.01), surge.quantile(1.0)), (8.0, 8.0)); // 8 ticks of 15 s
    }

    /// From its low a load that comes and goes may grow to its peak, from the peak it never did.
    #[test]
    fn what_comes_and_goes_is_kept_up_to_its_peak() {
        let needs: Vec<f64> =
            (0..160_u32).map(|tick| if tick / 20 % 2 == 0 { 3.0 } else { 7.0 }).collect();
        let surge = after(&needs);
        assert_eq!([3.0, 5.0, 7.0].map(|need| surge.spare(need, 0.95)), [4.0, 2.0, 0.0]);
        assert_eq!(surge.spare(9.0, 0.95), 0.0);
    }

    /// Sorting is what the selection has to agree with.
    fn sorted_quantile(surge: &Surge, share: f64) -> f64 {
        let mut sorted: Vec<Finite> = surge.growths.iter().map(|growth| growth.by).collect();
        sorted.sort();
        let rank = ceil(share * crate::float::from_count(sorted.len())) - 1.0;
        sorted.get(index(rank)).map_or(0.0, |growth| growth.get())
    }

    proptest! {
        #[test]
        fn a_quantile_is_a_place_in_the_order(
            growths in prop::collection::vec(-3..40_i32, 0..120), share in -0.5..1.5_f64,
        ) {
            let growth = |by| Growth { from: Finite::default(), by: Finite::from(by) };
            let growths = growths.into_iter().map(growth).collect();
            let surge = Surge { open: Vec::new(), growths };
            prop_assert_eq!(surge.quantile(share), sorted_quantile(&surge, share));
        }

        /// Need and spare together never fall where the need rises, and the spare is no more than
        /// what needs of before grew by.
        #[test]
        fn more_need_is_never_less_in_all(
            needs in prop::collection::vec(0.0..40.0_f64, 0..200), need in 0.0..80.0_f64,
            more in 0.0..40.0_f64, share in 0.0..=1.0_f64,
        ) {
            let surge = after(&needs);
            let in_all = |need| need + surge.spare(need, share);
            prop_assert!(in_all(need) <= in_all(need + more) + 1e-9);
            let spare = surge.spare(need, share);
            prop_assert!(0.0 <= spare && spare <= surge.quantile(share));
        }

        #[test]
        fn it_is_bounded_and_never_negative(
            ticks in prop::collection::vec((0_i64..100_000, 0.0..1e6_f64), 0..600),
            share in 0.0..=1.0_f64, lead in 1_i64..100_000,
        ) {
            let (mut surge, mut now) = (Surge::default(), Timestamp::from_secs(0));
            for (step, need) in ticks {
                now = now.saturating_add(Span::from_millis(step));
                surge.note(now, need, Span::from_millis(lead));
                prop_assert!(surge.open.len() <= 9 && surge.growths.len() <= MOST_GROWTHS);
            }
            let quantile = surge.quantile(share);
            prop_assert!(quantile >= 0.0 && quantile <= surge.quantile(1.0));
        }
    }
}
