//! The service model of `strategy: slo` against the servers that it is a model of.

use trimtab_engine::strategy::slo::{Mix, Objectives, ServiceModel};
use trimtab_manifest::{Source, read_policies};
use trimtab_sim::{Moment, Random, Request, Served, Server, ServerEvents, ServiceProfile};

/// What was seen of the requests that were served.
#[derive(Default)]
struct Seen {
    /// Times between tokens, as their sum and their number.
    gaps: f64,
    tokens: f64,
    /// From arrival to the first token.
    ttft: Vec<f64>,
    /// Of requests that arrived before, nothing is taken.
    after: f64,
}

impl ServerEvents for Seen {
    fn first_token(&mut self, now: Moment, served: &Served) {
        if served.request.arrival.seconds() >= self.after {
            self.ttft.push(now.seconds_since(served.request.arrival));
        }
    }
    fn finished(&mut self, _: Moment, _: &Served) {}
    fn tokens(&mut self, tokens: u64, gap_seconds: f64) {
        self.tokens += tokens as f64;
        self.gaps += tokens as f64 * gap_seconds;
    }
}

impl Seen {
    fn tpot(&self) -> f64 {
        self.gaps / self.tokens
    }

    fn ttft_at(&mut self, quantile: f64) -> f64 {
        self.ttft.sort_by(f64::total_cmp);
        let rank = (quantile * self.ttft.len() as f64) as usize;
        self.ttft.get(rank).copied().expect("some were served")
    }
}

/// Poisson arrivals of equal requests at servers, each to the one that has the fewest.
fn simulate(profile: &ServiceProfile, replicas: usize, rate: f64, mix: Mix) -> Seen {
    let mut servers = vec![Server::new(profile); replicas];
    let mut seen = Seen { after: 60.0, ..Seen::default() };
    let (mut seconds, mut random) = (0.0, Random::new(7, "arrivals"));
    while seconds < 60.0 + 4_000.0 / rate {
        seconds += random.exponential(1.0 / rate);
        let now = Moment::from_seconds(seconds);
        for server in &mut servers {
            while server.next_event() <= now {
                server.advance(&mut seen);
            }
        }
        let request = Request {
            arrival: now,
            input_tokens: mix.input as u32,
            output_tokens: mix.output as u32,
        };
        let fewest = servers.iter_mut().min_by_key(|server| server.in_flight());
        fewest.expect("there are some").submit(now, request);
    }
    seen
}

const MIXES: [Mix; 3] = [
    Mix { input: 1024.0, output: 256.0 },
    Mix { input: 4096.0, output: 64.0 },
    Mix { input: 200.0, output: 800.0 },
];

/// Tokens take as long as the model says, and so do first tokens at the quantile: on one replica, and
/// on four that share what comes.
#[test]
fn it_takes_as_long_as_the_model_says() {
    for name in ["llama-3.1-8b-a100", "llama-3.1-8b-h100", "llama-3.1-70b-h100x4"] {
        let profile = ServiceProfile::named(name).expect("it is built in");
        let model = profile.service_model().model();
        for (mix, replicas) in MIXES.into_iter().flat_map(|mix| [(mix, 1), (mix, 4)]) {
            for busy in [0.3, 0.5, 0.7] {
                let rate = busy / model.busy(mix, 1.0);
                let Some(at) = model.at(mix, rate) else { continue };
                let all = rate * replicas as f64;
                let mut seen = simulate(&profile, replicas, all, mix);
                let ttft = model.ttft(mix, &promised(&model, mix), replicas as f64, all);
                let (told, was) = ((at.tpot, ttft), (seen.tpot(), seen.ttft_at(0.95)));
                let off = (told.0 / was.0 - 1.0, told.1 / was.1 - 1.0);
                let told = format!("{name} {mix:?} at {busy} on {replicas}: {told:?} {was:?}");
                // Where reading takes as long as answering, prompts that came at once hold up the tokens
                // of whoever was first; a replica among several is sent fewer at once.
                let most = if mix.output < 100.0 { 0.35 } else { 0.1 };
                assert!(off.0.abs() < most, "tokens: {told}");
                assert!((-0.25..0.7).contains(&off.1), "first tokens: {told}");
            }
        }
    }
}

fn promised(model: &ServiceModel, mix: Mix) -> Objectives {
    Objectives {
        ttft: 4.0 * model.ttft_alone(mix),
        tpot: Some(3.0 * model.tpot_alone(mix)),
        quantile: 0.95,
        arrival_variation: 1.0,
        service_variation: 0.0, // all are alike
        shared_queue: false,
    }
}

/// With as many replicas as the model asks for, the objectives are met; with half, they are not.
#[test]
fn as_many_as_asked_for_meet_the_objectives() {
    for name in ["llama-3.1-8b-a100", "llama-3.1-70b-h100x4"] {
        let profile = ServiceProfile::named(name).expect("it is built in");
        let model = profile.service_model().model();
        for mix in MIXES {
            let promised = promised(&model, mix);
            let rate = 5.0 * model.sustained(mix, &promised);
            let staffing = model.staff(mix, &promised, rate);
            let asked = staffing.replicas.ceil() as usize;
            let mut met = simulate(&profile, asked, rate, mix);
            let (ttft, tpot) = (met.ttft_at(0.95), met.tpot());
            let told = format!("{name} {mix:?}: {asked} replicas, {ttft} {tpot} of {promised:?}");
            assert!(ttft <= promised.ttft && tpot <= promised.tpot.unwrap_or(0.0) * 1.1, "{told}");
            let mut missed = simulate(&profile, asked / 2, rate, mix);
            let (ttft, tpot) = (missed.ttft_at(0.95), missed.tpot());
            assert!(ttft > promised.ttft || tpot > promised.tpot.unwrap_or(0.0), "{told}");
        }
    }
}

/// The example describes the profile that it says it does.
#[test]
fn the_example_is_the_profile() {
    let text = include_str!("../../../../examples/llm-inference/slo-model.yaml");
    let profile = ServiceProfile::named("llama-3.1-8b-a100").expect("it is built in");
    let read = read_policies(&Source::new("slo-model.yaml", text)).expect("it reads");
    let spec = read.policies.first().expect("it has one").policy.spec();
    let model = spec.slo.as_ref().and_then(|slo| slo.service_model.as_ref()).expect("it has one");
    let told = profile.service_model().model();
    let said = model.model();
    let near = |one: f64, other: f64| (one / other - 1.0).abs() < 1e-9;
    assert!(near(said.prefill_fixed, told.prefill_fixed), "{said:?} {told:?}");
    assert!(near(said.prefill_per_token, told.prefill_per_token));
    assert!(near(said.prefill_per_token_squared, told.prefill_per_token_squared));
    assert!(near(said.decode_fixed, told.decode_fixed));
    assert!(near(said.decode_per_sequence, told.decode_per_sequence));
    assert!(near(said.decode_per_context_token, told.decode_per_context_token));
    assert_eq!(said.kv_cache_tokens, told.kv_cache_tokens);
    assert_eq!(
        (said.max_sequences, said.max_batched_tokens),
        (told.max_sequences, told.max_batched_tokens)
    );
}
