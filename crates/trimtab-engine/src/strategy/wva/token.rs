//! WVA's V2, "saturation token": do the tokens that are wanted fit into the tokens that can be held?
//!
//! A replica's capacity is the lesser of k1, what its KV cache may hold, and k2, what it can compute:
//! the tokens that were in use when its queue was full, now or (as a mean of [`History`]) before, or
//! else what [`Engine`] lets expect. The median replica speaks for all. Demand over
//! `scale_up_threshold` has to fit into the replicas that are ready or starting; what is left of the
//! ready ones after demand over `scale_down_boundary` may go.
//!
//! WVA goes over the replicas in no order; here they are taken in the order that they come in, which
//! matters to the history alone. Its median needs a list: analyzing allocates.

mod history;

pub use history::{History, OutputLength, Window};

use alloc::vec::Vec;

use libm::{ceil, floor};
use trimtab_metric::Timestamp;

use super::Counts;
use crate::float::from_i64;

/// What one replica reports.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Replica {
    /// Tokens in its KV cache: the peak of the last minute.
    pub tokens_in_use: i64,
    /// Requests that wait: the peak of the last minute.
    pub requests_waiting: i64,
    /// Mean tokens of a prompt; 0 if not known.
    pub average_input_tokens: f64,
    /// Mean tokens of an answer; 0 if not known.
    pub average_output_tokens: f64,
    /// The share of prompt tokens that are found in the prefix cache, 0 to 1; 0 if not known.
    pub prefix_cache_hit_rate: f64,
    /// Tokens that its KV cache can hold; 0 or less if not known, and then it does not count.
    pub kv_cache_capacity: i64,
}

/// What the gateway holds back: requests that no replica has seen.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct GatewayQueue {
    /// How many; at least 0.
    pub requests: f64,
    /// How many bytes their bodies have; at least 0.
    pub bytes: f64,
}

/// How the inference server is set up, for a first idea of what it can compute.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Tokens that one step can compute (`--max-num-batched-tokens`).
    pub max_batched_tokens: i64,
    /// Requests that are served at once (`--max-num-seqs`).
    pub max_sequences: i64,
}

impl Default for Engine {
    /// vLLM's own: 8192 tokens, 256 requests.
    fn default() -> Self {
        Self { max_batched_tokens: 8192, max_sequences: 256 }
    }
}

/// How full the replicas may be.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// The share of its KV cache that a replica may fill, 0 to 1.
    pub kv_cache: f64,
    /// With this many waiting requests (cut to a whole number), a replica computes all it can.
    pub queue_length: f64,
    /// More demand than this share of the capacity, above 0 to 1, asks for replicas.
    pub scale_up: f64,
    /// Less demand than this share of the capacity, above 0 and below `scale_up`, lets some go.
    pub scale_down: f64,
}

impl Default for Thresholds {
    /// 0.8 and 5 requests; 0.85 and 0.7.
    fn default() -> Self {
        Self { kv_cache: 0.8, queue_length: 5.0, scale_up: 0.85, scale_down: 0.7 }
    }
}

/// Where a replica's compute bound comes from.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Its queue is full, so what it holds is what it can compute.
    Observed,
    /// The mean of such observations with answers of this length.
    Remembered,
    /// From [`Engine`] and the mean lengths.
    Derived,
    /// Nothing is known, so the KV cache alone counts.
    KvCache,
}

/// Demand and capacity in tokens.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Tokens {
    /// Replicas that reported with a known KV cache.
    pub reporting: i32,
    /// What a replica can hold: the median, rounded down.
    pub per_replica: i64,
    /// What the replicas hold and have waiting, and what waits at the gateway.
    pub demand: f64,
    /// What the ready replicas can hold.
    pub supply: f64,
    /// What is missing of the ready and starting replicas; 0 if nothing is.
    pub required: f64,
    /// What is left of the ready replicas; 0 if nothing is.
    pub spare: f64,
}

/// Demand and capacity of the replicas, and what `history` learns of it.
///
/// ```
/// use trimtab_engine::strategy::wva::Counts;
/// use trimtab_engine::strategy::wva::token::{
///     Engine, GatewayQueue, History, Replica, Thresholds, analyze,
/// };
/// use trimtab_metric::Timestamp;
///
/// let replica = Replica {
///     tokens_in_use: 60_000,
///     requests_waiting: 10,
///     average_input_tokens: 1_000.0,
///     average_output_tokens: 250.0,
///     kv_cache_capacity: 100_000,
///     ..Replica::default()
/// };
/// let counts = Counts { current: 2, pending: 0, desired: Some(2) };
/// let (engine, at) = (Engine::default(), Thresholds::default());
/// let mut history = History::default();
/// let now = Timestamp::from_secs(0);
/// let gateway = GatewayQueue::default();
/// let tokens = analyze(&[replica; 2], gateway, counts, engine, at, &mut history, now);
/// assert_eq!(tokens.per_replica, 60_000); // the queues are full: this is what they can compute
/// assert_eq!(tokens.demand, 140_000.0); // in use, and 10 prompts on each
/// assert_eq!(tokens.target(counts), 3); // 140,000 / 0.85 - 120,000 is 45,000 tokens too little
/// ```
pub fn analyze(
    replicas: &[Replica],
    gateway: GatewayQueue,
    counts: Counts,
    engine: Engine,
    at: Thresholds,
    history: &mut History,
    now: Timestamp,
) -> Tokens {
    history.forget(now);
    let mut capacities: Vec<i64> = Vec::with_capacity(replicas.len());
    let mut demand = 0.0;
    for replica in replicas.iter().filter(|replica| replica.kv_cache_capacity > 0) {
        capacities.push(capacity(replica, engine, at, history, now).0);
        demand += from_i64(held_and_waiting(replica));
    }
    let reporting = i32::try_from(capacities.len()).unwrap_or(i32::MAX);
    let per_replica = median(&mut capacities);
    let demand = demand + waiting_at_gateway(gateway, replicas);
    let each = from_i64(per_replica);
    let supply = f64::from(counts.ready()) * each;
    let anticipated = f64::from(counts.ready().saturating_add(counts.pending)) * each;
    Tokens {
        reporting,
        per_replica,
        demand,
        supply,
        required: not_below_zero(demand / at.scale_up - anticipated),
        spare: not_below_zero(supply - demand / at.scale_down),
    }
}

impl Tokens {
    /// The count that is published: as many more as the missing tokens take, rounded up, or as many
    /// fewer as the spare ones fill, rounded down; at least one stays.
    pub fn target(&self, counts: Counts) -> i32 {
        if self.per_replica <= 0 {
            return counts.current;
        }
        let each = from_i64(self.per_replica);
        if self.required > 0.0 {
            counts.current.saturating_add(count(ceil(self.required / each)))
        } else if self.spare > 0.0 {
            let removable = counts.current.saturating_sub(1).max(0);
            counts.current.saturating_sub(count(floor(self.spare / each)).min(removable))
        } else {
            counts.current
        }
    }
}

/// What a replica can hold and compute, in tokens, and why. A full queue is put down in `history`.
pub fn capacity(
    replica: &Replica,
    engine: Engine,
    at: Thresholds,
    history: &mut History,
    now: Timestamp,
) -> (i64, Bound) {
    let kv_cache = whole(from_i64(replica.kv_cache_capacity) * at.kv_cache);
    let length = OutputLength::of(replica.average_output_tokens);
    let full = replica.requests_waiting >= whole(at.queue_length) && replica.tokens_in_use > 0;
    let (compute, bound) = if full {
        history.add(length, replica.tokens_in_use, now);
        (replica.tokens_in_use, Bound::Observed)
    } else if let Some(mean) = history.mean(length) {
        (mean, Bound::Remembered)
    } else {
        let (input, output) = (replica.average_input_tokens, replica.average_output_tokens);
        match engine.derived(input, output) {
            Some(derived) => (derived, Bound::Derived),
            None => (kv_cache, Bound::KvCache),
        }
    };
    (kv_cache.min(compute), bound)
}

impl Engine {
    /// What a replica can compute with prompts and answers of these mean lengths: as many requests
    /// as its steps have room for, each with its prompt and half its answer. Nothing if the length
    /// of answers is not known, or it comes to less than one token.
    ///
    /// ```
    /// use trimtab_engine::strategy::wva::token::Engine;
    ///
    /// // 8192 × 250 / 1250 are 1638 requests, of which 256 are served: 256 × (1000 + 125).
    /// assert_eq!(Engine::default().derived(1_000.0, 250.0), Some(288_000));
    /// assert_eq!(Engine::default().derived(1_000.0, 0.0), None);
    /// ```
    pub fn derived(self, input: f64, output: f64) -> Option<i64> {
        if self.max_batched_tokens <= 0 || output <= 0.0 {
            return None;
        }
        let at_once = from_i64(self.max_batched_tokens) * output / (input + output);
        let sequences = from_i64(self.max_sequences);
        let at_once = if at_once > sequences { sequences } else { at_once };
        Some(whole(at_once * (input + output / 2.0))).filter(|tokens| *tokens > 0)
    }
}

/// Tokens in use, and the prompts of the requests that wait.
fn held_and_waiting(replica: &Replica) -> i64 {
    let prompts = if replica.average_input_tokens > 0.0 {
        replica.requests_waiting.saturating_mul(whole(replica.average_input_tokens))
    } else {
        0
    };
    replica.tokens_in_use.saturating_add(prompts)
}

/// Prompts by bytes or by number, whichever is more, less what the prefix caches have; and answers.
fn waiting_at_gateway(gateway: GatewayQueue, replicas: &[Replica]) -> f64 {
    const BYTES_PER_TOKEN: f64 = 4.0;
    if gateway.requests == 0.0 && gateway.bytes == 0.0 {
        return 0.0;
    }
    let (mut input, mut output, mut hit_rate, mut known) = (0.0, 0.0, 0.0, 0.0);
    for replica in replicas {
        if replica.average_input_tokens > 0.0 || replica.average_output_tokens > 0.0 {
            input += replica.average_input_tokens;
            output += replica.average_output_tokens;
            hit_rate += replica.prefix_cache_hit_rate;
            known += 1.0;
        }
    }
    if known > 0.0 {
        input /= known;
        output /= known;
        hit_rate /= known;
    }
    let prompts = gateway.requests * input;
    let by_bytes = gateway.bytes / BYTES_PER_TOKEN;
    let prompts = if prompts > by_bytes { prompts } else { by_bytes };
    prompts * (1.0 - hit_rate) + gateway.requests * output
}

/// Of an even number, the mean of the middle two, rounded down; 0 of none.
fn median(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(0);
    match values.len() {
        0 => 0,
        len if len % 2 == 1 => upper,
        _ => {
            let lower = values.get(middle.saturating_sub(1)).copied().unwrap_or(0);
            lower.saturating_add(upper) / 2
        }
    }
}

fn not_below_zero(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

/// The whole tokens in it; what no `i64` holds stops at the largest.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
pub(super) fn whole(value: f64) -> i64 {
    value as i64
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn count(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const AT: Thresholds =
        Thresholds { kv_cache: 0.8, queue_length: 5.0, scale_up: 0.85, scale_down: 0.7 };
    const ENGINE: Engine = Engine { max_batched_tokens: 8192, max_sequences: 256 };
    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn replica(tokens_in_use: i64, requests_waiting: i64) -> Replica {
        Replica {
            tokens_in_use,
            requests_waiting,
            average_input_tokens: 1_000.0,
            average_output_tokens: 250.0,
            kv_cache_capacity: 100_000,
            ..Replica::default()
        }
    }

    fn counts(current: i32, pending: i32) -> Counts {
        Counts { current, pending, desired: Some(current) }
    }

    fn analyzed(replicas: &[Replica], counts: Counts) -> Tokens {
        let gateway = GatewayQueue::default();
        analyze(replicas, gateway, counts, ENGINE, AT, &mut History::default(), NOW)
    }

    #[test]
    fn the_compute_bound_is_observed_then_remembered_then_derived() {
        let mut history = History::default();
        let mut of = |replica: Replica| capacity(&replica, ENGINE, AT, &mut history, NOW);
        // 288,000 by the engine; 80,000 of the cache may be filled.
        assert_eq!(of(replica(10_000, 4)), (80_000, Bound::Derived));
        assert_eq!(of(replica(50_000, 5)), (50_000, Bound::Observed));
        assert_eq!(of(replica(60_000, 9)), (60_000, Bound::Observed));
        assert_eq!(of(replica(10_000, 0)), (55_000, Bound::Remembered));
        // Nothing is in use: a full queue says nothing.
        assert_eq!(of(replica(0, 9)), (55_000, Bound::Remembered));
        // Answers of another length.
        let short = Replica { average_output_tokens: 99.9, ..replica(10_000, 0) };
        assert_eq!(of(short), (80_000, Bound::Derived));
        let unknown = Replica { average_output_tokens: 0.0, ..replica(10_000, 0) };
        assert_eq!(of(unknown), (80_000, Bound::KvCache));
    }

    #[test]
    fn a_small_engine_bounds_below_the_cache() {
        let small = Engine { max_batched_tokens: 100, max_sequences: 256 };
        // 100 × 250 / 1250 = 20 requests of 1125 tokens.
        assert_eq!(small.derived(1_000.0, 250.0), Some(22_500));
        let few = Engine { max_batched_tokens: 8192, max_sequences: 8 };
        assert_eq!(few.derived(1_000.0, 250.0), Some(9_000));
    }

    #[test]
    fn starting_replicas_count_for_more_and_not_for_less() {
        // 80,000 each. 150,000 / 0.85 = 176,471 fits into three with one starting, not into two.
        let busy = [replica(75_000, 0), replica(75_000, 0)];
        assert_eq!(analyzed(&busy, counts(2, 0)).target(counts(2, 0)), 3);
        assert_eq!(analyzed(&busy, counts(3, 1)).target(counts(3, 1)), 3);
        // 14,286 of 160,000 are in use: one goes; with one more starting it is the same one.
        let calm = [replica(5_000, 0), replica(5_000, 0)];
        assert_eq!(analyzed(&calm, counts(2, 0)).target(counts(2, 0)), 1);
        assert_eq!(analyzed(&calm, counts(3, 1)).target(counts(3, 1)), 2);
    }

    #[test]
    fn as_many_as_it_takes_at_once() {
        let tokens = analyzed(&[replica(70_000, 40)], counts(1, 0));
        // The queue is full: 70,000 each. 110,000 / 0.85 - 70,000 = 59,412.
        assert_eq!((tokens.per_replica, tokens.demand), (70_000, 110_000.0));
        assert_eq!(tokens.target(counts(1, 0)), 2);
        let idle = [replica(0, 0); 8];
        assert_eq!(analyzed(&idle, counts(8, 0)).target(counts(8, 0)), 1);
    }

    #[test]
    fn the_gateways_queue_counts_prompts_less_the_prefix_cache_and_answers() {
        let cached = Replica { prefix_cache_hit_rate: 0.5, ..replica(0, 0) };
        let of = |requests, bytes, replicas: &[Replica]| {
            waiting_at_gateway(GatewayQueue { requests, bytes }, replicas)
        };
        assert_eq!(of(10.0, 0.0, &[cached]), 5_000.0 + 2_500.0);
        assert_eq!(of(10.0, 80_000.0, &[cached]), 10_000.0 + 2_500.0);
        // A replica that knows no lengths does not count in the means.
        assert_eq!(of(10.0, 0.0, &[cached, Replica::default()]), 7_500.0);
        assert_eq!(of(0.0, 400.0, &[]), 100.0);
        assert_eq!(of(0.0, 0.0, &[cached]), 0.0);
    }

    #[test]
    fn the_median_replica_speaks_for_all() {
        assert_eq!(median(&mut []), 0);
        assert_eq!(median(&mut [7]), 7);
        assert_eq!(median(&mut [9, 2]), 5);
        assert_eq!(median(&mut [9, 1, 4]), 4);
    }

    #[test]
    fn without_a_known_cache_nothing_moves() {
        let unknown = Replica { kv_cache_capacity: 0, ..replica(5_000, 9) };
        let tokens = analyzed(&[unknown; 2], counts(2, 0));
        assert_eq!((tokens.reporting, tokens.per_replica), (0, 0));
        assert_eq!(tokens.target(counts(2, 0)), 2);
    }

    fn any_replica() -> impl Strategy<Value = Replica> {
        let lengths = (0.0..9_000.0_f64, 0.0..2_000.0_f64, 0.0..=1.0_f64);
        (0_i64..200_000, 0_i64..20, lengths, 0_i64..150_000).prop_map(
            |(tokens_in_use, requests_waiting, (input, output, hits), kv_cache_capacity)| Replica {
                tokens_in_use,
                requests_waiting,
                average_input_tokens: input,
                average_output_tokens: output,
                prefix_cache_hit_rate: hits,
                kv_cache_capacity,
            },
        )
    }

    proptest! {
        #[test]
        fn one_stays_and_what_goes_leaves_room(
            replicas in vec(any_replica(), 1..8), pending in 0_i32..4,
        ) {
            let current = i32::try_from(replicas.len()).unwrap() + pending;
            let counts = counts(current, pending);
            let tokens = analyzed(&replicas, counts);
            let target = tokens.target(counts);
            prop_assert!(target >= 1);
            if target < current {
                let left = f64::from(counts.ready() - (current - target));
                let capacity = left * from_i64(tokens.per_replica) * AT.scale_down;
                prop_assert!(tokens.demand <= capacity + 1e-6 * capacity.abs() + 1.0);
            }
        }

        #[test]
        fn more_waiting_at_the_gateway_never_asks_for_less(
            replicas in vec(any_replica(), 1..8), queue in 0.0..500.0_f64, more in 0.0..500.0_f64,
        ) {
            let counts = counts(i32::try_from(replicas.len()).unwrap(), 0);
            let target = |requests| {
                let gateway = GatewayQueue { requests, bytes: 0.0 };
                let mut history = History::default();
                analyze(&replicas, gateway, counts, ENGINE, AT, &mut history, NOW).target(counts)
            };
            prop_assert!(target(queue + more) >= target(queue));
        }

        #[test]
        fn nothing_panics(
            tokens in any::<i64>(), waiting in any::<i64>(), capacity in any::<i64>(),
            input in any::<f64>(), output in any::<f64>(), requests in any::<f64>(),
            current in any::<i32>(), pending in 0..i32::MAX,
        ) {
            let replica = Replica {
                tokens_in_use: tokens,
                requests_waiting: waiting,
                average_input_tokens: input,
                average_output_tokens: output,
                prefix_cache_hit_rate: 0.5,
                kv_cache_capacity: capacity,
            };
            let counts = counts(current, pending);
            let gateway = GatewayQueue { requests, bytes: requests };
            let mut history = History::default();
            let replicas = [replica; 3];
            analyze(&replicas, gateway, counts, ENGINE, AT, &mut history, NOW).target(counts);
        }
    }
}
