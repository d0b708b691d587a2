//! Who hears what a server tells: the records of the run, and the metrics.

use crate::metrics::{Exporter, GatewayExporter};
use crate::simulation::recorder::Recorder;
use crate::{Moment, Served, ServerEvents};

/// Who hears what one replica's server tells.
pub(super) struct Told<'a> {
    pub(super) recorder: &'a mut Recorder,
    pub(super) exporter: &'a mut Exporter,
    pub(super) gateway_exporter: &'a mut GatewayExporter,
    pub(super) finished: u32,
}

impl ServerEvents for Told<'_> {
    fn first_token(&mut self, now: Moment, served: &Served) {
        let ttft = now.seconds_since(served.request.arrival);
        self.recorder.first_token(now, ttft);
        let at_replica = now.seconds_since(served.submitted);
        self.exporter.on_first_token(at_replica, served.request.input_tokens);
        self.gateway_exporter.on_first_token(ttft);
    }

    fn finished(&mut self, now: Moment, served: &Served) {
        self.finished += 1;
        let Served { request, submitted, first_token } = *served;
        let ttft = first_token.seconds_since(request.arrival);
        let tpot = request.time_per_output_token(first_token, now);
        let e2e = now.seconds_since(request.arrival);
        if self.recorder.served(now, &request, ttft, tpot, e2e) {
            self.gateway_exporter.on_attained();
        }
        self.exporter.on_finish(now.seconds_since(submitted), tpot);
        self.exporter.on_answer(request.output_tokens);
        self.gateway_exporter.on_finish(e2e);
    }

    fn tokens(&mut self, tokens: u64, gap_seconds: f64) {
        self.recorder.tokens(tokens, gap_seconds);
        self.exporter.on_tokens(tokens, gap_seconds);
    }
}
