//! How much of a replica's time a request takes at the very least.

use crate::{Measure, Moment, Objective, Request, ServiceProfile};

/// What an engine's iteration does at once when it reads prompts and decodes in the same iteration.
///
/// `A` is the time to read the weights for decoding (`a` of the profile), `C` the constant of
/// prefill (`c0`), `P` the part of prefill that grows with its tokens, `S` the part of decoding
/// that grows with sequences and context. The bound needs an iteration to last *at least* the
/// formula.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// Nothing: `A + C + P + S`.
    None,
    /// The constants: `max(A, C) + P + S`.
    Constants,
    /// Prefill hides the reading of the weights: `max(A, C + P) + S`.
    Prefill,
}

/// The least time, in seconds of one replica, that serving takes; of a request or of many.
///
/// Five parts, since some of them are alternatives: the parts that grow with the work of prefill
/// and of decoding, and the request's share of what iterations cost whatever is in them, the latter
/// for decoding by two rules, either of which holds.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Work(pub(super) [f64; 5]);

impl Work {
    /// None.
    pub const NONE: Self = Self([0.0; 5]);

    /// Prefill that shares nothing with anything: `seconds` of one replica, however scheduled.
    ///
    /// ```
    /// use trimtab_sim::{Overlap, Work};
    ///
    /// assert_eq!(Work::alone(2.5).seconds(Overlap::None), 2.5);
    /// ```
    pub const fn alone(seconds: f64) -> Self {
        Self([seconds, 0.0, 0.0, 0.0, 0.0])
    }

    /// The least seconds that this takes.
    pub fn seconds(&self, overlap: Overlap) -> f64 {
        self.dot(&self.counted(overlap))
    }

    /// Which parts may be summed to the least time: 1 or 0 for each.
    pub(super) fn counted(&self, overlap: Overlap) -> Self {
        let Self([prefill, prefill_fixed, _, by_batch, by_cache]) = *self;
        let fixed = by_batch.max(by_cache);
        let (prefill_counts, prefill_fixed_counts, fixed_counts) = match overlap {
            Overlap::None => (true, true, true),
            Overlap::Constants => (true, prefill_fixed > fixed, prefill_fixed <= fixed),
            Overlap::Prefill => {
                let hidden = prefill + prefill_fixed > fixed;
                (hidden, hidden, !hidden)
            }
        };
        let batch_counts = by_batch >= by_cache;
        let weight = |counts: bool| if counts { 1.0 } else { 0.0 };
        Self([
            weight(prefill_counts),
            weight(prefill_fixed_counts),
            1.0,
            weight(fixed_counts && batch_counts),
            weight(fixed_counts && !batch_counts),
        ])
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    pub(super) fn min(&self, other: &Self) -> Self {
        self.zip(other, f64::min)
    }

    pub(super) fn times(&self, factor: f64) -> Self {
        Self(self.0.map(|part| part * factor))
    }

    pub(super) fn dot(&self, other: &Self) -> f64 {
        self.0.iter().zip(other.0).map(|(a, b)| a * b).sum()
    }

    fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let (Self([a0, a1, a2, a3, a4]), Self([b0, b1, b2, b3, b4])) = (*self, *other);
        Self([f(a0, b0), f(a1, b1), f(a2, b2), f(a3, b3), f(a4, b4)])
    }
}

/// What a profile and the objectives say about every request: the least work, and until when.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    c1: f64,
    c2: f64,
    prefill_fixed_per_token: f64,
    a: f64,
    a_per_kv_token: f64,
    b: f64,
    c: f64,
    max_sequences: f64,
    /// Seconds.
    tpot: f64,
    /// Seconds.
    e2e: f64,
    prefill_lag_nanos: i64,
    ttft_nanos: i64,
    e2e_nanos: i64,
    pace_nanos: i64,
}

/// The work of one request, and how long after its arrival it is due.
#[derive(Copy, Clone, Debug)]
pub(super) struct Due {
    pub(super) prefill: Work,
    pub(super) prefill_lag_nanos: i64,
    pub(super) decode: Work,
    pub(super) decode_lag_nanos: i64,
}

impl Terms {
    pub(super) fn new(profile: &ServiceProfile, objectives: &[Objective]) -> Self {
        let least = |measure: Measure| {
            let of_it = objectives.iter().filter(|objective| objective.measure == measure);
            of_it.map(|objective| objective.seconds).fold(f64::INFINITY, f64::min)
        };
        let nanos = |seconds: f64| Moment::from_seconds(seconds).nanos();
        let (ttft, tpot, e2e) = (least(Measure::Ttft), least(Measure::Tpot), least(Measure::E2e));
        let (prefill, decode) = (&profile.prefill, &profile.decode);
        #[expect(clippy::cast_precision_loss, reason = "a cache has far fewer tokens than 2^53")]
        let kv_tokens = profile.kv_tokens.max(1) as f64;
        let max_sequences = f64::from(profile.max_sequences.max(1));
        let longest =
            decode.seconds(max_sequences, kv_tokens) + prefill.seconds(profile.max_batched_tokens);
        let chunk = f64::from(profile.max_batched_tokens.max(1));
        Self {
            c1: prefill.c1_ms / 1e3,
            c2: prefill.c2_ms / 1e3,
            prefill_fixed_per_token: prefill.c0_ms / 1e3 / chunk,
            a: decode.a_ms / 1e3,
            a_per_kv_token: decode.a_ms / 1e3 / kv_tokens,
            b: decode.b_ms / 1e3,
            c: decode.c_ms / 1e3,
            max_sequences,
            tpot,
            e2e,
            prefill_lag_nanos: nanos(ttft.min(e2e)),
            ttft_nanos: nanos(ttft),
            e2e_nanos: nanos(e2e),
            pace_nanos: nanos(if tpot < f64::INFINITY { tpot } else { longest }),
        }
    }

    pub(super) fn of(&self, request: &Request) -> Due {
        let n = f64::from(request.input_tokens);
        let marginal = (self.c1 + self.c2 * n) * n;
        let prefill = Work([marginal, self.prefill_fixed_per_token * n, 0.0, 0.0, 0.0]);
        let steps = request.output_tokens.saturating_sub(1);
        let answer = self.pace_nanos.saturating_mul(i64::from(steps));
        Due {
            prefill,
            prefill_lag_nanos: self.prefill_lag_nanos,
            decode: self.decode(n, f64::from(steps)),
            decode_lag_nanos: self.e2e_nanos.min(self.ttft_nanos.saturating_add(answer)),
        }
    }

    fn decode(&self, n: f64, steps: f64) -> Work {
        if steps == 0.0 {
            return Work::NONE;
        }
        // A step's context grows by one from n + 1 to n + steps.
        let context = n + f64::midpoint(steps, 1.0);
        let own = self.b + self.c * context;
        let by_cache = (self.a_per_kv_token * context).min(self.a);
        let by_batch = self.a / self.largest_batch(context, steps);
        Work([0.0, 0.0, own * steps, by_batch * steps, by_cache * steps])
    }

    /// The most sequences, on average over the steps of one that meets its objectives. Iterations
    /// then last at most so long on average, and one over the mean batch is at most the mean of one
    /// over the batch.
    fn largest_batch(&self, context: f64, steps: f64) -> f64 {
        let mean = self.tpot.min(self.e2e / steps);
        if mean == f64::INFINITY {
            return self.max_sequences;
        }
        let spare = mean - self.a - self.c * (context - 1.0);
        (spare / (self.b + self.c)).min(self.max_sequences).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(input_tokens: u32, output_tokens: u32) -> Request {
        Request { arrival: Moment::START, input_tokens, output_tokens }
    }

    fn objectives(texts: &[&str]) -> Vec<Objective> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// An engine filled with copies of one request takes at least the bound for each of them.
    #[test]
    fn full_batches_take_no_less() {
        for profile in ServiceProfile::builtin() {
            for (n, o) in [(100, 10), (1000, 200), (8000, 300), (30_000, 2)] {
                let due = Terms::new(&profile, &objectives(&["ttft<=2s"])).of(&request(n, o));
                let copies =
                    (profile.kv_tokens / u64::from(n + o)).min(profile.max_sequences.into());
                let copies = f64::from(u32::try_from(copies).unwrap());
                let decode: f64 = (1..o)
                    .map(|step| profile.decode.seconds(copies, copies * f64::from(n + step)))
                    .sum();
                let chunks = (f64::from(n) * copies / f64::from(profile.max_batched_tokens)).ceil();
                let marginal = profile.prefill.seconds(n) - profile.prefill.c0_ms / 1e3;
                let prefill = marginal * copies + chunks * profile.prefill.c0_ms / 1e3;
                let least = copies * due.decode.seconds(Overlap::None);
                assert!(least <= decode * (1.0 + 1e-9), "{least} {decode}");
                assert!(least >= 0.85 * decode, "{} {n} {o}: {least} {decode}", profile.name);
                let least = copies * due.prefill.seconds(Overlap::None);
                assert!(least <= prefill * (1.0 + 1e-9) && least >= 0.9 * prefill);
            }
        }
    }

    /// A tight time per output token leaves room for few sequences, which then share the weights.
    #[test]
    fn an_objective_per_token_bounds_the_batch() {
        let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
        let free = Terms::new(&profile, &objectives(&["ttft<=2s"])).of(&request(500, 100));
        let tight = objectives(&["ttft<=2s", "tpot<=13ms"]);
        let tight = Terms::new(&profile, &tight).of(&request(500, 100));
        let seconds = |due: &Due| due.decode.seconds(Overlap::None);
        assert!(seconds(&tight) > 2.5 * seconds(&free));
        // At the largest batch within the objective, each sequence takes its part of it.
        let part = |batch: f64| 99.0 * profile.decode.seconds(batch, batch * 550.0) / batch;
        assert!(seconds(&tight) <= part(17.0), "{} {}", seconds(&tight), part(17.0));
    }

    #[test]
    fn overlap_takes_the_larger() {
        let work = Work([1.0, 0.5, 4.0, 0.7, 0.9]);
        assert!((work.seconds(Overlap::None) - 6.4).abs() < 1e-12);
        assert!((work.seconds(Overlap::Constants) - 5.9).abs() < 1e-12);
        assert!((work.seconds(Overlap::Prefill) - 5.5).abs() < 1e-12);
    }

    #[test]
    fn due_by_the_tightest_objective() {
        let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
        let lags = |texts: &[&str]| {
            let due = Terms::new(&profile, &objectives(texts)).of(&request(100, 11));
            let seconds = |nanos| Moment::from_nanos(nanos).seconds();
            (seconds(due.prefill_lag_nanos), seconds(due.decode_lag_nanos))
        };
        assert_eq!(lags(&["ttft<=2s", "tpot<=100ms"]), (2.0, 3.0));
        assert_eq!(lags(&["ttft<=2s", "tpot<=100ms", "e2e<=1.5s"]), (1.5, 1.5));
        let never = Moment::NEVER.seconds();
        assert_eq!(lags(&["tpot<=100ms"]), (never, never));
        let (prefill, decode) = lags(&["ttft<=2s"]);
        assert_eq!(prefill, 2.0);
        assert!(decode > 3.0 && decode < 4.0, "{decode}");
    }
}
