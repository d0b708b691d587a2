//! What a request takes when nothing else is there: the best that its users can hope for.

use crate::{Measure, Request, ServiceProfile};

/// The latencies of a request on an idle replica, in seconds.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Alone {
    /// To the first token.
    pub ttft: f64,
    /// Per token after the first; 0 for a request with one token.
    pub tpot: f64,
    /// To the last token.
    pub e2e: f64,
}

impl Alone {
    /// The latency that an objective is about.
    pub fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Ttft => self.ttft,
            Measure::Tpot => self.tpot,
            Measure::E2e => self.e2e,
        }
    }
}

impl ServiceProfile {
    /// What `request` takes on an idle replica.
    ///
    /// ```
    /// use trimtab_sim::{Moment, Request, ServiceProfile};
    ///
    /// let profile = ServiceProfile::named("llama-3.1-8b-h100").unwrap();
    /// let request = Request { arrival: Moment::START, input_tokens: 1024, output_tokens: 1 };
    /// assert_eq!(profile.alone(&request).ttft, profile.alone(&request).e2e);
    /// ```
    pub fn alone(&self, request: &Request) -> Alone {
        let chunks = request.input_tokens.div_ceil(self.max_batched_tokens.max(1));
        let more_overhead = f64::from(chunks.saturating_sub(1)) * self.prefill.c0_ms / 1e3;
        let ttft = self.prefill.seconds(request.input_tokens) + more_overhead;
        let steps = f64::from(request.output_tokens.saturating_sub(1));
        let context = f64::from(request.input_tokens) + (steps - 1.0) / 2.0;
        let tpot = if steps > 0.0 { self.decode.seconds(1.0, context) } else { 0.0 };
        Alone { ttft, tpot, e2e: ttft + steps * tpot }
    }
}
