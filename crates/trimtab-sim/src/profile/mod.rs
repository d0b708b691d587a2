//! How long serving takes: a model on a kind of GPU, in coefficients fitted to measurements.

mod alone;
mod builtin;
mod check;
mod service_model;

pub use alone::Alone;
pub use check::InvalidProfile;

use serde::{Deserialize, Serialize};

/// The service times and limits of one replica.
///
/// Prefill of `n` uncached prompt tokens takes `c0 + c1 n + c2 n²` milliseconds; one decode step of
/// `batch` sequences with `kv` tokens of context in all takes `a + b batch + c kv` milliseconds.
///
/// ```
/// use trimtab_sim::ServiceProfile;
///
/// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
/// assert_eq!(profile.gpus, 1);
/// assert!((profile.prefill.seconds(1024) - 0.065).abs() < 0.002); // measured: 64.73 ms
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceProfile {
    /// Its name: model, GPU and, beyond one, `xN` GPUs.
    pub name: String,
    /// The model.
    pub model: String,
    /// The kind of GPU.
    pub gpu: String,
    /// GPUs of one replica (tensor parallelism).
    pub gpus: u32,
    /// The time to read a prompt.
    pub prefill: PrefillTime,
    /// The time of a decode step.
    pub decode: DecodeTime,
    /// Tokens that the KV cache holds.
    pub kv_tokens: u64,
    /// Sequences that are decoded at once at most (vLLM's `max_num_seqs`).
    pub max_sequences: u32,
    /// Tokens that one step processes at most (vLLM's `max_num_batched_tokens`): longer prompts are
    /// read in chunks, between which the others decode.
    pub max_batched_tokens: u32,
    /// Where the numbers are from.
    pub source: String,
}

/// `c0 + c1 n + c2 n²` milliseconds for `n` tokens.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrefillTime {
    /// Milliseconds.
    pub c0_ms: f64,
    /// Milliseconds per token.
    pub c1_ms: f64,
    /// Milliseconds per squared token.
    pub c2_ms: f64,
}

/// `a + b batch + c kv` milliseconds.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecodeTime {
    /// Milliseconds.
    pub a_ms: f64,
    /// Milliseconds per sequence.
    pub b_ms: f64,
    /// Milliseconds per token of context.
    pub c_ms: f64,
}

impl ServiceProfile {
    /// The built-in profiles.
    pub fn builtin() -> Vec<Self> {
        builtin::all()
    }

    /// The built-in profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::builtin().into_iter().find(|profile| profile.name == name)
    }
}

impl PrefillTime {
    /// Seconds to read a prompt of `tokens`, alone.
    pub fn seconds(&self, tokens: u32) -> f64 {
        let n = f64::from(tokens);
        (self.c0_ms + self.c1_ms * n + self.c2_ms * n * n) / 1e3
    }
}

impl DecodeTime {
    /// Seconds of one step of `batch` sequences with `kv` tokens of context in all.
    pub fn seconds(&self, batch: f64, kv: f64) -> f64 {
        (self.a_ms + self.b_ms * batch + self.c_ms * kv) / 1e3
    }
}
