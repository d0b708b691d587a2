//! Laws of one replica's server: nothing is lost, tokens come in order, and closed-form runs agree
//! with taking every step.

use proptest::prelude::*;
use trimtab_sim::{Moment, Random, Request, Served, Server, ServerEvents, ServiceProfile};

use crate::support::a100;

#[derive(Default)]
struct Log {
    first: Vec<(Moment, u32)>,
    finished: Vec<(Moment, Moment, u32)>,
    tokens: u64,
}

impl ServerEvents for Log {
    fn first_token(&mut self, now: Moment, served: &Served) {
        self.first.push((now, served.request.input_tokens));
    }

    fn finished(&mut self, now: Moment, served: &Served) {
        let Served { request, submitted, first_token } = *served;
        assert!(submitted < first_token && first_token <= now);
        self.finished.push((now, first_token, request.output_tokens));
    }

    fn tokens(&mut self, tokens: u64, gap_seconds: f64) {
        assert!(gap_seconds > 0.0 || tokens == 0);
        self.tokens += tokens;
    }
}

fn small(kv_tokens: u64, max_sequences: u32, max_batched_tokens: u32) -> ServiceProfile {
    ServiceProfile { kv_tokens, max_sequences, max_batched_tokens, ..a100() }
}

fn serve(profile: &ServiceProfile, requests: &[Request]) -> (Log, Server) {
    let mut server = Server::new(profile);
    let mut log = Log::default();
    for request in requests {
        while server.next_event() <= request.arrival {
            server.advance(&mut log);
        }
        server.submit(request.arrival, *request);
        let load = server.load(request.arrival);
        assert_eq!(load.running + load.waiting, server.in_flight());
        assert!((0.0..=1.0).contains(&load.kv_used), "{load:?}");
    }
    while server.next_event() < Moment::NEVER {
        server.advance(&mut log);
    }
    (log, server)
}

prop_compose! {
    fn arrivals()(rows in prop::collection::vec((0.0_f64..0.4, 1_u32..900, 1_u32..120), 1..120)) -> Vec<Request> {
        let mut at = 0.0;
        rows.into_iter().map(|(gap, input_tokens, output_tokens)| {
            at += gap;
            Request { arrival: Moment::from_seconds(at), input_tokens, output_tokens }
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_request_is_finished_once_with_all_its_tokens(
        requests in arrivals(), kv in 1_020_u64..6_000, sequences in 1_u32..20, batched in 32_u32..2048,
    ) {
        let (log, server) = serve(&small(kv, sequences, batched.max(sequences + 1)), &requests);
        prop_assert_eq!(server.in_flight(), 0);
        prop_assert_eq!(log.first.len(), requests.len());
        prop_assert_eq!(log.finished.len(), requests.len());
        let asked: u64 = requests.iter().map(|r| u64::from(r.output_tokens)).sum();
        prop_assert_eq!(log.tokens + log.first.len() as u64, asked);
        let end = log.finished.iter().map(|f| f.0).max().unwrap();
        prop_assert!(server.busy_nanos(end) <= end.nanos());
    }

    #[test]
    fn first_tokens_come_in_the_order_of_arrival_without_preemption(requests in arrivals()) {
        let (log, _) = serve(&small(1_000_000, 64, 256), &requests);
        let prompts: Vec<u32> = requests.iter().map(|r| r.input_tokens).collect();
        let read: Vec<u32> = log.first.iter().map(|f| f.1).collect();
        prop_assert_eq!(read, prompts);
    }
}

#[test]
fn arrivals_between_steps_change_nothing_but_their_own_iteration() {
    // A second request that comes while the first decodes: the run is cut at the next step.
    let profile = a100();
    let first = Request { arrival: Moment::START, input_tokens: 1000, output_tokens: 50 };
    let second =
        Request { arrival: Moment::from_seconds(0.2), input_tokens: 1000, output_tokens: 1 };
    let (alone, _) = serve(&profile, &[first]);
    let (both, _) = serve(&profile, &[first, second]);
    let prefill = profile.prefill.seconds(1000);
    let late = both.finished.iter().find(|f| f.2 == 50).unwrap().0.seconds();
    assert!((late - alone.finished[0].0.seconds() - prefill).abs() < 1e-6);
    let waited = both.first[1].0.seconds() - 0.2;
    assert!(waited > prefill && waited < prefill + 2.0 * profile.decode.seconds(1.0, 1050.0));
}

/// The mean time in an M/D/1 queue (Pollaczek and Khinchine): s + rho s / (2 (1 - rho)).
#[test]
fn one_sequence_of_equal_prompts_is_an_m_d_1_queue() {
    let profile = small(1_000_000, 1, 4096);
    let service = profile.prefill.seconds(1000);
    for rho in [0.3, 0.6, 0.8] {
        let mut random = Random::new(11, "m/d/1");
        let mut at = 0.0;
        let requests: Vec<Request> = (0..200_000)
            .map(|_| {
                at += random.exponential(service / rho);
                let arrival = Moment::from_seconds(at);
                Request { arrival, input_tokens: 1000, output_tokens: 1 }
            })
            .collect();
        let (log, _) = serve(&profile, &requests);
        let spent = log.finished.iter().zip(&requests);
        let times: Vec<f64> =
            spent.map(|(done, request)| done.0.seconds_since(request.arrival)).collect();
        let theory = service * (1.0 + rho / (2.0 * (1.0 - rho)));
        let (mean, half) = batch_means(&times);
        assert!((mean - theory).abs() <= half, "rho {rho}: {mean} +- {half}, theory {theory}");
    }
}

/// Mean and half of its 99.9 % confidence interval, from 40 batch means.
fn batch_means(times: &[f64]) -> (f64, f64) {
    let size = times.len() / 40;
    let means: Vec<f64> =
        times.chunks_exact(size).map(|batch| batch.iter().sum::<f64>() / size as f64).collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let variance =
        means.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>() / (means.len() as f64 - 1.0);
    (mean, 3.56 * (variance / means.len() as f64).sqrt())
}
