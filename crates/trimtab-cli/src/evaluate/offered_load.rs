//! Little's law, exactly: how many requests are in flight, integrated over time.
//!
//! Each request is in flight from its arrival for as long as it takes, however busy the replicas
//! are: this is the load that is offered, not the one that some number of replicas gets done.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The requests in flight at one moment. Holds as many entries as there are such requests.
#[derive(Default)]
pub(super) struct OfferedLoad {
    now: f64,
    departures: BinaryHeap<Departure>,
    half_tokens: u64,
}

/// One request that arrives.
#[derive(Copy, Clone, Debug)]
pub(super) struct Arrival {
    /// When, in seconds.
    pub(super) at: f64,
    /// For how long it is in flight.
    pub(super) seconds: f64,
    /// Twice the tokens that it holds in a cache meanwhile, so that they stay whole.
    pub(super) half_tokens: u64,
}

/// Integrals over a span of time.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(super) struct Integrals {
    /// Of the requests in flight: request-seconds.
    pub(super) requests: f64,
    /// Of the requests in flight beyond a capacity.
    pub(super) excess: f64,
    /// Of twice the tokens in flight.
    pub(super) half_tokens: f64,
}

impl OfferedLoad {
    /// Nothing in flight at `now`.
    pub(super) fn at(now: f64) -> Self {
        Self { now, ..Self::default() }
    }

    /// Lets a request arrive; the time has to be advanced to its arrival first.
    pub(super) fn arrive(&mut self, arrival: Arrival) {
        let Arrival { at, seconds, half_tokens } = arrival;
        self.half_tokens = self.half_tokens.saturating_add(half_tokens);
        self.departures.push(Departure { at: at + seconds, half_tokens });
    }

    /// Advances the time to `to` and adds what passes to `sums`.
    pub(super) fn advance(&mut self, to: f64, capacity: f64, sums: &mut Integrals) {
        while let Some(next) = self.departures.peek().filter(|next| next.at <= to) {
            let Departure { at, half_tokens } = *next;
            self.pass(at, capacity, sums);
            self.departures.pop();
            self.half_tokens = self.half_tokens.saturating_sub(half_tokens);
        }
        self.pass(to, capacity, sums);
    }

    fn pass(&mut self, to: f64, capacity: f64, sums: &mut Integrals) {
        let seconds = (to - self.now).max(0.0);
        let in_flight = self.departures.len() as f64;
        sums.requests += in_flight * seconds;
        sums.excess += (in_flight - capacity).max(0.0) * seconds;
        sums.half_tokens += self.half_tokens as f64 * seconds;
        self.now = self.now.max(to);
    }
}

/// The end of a request. The earliest is the greatest, since the heap gives the greatest first.
struct Departure {
    at: f64,
    half_tokens: u64,
}

impl Ord for Departure {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at)
    }
}

impl PartialOrd for Departure {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Departure {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Departure {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by the definition: between two neighbouring events nothing changes, so there it is
    /// the count at their middle times the time between them.
    fn naive(arrivals: &[Arrival], from: f64, to: f64, capacity: f64) -> Integrals {
        let mut events = vec![from, to];
        events.extend(arrivals.iter().flat_map(|a| [a.at, a.at + a.seconds]));
        events.retain(|event| (from..=to).contains(event));
        events.sort_by(f64::total_cmp);
        let mut sums = Integrals::default();
        for pair in events.windows(2) {
            let (middle, width) = ((pair[0] + pair[1]) / 2.0, pair[1] - pair[0]);
            let present = arrivals.iter().filter(|a| a.at <= middle && middle < a.at + a.seconds);
            let count = present.clone().count() as f64;
            sums.requests += count * width;
            sums.excess += (count - capacity).max(0.0) * width;
            sums.half_tokens += present.map(|a| a.half_tokens).sum::<u64>() as f64 * width;
        }
        sums
    }

    fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
        let one = (0.0..100.0_f64, 0.0..30.0_f64, 0..5000_u64);
        proptest::collection::vec(one, 0..60).prop_map(|mut list| {
            list.sort_by(|a, b| a.0.total_cmp(&b.0));
            list.into_iter()
                .map(|(at, seconds, half_tokens)| Arrival { at, seconds, half_tokens })
                .collect()
        })
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            arrivals in arrivals(),
            capacity in 0.0..20.0_f64,
            width in 1.0..40.0_f64,
        ) {
            let mut load = OfferedLoad::at(0.0);
            let mut waiting = arrivals.iter().peekable();
            let (mut from, mut to) = (0.0, width);
            while from < 140.0 {
                let mut sums = Integrals::default();
                while let Some(next) = waiting.next_if(|next| next.at < to) {
                    load.advance(next.at, capacity, &mut sums);
                    load.arrive(*next);
                }
                load.advance(to, capacity, &mut sums);
                let expected = naive(&arrivals, from, to, capacity);
                prop_assert!(close(sums.requests, expected.requests), "{sums:?} {expected:?}");
                prop_assert!(close(sums.excess, expected.excess), "{sums:?} {expected:?}");
                prop_assert!(close(sums.half_tokens, expected.half_tokens), "{sums:?} {expected:?}");
                (from, to) = (to, to + width);
            }
            prop_assert!(load.departures.is_empty());
            prop_assert_eq!(load.half_tokens, 0);
        }
    }

    #[test]
    fn the_mean_in_flight_is_the_rate_times_the_time_in_flight() {
        let mut load = OfferedLoad::at(0.0);
        let mut sums = Integrals::default();
        for second in 0..1000 {
            load.advance(f64::from(second), 0.0, &mut sums);
            load.arrive(Arrival { at: f64::from(second), seconds: 7.5, half_tokens: 2 });
        }
        load.advance(2000.0, 0.0, &mut sums);
        assert!(close(sums.requests, 1000.0 * 7.5));
        assert!(close(sums.half_tokens, 2.0 * 1000.0 * 7.5));
    }
}
