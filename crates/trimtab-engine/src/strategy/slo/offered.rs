//! How much load is offered, where a reading is only of what the replicas have or do.

use alloc::vec::Vec;

use libm::fmax;
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::float::from_i64;
use crate::policy::{Finite, SloCounts, SloOffered};

/// Over so long what a backlog became more by is looked at: as long as rates are taken over.
const WINDOW: Span = Span::from_secs(60);
/// How many backlogs are kept within it.
const PER_WINDOW: i64 = 4;

/// A part of a load: the two values between which it lies.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// With nothing at the replicas that are silent, and 0 if nothing is known.
    pub low: f64,
    /// With the silent ones at their target.
    pub high: f64,
}

/// What was read for a demand and for what its policy names beside it. What is not known is 0.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The demand itself.
    pub own: Part,
    /// What waits beside it.
    pub waiting: Part,
    /// What was turned away since the last look.
    pub rejected: Part,
    /// What is turned away per second.
    pub rejected_per_second: Part,
    /// What waits and is to be worked off; nothing if that is not known.
    pub backlog: Option<Part>,
}

/// The load that is offered, and what it is made of.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// With nothing at the replicas that are silent.
    pub low: f64,
    /// With the silent ones at their target.
    pub high: f64,
    /// Of the lower: what waits.
    pub waiting: f64,
    /// Of the lower: what was turned away.
    pub rejected: f64,
    /// Of the lower: what the backlog becomes more by.
    pub growth: f64,
    /// Of the lower: what it takes to work the backlog off.
    pub drain: f64,
}

/// The last backlogs, over a minute: at most six.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Backlog(Vec<Backlogged>);

/// A backlog at a time.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Backlogged {
    at: Timestamp,
    requests: Finite,
}

impl Backlog {
    /// By how much a backlog of `requests` is more than the oldest of the last minute, per second; 0
    /// if none is known.
    ///
    /// ```
    /// use trimtab_engine::strategy::slo::Backlog;
    /// use trimtab_metric::Timestamp;
    ///
    /// let mut backlog = Backlog::default();
    /// backlog.note(Timestamp::from_secs(0), 100.0);
    /// backlog.note(Timestamp::from_secs(30), 130.0);
    /// assert_eq!(backlog.growth(Timestamp::from_secs(60), 220.0), 2.0);
    /// assert_eq!(backlog.growth(Timestamp::from_secs(90), 130.0), 0.0); // the first is too old
    /// ```
    pub fn growth(&self, now: Timestamp, requests: f64) -> f64 {
        let recent = |before: &&Backlogged| before.at.saturating_add(WINDOW) >= now;
        let Some(before) = self.0.iter().filter(|before| before.at < now).find(recent) else {
            return 0.0;
        };
        let seconds = from_i64(now.since(before.at).as_millis()) / 1000.0;
        (requests - before.requests.get()) / seconds
    }

    /// Takes note of a backlog. Times that go back are left out.
    pub fn note(&mut self, now: Timestamp, requests: f64) {
        let Some(requests) = Finite::new(requests) else { return };
        let spacing = Span::from_millis(WINDOW.as_millis() / PER_WINDOW);
        if self.0.last().is_some_and(|last| last.at.saturating_add(spacing) > now) {
            return;
        }
        self.0.retain(|before| before.at.saturating_add(WINDOW) >= now);
        crate::state::push_tight(&mut self.0, Backlogged { at: now, requests });
    }

    pub(super) fn list_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Backlogged>()
    }
}

/// The load that is offered: what is there and waits and was turned away, or what comes per second,
/// with what it takes to work off what waits.
///
/// Arrivals are completions and what the backlog became more by, since what came and was not done
/// waits; while a backlog falls, fewer came than were done. `seconds` is how long ago the last look was.
///
/// ```
/// use trimtab_engine::SloSettings;
/// use trimtab_engine::strategy::slo::{Backlog, Part, Reading, offered};
/// # use trimtab_engine::{Policy, PolicySpec, Strategy};
/// use trimtab_metric::Timestamp;
/// # let policy = Policy::new(serde_json::from_str::<PolicySpec>(
/// #     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
/// #         "maxReplicas": 20, "strategy": "slo",
/// #         "metrics": [
/// #           {"type": "External", "external": {"metric": {"name": "done"},
/// #             "target": {"type": "AverageValue", "averageValue": "7"}}},
/// #           {"type": "External", "external": {"metric": {"name": "queue"},
/// #             "target": {"type": "Value", "value": "1"}}}],
/// #         "slo": {"leadTimeSeconds": 180, "signals": [
/// #           {"metric": "queue", "role": "part"},
/// #           {"metric": "done", "offered":
/// #               {"counts": "completions", "backlog": "queue", "drainSeconds": 60}}]}}"#,
/// # )?)?;
/// # let Strategy::Slo(settings) = policy.strategy() else { panic!() };
/// # let spec = settings.signals[0].offered.as_ref().unwrap();
///
/// // `counts: completions`, `drainSeconds: 60`
/// let part = |value| Part { low: value, high: value };
/// let mut backlog = Backlog::default();
/// backlog.note(Timestamp::from_secs(0), 60.0);
/// let seen = Reading { own: part(20.0), backlog: Some(part(120.0)), ..Reading::default() };
/// let load = offered(spec, &seen, &backlog, Timestamp::from_secs(30), 15.0);
/// assert_eq!([load.growth, load.drain, load.low], [2.0, 2.0, 24.0]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub fn offered(
    spec: &SloOffered,
    read: &Reading,
    before: &Backlog,
    now: Timestamp,
    seconds: f64,
) -> Load {
    let is_rate = spec.counts != SloCounts::InFlight;
    let per = if is_rate { fmax(seconds, 1e-3) } else { 1.0 };
    let part = |of: fn(&Part) -> f64| {
        let rejected = of(&read.rejected) / per + of(&read.rejected_per_second) * spec.residence;
        let waits = read.backlog.as_ref().map_or(0.0, of);
        let growth = match (spec.counts, read.backlog) {
            (SloCounts::Completions, Some(_)) => before.growth(now, waits),
            _ => 0.0,
        };
        let within = from_i64(spec.drain.as_millis()) / 1000.0;
        let drain = if is_rate && within > 0.0 { waits / within } else { 0.0 };
        let waiting = if is_rate { 0.0 } else { of(&read.waiting) };
        let low = fmax(of(&read.own) + growth, 0.0) + waiting + rejected + drain;
        Load { low, high: low, waiting, rejected, growth, drain }
    };
    let (low, high) = (part(|part| part.low), part(|part| part.high));
    Load { high: fmax(low.low, high.low), ..low }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn spec(counts: SloCounts) -> SloOffered {
        SloOffered {
            counts,
            waiting: None,
            rejected: None,
            rejected_per_second: None,
            residence: if counts == SloCounts::InFlight { 8.0 } else { 1.0 },
            backlog: None,
            drain: Span::from_secs(120),
            censored_at: None,
            queue_censored_at: None,
            censored_factor: 1.25,
        }
    }

    fn part(value: f64) -> Part {
        Part { low: value, high: value }
    }

    #[test]
    fn what_is_there_and_waits_and_was_turned_away() {
        let read = Reading {
            own: part(100.0),
            waiting: part(30.0),
            rejected: part(6.0),
            rejected_per_second: part(0.5),
            backlog: Some(part(1000.0)),
        };
        let at = |counts| {
            offered(&spec(counts), &read, &Backlog::default(), Timestamp::from_secs(0), 15.0)
        };
        assert_eq!(at(SloCounts::InFlight).low, 100.0 + 30.0 + 6.0 + 4.0);
        let rate = 100.0 + 6.0 / 15.0 + 0.5 + 1000.0 / 120.0;
        assert!((at(SloCounts::Arrivals).low - rate).abs() < 1e-9);
        assert!((at(SloCounts::Completions).low - rate).abs() < 1e-9); // nothing is known of before
    }

    /// An overloaded server completes what it can, and what comes is seen all the same.
    #[test]
    fn arrivals_are_completions_and_what_the_backlog_grew_by() {
        let mut backlog = Backlog::default();
        for (tick, arrivals) in
            (0_i64..).zip([20.0, 20.0, 50.0, 50.0, 50.0, 10.0, 10.0, 10.0, 10.0])
        {
            let now = Timestamp::from_secs(tick * 15);
            let waits = backlog.0.last().map_or(0.0, |last| last.requests.get());
            let waits = fmax(waits + (arrivals - 25.0) * 15.0, 0.0);
            backlog.note(now, waits);
        }
        let now = Timestamp::from_secs(8 * 15);
        let waits = backlog.0.last().unwrap().requests.get();
        let read = Reading { own: part(25.0), backlog: Some(part(waits)), ..Reading::default() };
        let undrained = SloOffered { drain: Span::ZERO, ..spec(SloCounts::Completions) };
        assert!((offered(&undrained, &read, &backlog, now, 15.0).low - 10.0).abs() < 1e-9);
    }

    proptest! {
        /// More of anything is never less load; and nothing is never negative.
        #[test]
        fn it_is_monotone(
            counts in prop::sample::select(vec![SloCounts::InFlight, SloCounts::Arrivals, SloCounts::Completions]),
            values in prop::array::uniform5(0.0..1e6_f64), more in prop::array::uniform5(0.0..1e6_f64),
            history in prop::collection::vec((1_i64..100, 0.0..1e6_f64), 0..12),
        ) {
            let (mut backlog, mut now) = (Backlog::default(), Timestamp::from_secs(0));
            for (seconds, waits) in history {
                backlog.note(now, waits);
                now = now.saturating_add(Span::from_secs(seconds));
                prop_assert!(backlog.list_bytes() <= 8 * 16, "{backlog:?}");
            }
            let read = |values: [f64; 5]| {
                let [own, waiting, rejected, per_second, waits] = values.map(part);
                Reading { own, waiting, rejected, rejected_per_second: per_second, backlog: Some(waits) }
            };
            let more: Vec<f64> = values.iter().zip(more).map(|(value, more)| value + more).collect();
            let more = read(more.try_into().unwrap());
            let load = |read| offered(&spec(counts), &read, &backlog, now, 15.0);
            let (few, many) = (load(read(values)), load(more));
            prop_assert!(0.0 <= few.low && few.low <= many.low && few.low == few.high);
        }
    }
}
