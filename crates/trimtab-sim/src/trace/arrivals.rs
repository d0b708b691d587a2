//! From a rate to requests: a renewal process that runs on the integral of the rate.
//!
//! The gaps between arrivals are gamma distributed with mean 1 and the stated coefficient of
//! variation, not in seconds but in expected requests. Mapped back through the integrated rate, the
//! expected number of arrivals in any interval is the integral of the rate over it, whatever the
//! coefficient. The first gap is the rest of one that began before (the equilibrium process), so
//! that this holds from the start.

use crate::{Moment, Random, Request, WorkloadError};

use super::TokenLengths;

/// The most requests per second that a rate may ask for: one per nanosecond.
pub(crate) const MAX_RATE: f64 = 1e9;

/// A stretch of time over which the rate is linear.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Segment {
    /// Where it starts, in seconds.
    pub(crate) start: f64,
    /// How long it is, in seconds.
    pub(crate) seconds: f64,
    /// Requests per second where it starts.
    pub(crate) from: f64,
    /// Requests per second where it ends.
    pub(crate) to: f64,
    /// The coefficient of variation of the gaps; 1 is a Poisson process, 0 even spacing.
    pub(crate) cv: f64,
    /// The lengths of the requests.
    pub(crate) tokens: TokenLengths,
}

impl Segment {
    /// The requests to expect in it.
    fn expected(&self) -> f64 {
        0.5 * (self.from + self.to) * self.seconds
    }

    /// When so many requests are to be expected since its start: the integrated rate, inverted.
    fn when(&self, expected: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        let rate = (self.from * self.from + 2.0 * slope * expected).max(0.0).sqrt();
        let sum = self.from + rate;
        let since = if sum > 0.0 { 2.0 * expected / sum } else { 0.0 };
        self.start + since.min(self.seconds)
    }
}

/// The requests of a rate that is given in segments, each of which starts where the last one ends
/// or later.
pub(crate) struct Arrivals<S> {
    segments: S,
    current: Option<Segment>,
    /// Requests to expect in the current segment.
    expected: f64,
    /// Of those, up to the last arrival.
    passed: f64,
    /// Requests to expect until the next arrival.
    gap: f64,
    gaps: Gaps,
    last: Moment,
    times: Random,
    lengths: Random,
}

impl<S: Iterator<Item = Result<Segment, WorkloadError>>> Arrivals<S> {
    pub(crate) fn new(segments: S, seed: u64) -> Self {
        Self {
            segments,
            current: None,
            expected: 0.0,
            passed: 0.0,
            gap: 0.0,
            gaps: Gaps::Even,
            last: Moment::START,
            times: Random::new(seed, "arrivals"),
            lengths: Random::new(seed, "token lengths"),
        }
    }

    /// Moves on to the next segment, with what is left of the gap. Where the coefficient of
    /// variation changes, the gap is drawn anew.
    fn advance(&mut self) -> Option<Result<(), WorkloadError>> {
        let segment = match self.segments.next()? {
            Ok(segment) => segment,
            Err(error) => return Some(Err(error)),
        };
        self.gap -= self.expected - self.passed;
        if self.current.is_none_or(|current| current.cv != segment.cv) {
            self.gaps = Gaps::new(segment.cv);
            self.gap = self.gaps.rest(&mut self.times);
        }
        self.passed = 0.0;
        self.expected = segment.expected();
        self.current = Some(segment);
        Some(Ok(()))
    }
}

impl<S: Iterator<Item = Result<Segment, WorkloadError>>> Iterator for Arrivals<S> {
    type Item = Result<Request, WorkloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let due = self.passed + self.gap;
            if let Some(segment) = &self.current
                && due < self.expected
            {
                self.passed = due;
                self.gap = self.gaps.draw(&mut self.times);
                // Rounding must not turn time back.
                self.last = self.last.max(Moment::from_seconds(segment.when(due)));
                return Some(Ok(Request {
                    arrival: self.last,
                    input_tokens: segment.tokens.input.draw(&mut self.lengths),
                    output_tokens: segment.tokens.output.draw(&mut self.lengths),
                }));
            }
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
    }
}

/// Gaps of mean 1.
#[derive(Copy, Clone, Debug)]
enum Gaps {
    Even,
    Exponential,
    Gamma { shape: f64 },
}

impl Gaps {
    fn new(cv: f64) -> Self {
        if cv == 1.0 {
            Self::Exponential
        } else if cv > 0.0 {
            Self::Gamma { shape: 1.0 / (cv * cv) }
        } else {
            Self::Even
        }
    }

    fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Exponential => random.exponential(1.0),
            Self::Gamma { shape } => random.gamma(shape, 1.0),
        }
    }

    /// What is left of the gap that a point falls into. Long gaps catch more points: such a gap is
    /// gamma distributed with 1 more in shape, and the point is anywhere in it.
    fn rest(self, random: &mut Random) -> f64 {
        match self {
            Self::Even => random.unit(),
            Self::Exponential => random.exponential(1.0),
            Self::Gamma { shape } => {
                random.unit() * random.gamma(shape + 1.0, (shape + 1.0) / shape)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(start: f64, seconds: f64, from: f64, to: f64, cv: f64) -> Segment {
        Segment { start, seconds, from, to, cv, tokens: TokenLengths::default() }
    }

    fn seconds(segments: &[Segment], seed: u64) -> Vec<f64> {
        let segments: Vec<Segment> = segments.to_vec();
        Arrivals::new(segments.into_iter().map(Ok), seed)
            .map(|request| request.unwrap().arrival.seconds())
            .collect()
    }

    #[test]
    fn even_gaps_follow_the_integrated_rate_exactly() {
        // Up from 0 to 2 per second over 10 s: n requests are to be expected after sqrt(10 n) s.
        let arrivals = seconds(&[segment(0.0, 10.0, 0.0, 2.0, 0.0)], 1);
        assert!((9..=10).contains(&arrivals.len()));
        let phase = arrivals[0] * arrivals[0] / 10.0;
        for (n, arrival) in arrivals.iter().enumerate() {
            assert!((arrival - (10.0 * (n as f64 + phase)).sqrt()).abs() < 1e-6);
        }
        // And down again, and through a stretch without any.
        let down =
            seconds(&[segment(5.0, 10.0, 2.0, 0.0, 0.0), segment(15.0, 100.0, 0.0, 0.0, 0.0)], 1);
        assert!(down.iter().all(|arrival| (5.0..=15.0).contains(arrival)));
    }

    #[test]
    fn the_expected_count_is_the_integral_even_when_bursty() {
        // 20 expected, at a coefficient of variation that would bias a process that starts with a
        // whole gap by (cv² - 1) / 2 = 7.5.
        for cv in [0.3, 1.0, 4.0] {
            let runs = 4000;
            let total: usize = (0..runs)
                .map(|seed| {
                    let parts = [segment(0.0, 5.0, 1.0, 3.0, cv), segment(5.0, 5.0, 3.0, 1.0, cv)];
                    seconds(&parts, seed).len()
                })
                .sum();
            let mean = total as f64 / runs as f64;
            assert!((mean - 20.0).abs() < 1.2, "cv {cv}: {mean}");
        }
    }

    #[test]
    fn a_change_of_variation_leaves_the_counts() {
        let runs = 2000;
        let mut counts = [0.0; 2];
        for seed in 0..runs {
            let parts = [segment(0.0, 10.0, 2.0, 2.0, 5.0), segment(10.0, 10.0, 2.0, 2.0, 0.5)];
            for arrival in seconds(&parts, seed) {
                counts[usize::from(arrival >= 10.0)] += 1.0 / runs as f64;
            }
        }
        assert!((counts[0] - 20.0).abs() < 2.0, "{counts:?}");
        assert!((counts[1] - 20.0).abs() < 0.2, "{counts:?}");
    }
}
