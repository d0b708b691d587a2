//! Queues with known answers, through the whole simulation: gateway, replicas, recorder.
//!
//! Arrivals are Poisson, a replica serves one request at a time, and the gateway keeps the queue. A
//! prompt takes a microsecond and decoding a millisecond per token, so that the tokens to generate
//! are the service time, and who gets its first token at once did not wait.

use trimtab_sim::{DecodeTime, PrefillTime, Random, Request, ServiceProfile, Simulated};

use crate::support::{Fleet, Listed, a100, request};

const PROMPT_SECONDS: f64 = 1e-6;
const TOKEN_SECONDS: f64 = 1e-3;

fn profile() -> ServiceProfile {
    ServiceProfile {
        prefill: PrefillTime { c0_ms: 0.0, c1_ms: PROMPT_SECONDS * 1e3, c2_ms: 0.0 },
        decode: DecodeTime { a_ms: TOKEN_SECONDS * 1e3, b_ms: 0.0, c_ms: 0.0 },
        kv_tokens: 10_000_000,
        max_sequences: 1,
        max_batched_tokens: 10_000_000,
        ..a100()
    }
}

/// So many replicas all the time.
fn simulate(replicas: u32, queue_capacity: u32, scrape: f64, requests: &[Request]) -> Simulated {
    let policy = format!(
        "minReplicas: {replicas}
maxReplicas: {replicas}
hpa: {{syncPeriodSeconds: 3600}}
metrics:
- type: Pods
  pods: {{metric: {{name: requests_running}}, target: {{type: AverageValue, averageValue: 1}}}}"
    );
    let text = format!(
        "gateway: {{queueCapacity: {queue_capacity}, maxRequestsPerReplica: 1}}
metrics: {{scrapeSeconds: {scrape}, windowSeconds: {window}}}",
        window = 2.0 * scrape
    );
    let fleet = Fleet::new(profile(), &text, &policy).in_steps(60.0);
    fleet.promising("ttft<=0.01ms@1%").run(&Listed(requests.to_vec())).unwrap()
}

/// Poisson arrivals at `rate` a second; `tokens` are decoded for each.
fn arrivals(
    count: usize,
    rate: f64,
    seed: u64,
    mut tokens: impl FnMut(&mut Random) -> u32,
) -> Vec<Request> {
    let mut gaps = Random::new(seed, "gaps");
    let mut lengths = Random::new(seed, "lengths");
    let mut at = 0.0;
    (0..count)
        .map(|_| {
            at += gaps.exponential(1.0 / rate);
            request(at, 1, 1 + tokens(&mut lengths))
        })
        .collect()
}

/// Exponential with a mean of a second.
fn exponential(random: &mut Random) -> u32 {
    random.exponential(1.0 / TOKEN_SECONDS).round() as u32
}

/// Sums over the requests of a run.
#[derive(Copy, Clone)]
struct Sums {
    spent: f64,
    at_once: f64,
}

fn sums(replicas: u32, requests: &[Request]) -> Sums {
    let done = simulate(replicas, 1_000_000, 1000.0, requests);
    let count = requests.len() as f64;
    assert_eq!(done.requests.served, requests.len() as u64);
    Sums { spent: done.latency.e2e.mean * count, at_once: done.attainment[0].share * count }
}

const REPLICATIONS: usize = 20;
const WARM_UP: usize = 1_000;
const MEASURED: usize = 7_000;

/// The mean time in the system and the share that waits: one of each per replication, of the
/// requests after the warm-up. Who comes later changes nothing for who came before, so that what the
/// first requests spend is what they spend in a run of their own.
fn replicate(replicas: u32, rate: f64, tokens: fn(&mut Random) -> u32) -> [[f64; REPLICATIONS]; 2] {
    let [mut spent, mut waited] = [[0.0; REPLICATIONS]; 2];
    for ((spent, waited), seed) in spent.iter_mut().zip(&mut waited).zip(0..) {
        let requests = arrivals(WARM_UP + MEASURED, rate, seed, tokens);
        let (all, first) = (sums(replicas, &requests), sums(replicas, &requests[..WARM_UP]));
        *spent = (all.spent - first.spent) / MEASURED as f64;
        *waited = 1.0 - (all.at_once - first.at_once) / MEASURED as f64;
    }
    [spent, waited]
}

/// Within the 99.9 % confidence interval of the replications' mean (Student's t, 19 degrees of
/// freedom), which has to be narrow enough to say something.
#[track_caller]
fn assert_mean(what: &str, found: [f64; REPLICATIONS], theory: f64) {
    let n = REPLICATIONS as f64;
    let mean = found.iter().sum::<f64>() / n;
    let variance = found.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    let half = 3.883 * (variance / n).sqrt();
    assert!((mean - theory).abs() <= half, "{what}: {mean} +- {half}, theory {theory}");
    assert!(half <= 0.15 * theory, "{what}: {mean} +- {half}");
}

/// The share that is lost with `servers` and an offered load of `load`, where nobody waits.
fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |lost, n| load * lost / (f64::from(n) + load * lost))
}

/// The share that waits.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let (lost, rho) = (erlang_b(servers, load), load / f64::from(servers));
    lost / (1.0 - rho * (1.0 - lost))
}

fn assert_m_m_c(servers: u32, rho: f64) {
    let load = rho * f64::from(servers);
    let [spent, waited] = replicate(servers, load, exponential);
    let waits = erlang_c(servers, load);
    let theory = 1.0 + waits / (f64::from(servers) - load);
    let what = format!("M/M/{servers} at {rho}");
    assert_mean(&format!("{what}, seconds in the system"), spent, theory);
    assert_mean(&format!("{what}, share that waits"), waited, waits);
}

#[test]
fn one_replica_is_an_m_m_1_queue() {
    assert_m_m_c(1, 0.5);
    assert_m_m_c(1, 0.8);
}

#[test]
fn two_replicas_are_an_m_m_2_queue() {
    assert_m_m_c(2, 0.5);
    assert_m_m_c(2, 0.8);
}

#[test]
fn eight_replicas_are_an_m_m_8_queue() {
    assert_m_m_c(8, 0.5);
    assert_m_m_c(8, 0.8);
}

/// Pollaczek and Khinchine.
#[test]
fn equal_requests_are_an_m_d_1_queue() {
    for rho in [0.5, 0.8] {
        let [spent, waited] = replicate(1, rho, |_| 1_000);
        let what = format!("M/D/1 at {rho}");
        let theory = 1.0 + rho / (2.0 * (1.0 - rho));
        assert_mean(&format!("{what}, seconds in the system"), spent, theory);
        assert_mean(&format!("{what}, share that waits"), waited, rho);
    }
}

/// Erlang's loss formula, which holds for any service time: exponential and constant.
#[test]
fn without_a_queue_erlang_b_is_lost() {
    for (servers, load) in [(1, 0.8), (4, 3.0), (8, 8.0)] {
        for tokens in [exponential, |_: &mut Random| 1_000] {
            let mut lost = [0.0; REPLICATIONS];
            for (lost, seed) in lost.iter_mut().zip(0..) {
                let requests = arrivals(WARM_UP + MEASURED, load, seed, tokens);
                let first = simulate(servers, 0, 1000.0, &requests[..WARM_UP]).requests.rejected;
                let all = simulate(servers, 0, 1000.0, &requests).requests.rejected;
                *lost = (all - first) as f64 / MEASURED as f64;
            }
            let what = format!("M/G/{servers}/{servers} at {load}, share that is lost");
            assert_mean(&what, lost, erlang_b(servers, load));
        }
    }
}

/// What waits over time is what each waits, summed; and what is busy over time is what each takes.
#[test]
fn little_s_law_holds() {
    let requests = arrivals(8_000, 1.7, 1, exponential);
    let done = simulate(2, 1_000_000, 0.5, &requests);
    let count = requests.len() as f64;
    assert_eq!(done.requests.served, requests.len() as u64);

    let waited = (done.latency.ttft.mean - PROMPT_SECONDS) * count;
    // Of the last step there was only a part.
    let (queue, step) = (&done.timeline.queue, done.timeline.step_seconds);
    let missing = queue.len() as f64 * step - done.ended.seconds();
    let queued = queue.iter().sum::<f64>() * step - queue.last().unwrap() * missing;
    assert!((queued / waited - 1.0).abs() < 0.01, "{queued} {waited}");

    let tokens: f64 = requests.iter().map(|request| f64::from(request.output_tokens - 1)).sum();
    let taken = tokens * TOKEN_SECONDS + count * PROMPT_SECONDS;
    let busy = done.replica_seconds.busy;
    assert!((busy - taken).abs() < 1e-6 * taken, "{busy} {taken}");
    let spent = done.latency.e2e.mean * count;
    assert!(((queued + busy) / spent - 1.0).abs() < 0.01, "{queued} {busy} {spent}");
}
