//! A profile as the `serviceModel` of a policy.

use trimtab_engine::{Finite, SloServiceModelSpec};

use super::ServiceProfile;

impl ServiceProfile {
    /// The replica of this profile as `serviceModel` describes one. The demand, the mix of requests and
    /// the objectives are left to fill in.
    ///
    /// ```
    /// use trimtab_engine::strategy::slo::Mix;
    /// use trimtab_sim::ServiceProfile;
    ///
    /// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
    /// let model = profile.service_model().model();
    /// let prompt = model.prefill(Mix { input: 1024.0, output: 1.0 });
    /// assert!((prompt - profile.prefill.seconds(1024)).abs() < 1e-9);
    /// ```
    #[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^53")]
    pub fn service_model(&self) -> SloServiceModelSpec {
        let seconds = |ms: f64| Finite::new(ms / 1e3);
        let count = |count: u32| i32::try_from(count).ok();
        SloServiceModelSpec {
            prefill_fixed_seconds: seconds(self.prefill.c0_ms),
            prefill_seconds_per_token: seconds(self.prefill.c1_ms),
            prefill_seconds_per_token_squared: seconds(self.prefill.c2_ms),
            decode_fixed_seconds: seconds(self.decode.a_ms),
            decode_seconds_per_sequence: seconds(self.decode.b_ms),
            decode_seconds_per_context_token: seconds(self.decode.c_ms),
            max_sequences: count(self.max_sequences),
            max_batched_tokens: count(self.max_batched_tokens),
            kv_cache_tokens: Finite::new(self.kv_tokens as f64),
            ..SloServiceModelSpec::default()
        }
    }
}
