//! More or fewer requests than a trace has: copies of each, or a part of them.

use core::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;

use crate::{Moment, Random, Request, WorkloadError};

/// Within how many seconds after a request its copies arrive.
const COPY_SECONDS: f64 = 1.0;

/// The requests of a trace, so many times. What is held in memory is what arrives in a second.
pub(super) struct Copies<I: Iterator> {
    requests: Peekable<I>,
    whole: u32,
    fraction: f64,
    random: Random,
    /// Copies to come, the earliest on top; in the order of making where they are as early.
    waiting: BinaryHeap<Reverse<(Moment, u64, u32, u32)>>,
    made: u64,
}

impl<I: Iterator<Item = Result<Request, WorkloadError>>> Copies<I> {
    pub(super) fn new(requests: I, rate_scale: f64, seed: u64) -> Self {
        Self {
            requests: requests.peekable(),
            whole: rate_scale as u32,
            fraction: rate_scale - libm::floor(rate_scale),
            random: Random::new(seed, "copies"),
            waiting: BinaryHeap::new(),
            made: 0,
        }
    }

    fn copy(&mut self, request: Request) {
        let copies = self.whole + u32::from(self.random.unit() < self.fraction);
        for copy in 0..copies {
            let later = if copy == 0 { 0.0 } else { COPY_SECONDS * self.random.unit() };
            self.waiting.push(Reverse((
                request.arrival.after_seconds(later),
                self.made,
                request.input_tokens,
                request.output_tokens,
            )));
            self.made += 1;
        }
    }

    /// The earliest copy, if no request that is still to be read can be earlier.
    fn ready(&mut self) -> Option<Request> {
        let Reverse((earliest, ..)) = self.waiting.peek()?;
        if let Some(Ok(next)) = self.requests.peek()
            && next.arrival < *earliest
        {
            return None;
        }
        let Reverse((arrival, _, input_tokens, output_tokens)) = self.waiting.pop()?;
        Some(Request { arrival, input_tokens, output_tokens })
    }
}

impl<I: Iterator<Item = Result<Request, WorkloadError>>> Iterator for Copies<I> {
    type Item = Result<Request, WorkloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(request) = self.ready() {
                return Some(Ok(request));
            }
            match self.requests.next()? {
                Ok(request) => self.copy(request),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
