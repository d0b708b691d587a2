//! How long iterations take: the profile's coefficients in nanoseconds, and runs of decode steps in
//! closed form.

use crate::ServiceProfile;

/// The coefficients of a profile, in nanoseconds.
#[derive(Copy, Clone, Debug)]
pub(super) struct Timing {
    prefill: [f64; 3],
    decode: [f64; 3],
}

/// Decode steps one after another with the same sequences: each makes every context one longer.
#[derive(Copy, Clone, Debug)]
pub(super) struct DecodeRun {
    /// The first step.
    first: f64,
    /// By how much each step is longer than the one before.
    growth: f64,
}

const NANOS_PER_MILLI: f64 = 1e6;

impl Timing {
    pub(super) fn of(profile: &ServiceProfile) -> Self {
        let (prefill, decode) = (profile.prefill, profile.decode);
        Self {
            prefill: [prefill.c0_ms, prefill.c1_ms, prefill.c2_ms].map(|ms| ms * NANOS_PER_MILLI),
            decode: [decode.a_ms, decode.b_ms, decode.c_ms].map(|ms| ms * NANOS_PER_MILLI),
        }
    }

    /// What reading the prompt tokens from `from` to `to` adds to an iteration. The attention to what
    /// was read before makes later tokens dearer, so that chunks together cost what the whole costs.
    pub(super) fn chunk(&self, from: u32, to: u32) -> f64 {
        let [_, c1, c2] = self.prefill;
        let (from, to) = (f64::from(from), f64::from(to));
        (to - from) * (c1 + c2 * (to + from))
    }

    /// What an iteration that reads any prompt takes on top.
    pub(super) fn prefill_overhead(&self) -> f64 {
        let [c0, ..] = self.prefill;
        c0
    }

    /// One decode step of `batch` sequences with `context` tokens in all.
    pub(super) fn decode(&self, batch: u32, context: u64) -> f64 {
        let [a, b, c] = self.decode;
        a + b * f64::from(batch) + c * as_f64(context)
    }

    /// Steps of the same sequences, from now on.
    pub(super) fn decode_run(&self, batch: u32, context: u64) -> DecodeRun {
        let [.., c] = self.decode;
        DecodeRun { first: self.decode(batch, context), growth: c * f64::from(batch) }
    }
}

impl DecodeRun {
    /// Nanoseconds of the first `steps` steps together.
    pub(super) fn nanos(&self, steps: u64) -> f64 {
        let k = as_f64(steps);
        k * (self.first + self.growth * (k - 1.0) / 2.0)
    }

    /// Seconds of one of the first `steps` steps, at the mean.
    pub(super) fn seconds_per_step(&self, steps: u64) -> f64 {
        self.nanos(steps) / (as_f64(steps) * 1e9)
    }

    /// The least number of steps, at least 1 and at most `most`, that take `nanos` or longer.
    pub(super) fn steps_reaching(&self, nanos: f64, most: u64) -> u64 {
        // k (p + q k) = nanos with p, q below, solved for k in the form without cancellation.
        let q = self.growth / 2.0;
        let p = self.first - q;
        let root = 2.0 * nanos / (p + (p * p + 4.0 * q * nanos).sqrt());
        let mut steps = floor(root).clamp(1, most.max(1));
        while steps < most && self.nanos(steps) < nanos {
            steps += 1;
        }
        while steps > 1 && self.nanos(steps - 1) >= nanos {
            steps -= 1;
        }
        steps
    }

    /// How many steps have ended after `nanos`, at most `most`.
    pub(super) fn steps_within(&self, nanos: f64, most: u64) -> u64 {
        let reached = self.steps_reaching(nanos, most);
        if self.nanos(reached) <= nanos { reached } else { reached - 1 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "tokens and steps are far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and NaN is 0; the caller corrects by whole steps"
)]
fn floor(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timing() -> Timing {
        Timing::of(&ServiceProfile::named("llama-3.1-8b-a100").unwrap())
    }

    proptest! {
        #[test]
        fn chunks_together_cost_what_the_whole_costs(n in 1_u32..100_000, cut in 0.0_f64..1.0) {
            let middle = (f64::from(n) * cut) as u32;
            let parts = timing().chunk(0, middle) + timing().chunk(middle, n);
            let whole = timing().chunk(0, n);
            prop_assert!((parts - whole).abs() <= 1e-9 * whole);
        }

        #[test]
        fn a_run_is_its_steps(batch in 1_u32..300, context in 0_u64..400_000, steps in 1_u64..200) {
            let run = timing().decode_run(batch, context);
            let one_by_one: f64 = (0..steps)
                .map(|step| timing().decode(batch, context + step * u64::from(batch)))
                .sum();
            prop_assert!((run.nanos(steps) - one_by_one).abs() <= 1e-9 * one_by_one);
        }

        #[test]
        fn the_first_step_that_reaches_is_found(
            batch in 1_u32..300, context in 0_u64..400_000, nanos in 0.0_f64..1e11, most in 1_u64..5_000,
        ) {
            let run = timing().decode_run(batch, context);
            let steps = run.steps_reaching(nanos, most);
            prop_assert!((1..=most).contains(&steps));
            prop_assert!(steps == most || run.nanos(steps) >= nanos);
            prop_assert!(steps == 1 || run.nanos(steps - 1) < nanos);
            let within = run.steps_within(nanos, most);
            prop_assert!(within <= most && run.nanos(within) <= nanos);
            prop_assert!(within == most || run.nanos(within + 1) > nanos);
        }
    }
}
