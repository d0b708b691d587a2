//! The clairvoyant bound: the least replica-seconds with which the same requests can be served as
//! well.
//!
//! # Proof
//!
//! Let `R(t)` be the replicas that are ready. A replica spends at least `tau` seconds on its way to
//! being ready, so a fleet costs at least `C(R) = ∫ R dt + tau · (how far R rises in all, from
//! initial on)`. In every window, `∫ R dt` is at least the work that is released in it and due in
//! it, since a ready replica does at most one second of work in a second.
//!
//! `C` is the sum over levels: of level `k`, the time with at least `k` replicas ready, and `tau`
//! each time that it goes on. So levels up to any `K` can be bounded apart from the replicas beyond
//! `K`:
//!
//! - **Levels.** In a window of `w` seconds with more work than `(k - 1) w`, level `k` is on at some moment.
//!   The least cost of being on at some moment of each such window, by keeping the level on or restarting
//!   it, is found exactly.
//! - **Prices.** Let `U = max(R - K, 0)`, and `v(t)` be any course with `0 ≤ v ≤ tau` and slope at most 1. As
//!   `v dU ≤ tau dU` where `U` rises and `v dU ≤ 0` where it falls,
//!   `C(U) ≥ ∫ U dt + ∫ v dU ≥ ∫ U (1 - v') dt - v(0) U(0)`. So `1 - v'` is a price of capacity. With `q` that
//!   price in some windows and 0 in the others, `∫ U (1 - v') dt ≥ ∫ (R - K) q dt`, and `∫ R q dt` is at least
//!   the sum over all work of its seconds times the least `q` between its release and its deadline.
//!
//! The bound is the best over the lengths of windows, over `K`, and over the courses `v` that are
//! tried. Each of these proves a bound, so the search can make it loose but not wrong.

mod bins;
mod levels;
mod prices;
mod work;

use crate::{Moment, Objective, Request, ServiceProfile};
use bins::{Bins, Scale};
use levels::Levels;
pub use work::{Overlap, Work};

/// Adds up requests for the clairvoyant bound.
///
/// Memory does not grow with the requests, which may come in any order, and hardly with the length
/// of the trace: by 8 bytes a bin; the rest is in at most 65 536 bins, which get longer.
///
/// Two bursts, of ten seconds of work each, 100 s apart. A start of 60 s is cheaper than waiting;
/// one of 300 s is not.
///
/// ```
/// use trimtab_sim::{BoundBuilder, Moment, Overlap, ServiceProfile, Work};
///
/// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
/// let mut builder = BoundBuilder::new(&profile, &["ttft<=2s".parse()?], Overlap::None, 10.0);
/// for burst in [0.0, 110.0] {
///     let (released, due) = (Moment::from_seconds(burst), Moment::from_seconds(burst + 10.0));
///     builder.add_work(released, due, &Work::alone(10.0));
/// }
/// assert_eq!(builder.finish(60.0, 0).replica_seconds, 20.0 + 2.0 * 60.0);
/// assert_eq!(builder.finish(300.0, 0).replica_seconds, 20.0 + 300.0 + 100.0);
/// assert_eq!(builder.finish(300.0, 1).replica_seconds, 20.0 + 100.0);
/// # Ok::<(), trimtab_sim::ParseObjectiveError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BoundBuilder {
    terms: work::Terms,
    overlap: Overlap,
    bins: Bins,
    bin_nanos: i64,
    /// Seconds of work by the bin that it arrived in.
    arrived: Vec<f64>,
}

/// The clairvoyant bound, and what proves it.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Bound {
    /// The least replica-seconds.
    pub replica_seconds: f64,
    /// How many replicas count as whole ones, level by level; those beyond them are a fluid.
    pub levels: u32,
    /// Replica-seconds of those levels, part of `replica_seconds`.
    pub level_seconds: f64,
    /// The length of the windows that the price of the fluid is for; 0 if it adds nothing.
    pub window_seconds: f64,
}

/// Work that is due so many bins after its release counts as work without a deadline.
const MOST_BINS: i64 = 1 << 16;

/// How many of the best combinations of levels and windows are refined.
const REFINED: usize = 4;

/// Rounds of refining, by how many windows there are.
fn rounds(scale: &Scale) -> u32 {
    u32::try_from(400_000 / scale.within.len().max(1)).unwrap_or(u32::MAX).clamp(8, 24)
}

impl BoundBuilder {
    /// For requests on replicas of this profile, which is assumed to be what `overlap` says, with
    /// these objectives for every request whatever their shares.
    ///
    /// Bins are `bin_seconds` long, at least a nanosecond, and twice as long whenever there would
    /// be more than 65 536 of them.
    pub fn new(
        profile: &ServiceProfile,
        objectives: &[Objective],
        overlap: Overlap,
        bin_seconds: f64,
    ) -> Self {
        let bin_nanos = Moment::from_seconds(bin_seconds).nanos().max(1);
        Self {
            terms: work::Terms::new(profile, objectives),
            overlap,
            bins: Bins::new(bin_nanos),
            bin_nanos,
            arrived: Vec::new(),
        }
    }

    /// A request that is to be served within the objectives.
    ///
    /// Its prompt is due by the objective for the first token or the end. Its answer is due by the
    /// objectives for the time per token or the
    /// end; where there is none for the time per token, it keeps the pace of the profile's longest
    /// iteration: one with all sequences, a full cache and a full
    /// chunk of a prompt.
    pub fn add(&mut self, request: &Request) {
        self.add_due(request, Moment::START);
    }

    /// A request that was served within the objectives, its last token at `finished`.
    ///
    /// As [`BoundBuilder::add`], but its answer is not due before `finished`: a fleet that served
    /// it spent at least the bound even if the answer stalled.
    pub fn add_served(&mut self, request: &Request, finished: Moment) {
        self.add_due(request, finished);
    }

    fn add_due(&mut self, request: &Request, decode_due: Moment) {
        let due = self.terms.of(request);
        let arrival = request.arrival;
        self.add_arrived(arrival, due.prefill.plus(&due.decode).seconds(self.overlap));
        self.bin(arrival, arrival.after_nanos(due.prefill_lag_nanos), &due.prefill);
        if due.decode != Work::NONE {
            let decode_due = arrival.after_nanos(due.decode_lag_nanos).max(decode_due);
            self.bin(arrival, decode_due, &due.decode);
        }
    }

    /// Any work that can be done from `released` on and must be done by `due`, which is
    /// [`Moment::NEVER`] if it need not be done soon.
    pub fn add_work(&mut self, released: Moment, due: Moment, work: &Work) {
        self.add_arrived(released, work.seconds(self.overlap));
        self.bin(released, due, work);
    }

    fn add_arrived(&mut self, at: Moment, seconds: f64) {
        let bin = usize::try_from(at.nanos().max(0) / self.bin_nanos).unwrap_or(usize::MAX / 4);
        if self.arrived.len() <= bin {
            self.arrived.resize(bin + 1, 0.0);
        }
        if let Some(sum) = self.arrived.get_mut(bin) {
            *sum += seconds;
        }
    }

    fn bin(&mut self, released: Moment, due: Moment, work: &Work) {
        if due.nanos_since(released) / self.bin_nanos < MOST_BINS {
            self.bins.add(released, due, work);
        } else {
            self.bins.add_undated(work);
        }
    }

    /// The least replica-seconds that serve what was added, if starting a replica takes at least
    /// `start_seconds`.
    ///
    /// `initial` replicas are there at the beginning, in any state, the warm ones too; they need
    /// not be started.
    pub fn finish(&self, start_seconds: f64, initial: u32) -> Bound {
        let start = start_seconds.max(0.0);
        let mut levels = Levels::default();
        let mut scales: Vec<Scale> = Vec::new();
        for scale in self.bins.scales() {
            levels.raise(&scale, self.overlap, start, initial);
            if prices::is_affordable(&scale, start) {
                scales.push(scale);
            }
        }
        let beyond = |scale: &Scale, above: u32, rounds: u32| {
            let terms = prices::Terms { overlap: self.overlap, start, initial, above };
            prices::least_beyond(scale, self.bins.undated(), &terms, rounds)
        };

        let mut tried = Vec::new();
        let mut level_seconds = 0.0;
        let mut wanted = Candidates::up_to(levels.seconds().len());
        let sums = core::iter::once(&0.0).chain(levels.seconds());
        for (above, level) in (0_u32..).zip(sums) {
            level_seconds += level;
            if wanted.take(above) {
                let none = Bound {
                    replica_seconds: level_seconds,
                    levels: above,
                    level_seconds,
                    window_seconds: 0.0,
                };
                tried.push((none, None));
                tried.extend(
                    scales
                        .iter()
                        .map(|scale| (none.with(scale, beyond(scale, above, 1)), Some(scale))),
                );
            }
        }
        // The most promising ones are worth more effort.
        tried.sort_by(|a, b| b.0.replica_seconds.total_cmp(&a.0.replica_seconds));
        let refined = tried.iter().take(REFINED).map(|(bound, scale)| match scale {
            Some(scale) => bound.with(scale, beyond(scale, bound.levels, rounds(scale))),
            None => *bound,
        });
        refined.fold(Bound::default(), |best, bound| {
            if bound.replica_seconds > best.replica_seconds { bound } else { best }
        })
    }

    /// The work that arrives, in replicas: seconds of work per second, in steps of this length from
    /// the start of the trace to the last arrival. Within a bin it counts as spread evenly.
    pub fn need(&self, step_seconds: f64) -> Vec<f64> {
        let bin_seconds = Moment::from_nanos(self.bin_nanos).seconds();
        let mut need = Vec::new();
        if step_seconds.is_nan() || step_seconds <= 0.0 {
            return need;
        }
        let mut from = 0.0;
        let mut bins = 1_u32;
        let mut step = 0;
        for seconds in &self.arrived {
            let to = f64::from(bins) * bin_seconds;
            while from < to {
                let step_end = (as_f64(step) + 1.0) * step_seconds;
                let end = step_end.min(to);
                if need.len() <= step {
                    need.resize(step + 1, 0.0);
                }
                if let Some(slot) = need.get_mut(step) {
                    *slot += seconds * (end - from) / bin_seconds / step_seconds;
                }
                if step_end <= to {
                    step += 1;
                }
                from = end;
            }
            bins = bins.saturating_add(1);
        }
        need
    }
}

#[expect(clippy::cast_precision_loss, reason = "steps are far fewer than 2^53")]
fn as_f64(step: usize) -> f64 {
    step as f64
}

impl Bound {
    fn with(&self, scale: &Scale, fluid_seconds: f64) -> Self {
        Self {
            replica_seconds: self.level_seconds + fluid_seconds.max(0.0),
            window_seconds: if fluid_seconds > 0.0 { scale.seconds } else { 0.0 },
            ..*self
        }
    }
}

/// Numbers of whole levels that are tried: all small ones, then sparser, and the last.
struct Candidates {
    next: u32,
    last: u32,
}

impl Candidates {
    fn up_to(levels: usize) -> Self {
        Self { next: 0, last: u32::try_from(levels).unwrap_or(u32::MAX) }
    }

    fn take(&mut self, levels: u32) -> bool {
        let taken = levels == self.next || levels == self.last;
        if levels == self.next {
            self.next += 1 + levels / 3;
        }
        taken
    }
}
