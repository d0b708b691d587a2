//! Backtests to draw: a plausible one, made by a small rule, and what lies at the edges.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use trimtab_engine::Digest;
use trimtab_sim::{
    Attained, Backtest, BoundSummary, Comparison, Explained, Latency, PoolCost, Quantiles,
    ReplicaSeconds, RequestCounts, Run, Settings, Timeline, WorkloadSummary,
};

/// Seconds of a step.
pub(crate) const STEP: f64 = 240.0;
/// Steps of a day.
pub(crate) const STEPS: usize = 360;
const PER_REPLICA: f64 = 4.0;

pub(crate) const POLICIES: [&str; 5] = ["slo", "hpa", "keda", "knative", "ray-serve"];

/// Several workloads and lead times, with sweeps of so many tunings per policy.
pub(crate) fn backtest(workloads: &[&str], lead_times: &[u32], tunings: usize) -> Backtest {
    let each = workloads.iter().flat_map(|name| lead_times.iter().map(move |lead| (*name, *lead)));
    Backtest {
        settings: settings(),
        comparisons: each.map(|(name, lead)| comparison(name, lead, tunings)).collect(),
    }
}

/// What nobody hopes for: nothing served, nothing recorded, names without end, numbers out of all proportion.
pub(crate) fn edges() -> Backtest {
    let base = comparison("edges", 120, 1);
    let mut silent = Run { timeline: Timeline::default(), ..base.runs[0].clone() };
    silent.policy = "nothing-served-and-no-course".to_owned();
    silent.requests = RequestCounts { arrived: 10, served: 0, rejected: 4, cut: 6 };
    silent.latency = Latency::default();
    silent.attainment = vec![Attained { share: 0.0, met: false }; 2];
    silent.replica_seconds = ReplicaSeconds::default();
    (silent.cost, silent.efficiency, silent.pools) = (0.0, 0.0, Vec::new());
    let mut perfect = base.runs[1].clone();
    perfect.policy =
        "a-policy-with-a-name-that-goes-on-for-much-longer-than-anyone-would-think-reasonable"
            .to_owned();
    perfect.attainment = vec![Attained { share: 1.0, met: true }; 2];
    perfect.cost = 4.2e9;
    perfect.replica_seconds.busy = 3.1e13;
    perfect.timeline.ttft_p99 = vec![None; STEPS];
    let mut tiny = base.runs[2].clone();
    tiny.policy = "<b>tiny</b> & \"quoted\"".to_owned();
    (tiny.cost, tiny.under_provisioned_seconds) = (1e-7, f64::NAN);
    tiny.timeline.decision = vec![None; STEPS];
    tiny.timeline.decisions.clear();
    let empty = Comparison {
        workload: WorkloadSummary {
            name: "nothing".to_owned(),
            requests: 0,
            seconds: 0.0,
            mean_input_tokens: 0.0,
            mean_output_tokens: 0.0,
            peak_per_second: 0.0,
        },
        bound: BoundSummary { replica_seconds: 0.0, cost: 0.0 },
        runs: vec![silent.clone()],
        ..base.clone()
    };
    let nobody = Comparison { lead_time: "0s".to_owned(), runs: Vec::new(), ..empty.clone() };
    let alone = Comparison {
        lead_time: "30s".to_owned(),
        runs: vec![base.runs[0].clone()],
        ..base.clone()
    };
    Backtest {
        settings: settings(),
        comparisons: vec![
            Comparison { runs: vec![silent, perfect, tiny], ..base },
            empty,
            nobody,
            alone,
        ],
    }
}

fn settings() -> Settings {
    Settings {
        trimtab: "0.1.0".to_owned(),
        seed: 18_446_744_073_709_551_557,
        profile: "llama-3-8b-h100".to_owned(),
        objectives: ["ttft<=2s@99%", "tpot<=50ms@99%"].map(|text| text.parse().unwrap()).to_vec(),
        cost_unit: "GPU-hours".to_owned(),
        details: [
            ("syncSeconds", "15"),
            ("scrapeSeconds", "15"),
            ("gateway.queue", "1000"),
            ("router", "least-loaded"),
            ("pools", "h100-reserved: 8 GPUs\nh100-spot: 32 GPUs, notice 120 s"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
    }
}

fn comparison(name: &str, lead: u32, tunings: usize) -> Comparison {
    let need = need(name.len());
    let total = need.iter().map(|need| need * STEP).sum::<f64>();
    let bound = total * (1.08 + f64::from(lead) / 3000.0);
    let mut runs: Vec<Run> = (0..POLICIES.len())
        .flat_map(|policy| (0..tunings).map(move |tuning| (policy, tuning)))
        .map(|(policy, tuning)| run(policy, tuning, &need, lead, bound))
        .collect();
    let beaten = |run: &Run, by: &Run| {
        by.cost < run.cost && by.attainment[0].share >= run.attainment[0].share
    };
    let front: Vec<bool> = runs.iter().map(|run| !runs.iter().any(|by| beaten(run, by))).collect();
    for (run, on_front) in runs.iter_mut().zip(front) {
        run.on_front = on_front;
    }
    let requests = total * PER_REPLICA;
    Comparison {
        workload: WorkloadSummary {
            name: name.to_owned(),
            requests: requests as u64,
            seconds: STEP * STEPS as f64,
            mean_input_tokens: 812.4,
            mean_output_tokens: 164.2,
            peak_per_second: need.iter().copied().fold(0.0, f64::max) * PER_REPLICA,
        },
        lead_time: format!("{lead}s"),
        bound: BoundSummary { replica_seconds: bound, cost: bound / 3600.0 },
        runs,
    }
}

/// Replicas that the work keeps busy: a day with a noisy top and a burst in the afternoon.
fn need(seed: usize) -> Vec<f64> {
    let mut state = seed as u64 + 1;
    let shape =
        |i: usize| 3.5 - 3.0 * libm::cos((i as f64 / STEPS as f64) * core::f64::consts::TAU);
    (0..STEPS)
        .map(|i| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let noise = (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
            let burst = if (230..242).contains(&i) { 4.0 } else { 0.0 };
            (shape(i) * (1.0 + 0.25 * noise) + burst).max(0.05)
        })
        .collect()
}

fn run(policy: usize, tuning: usize, need: &[f64], lead: u32, bound: f64) -> Run {
    let headroom = 1.12 + 0.09 * policy as f64 + 0.05 * (tuning % 12) as f64;
    let patience = 6 + 4 * policy + tuning / 12;
    let timeline = timeline(need, headroom, patience, (f64::from(lead) / STEP).ceil() as usize);
    let sum = |column: &[f64]| column.iter().map(|count| count * STEP).sum::<f64>();
    let ready = sum(&timeline.ready);
    let busy =
        need.iter().zip(&timeline.ready).map(|(need, ready)| need.min(*ready) * STEP).sum::<f64>();
    let replica_seconds = ReplicaSeconds {
        pending: sum(&timeline.pending),
        starting: sum(&timeline.starting),
        busy,
        idle: ready - busy,
        warm: sum(&timeline.warm),
        draining: sum(&timeline.draining),
    };
    let short =
        need.iter().zip(&timeline.ready).filter(|(need, ready)| need > ready).count() as f64;
    let slack = headroom - 1.0 + 0.004 * patience as f64;
    let missed = 0.06 * libm::exp(-9.0 * slack)
        + 0.012 * f64::from(lead) / 300.0 / (1.0 + patience as f64)
        + 0.0002 * policy as f64;
    let arrived = (need.iter().sum::<f64>() * STEP * PER_REPLICA) as u64;
    let rejected = (arrived as f64 * missed * 0.1) as u64;
    let cost = replica_seconds.spent() / 3600.0 * 1.02;
    let quantiles = |p50: f64| Quantiles {
        mean: p50 * 1.2,
        p50,
        p95: p50 * 3.1,
        p99: p50 * (6.0 + 500.0 * missed),
    };
    let changes = |up: bool| {
        timeline
            .decisions
            .iter()
            .filter(|d| (d.to > d.from) == up && d.to != d.from)
            .map(|d| u64::from(d.to.abs_diff(d.from)))
            .sum()
    };
    let shares = [1.0 - missed, 1.0 - missed * 1.6];
    Run {
        ended_early: false,
        policy: POLICIES[policy].to_owned(),
        digest: Digest::of(&(policy, tuning)),
        tuning: tuning_of(tuning, headroom, patience),
        requests: RequestCounts { arrived, served: arrived - rejected - 12, rejected, cut: 12 },
        attainment: shares.map(|share| Attained { share, met: share >= 0.99 }).to_vec(),
        latency: Latency {
            ttft: quantiles(0.182),
            itl: quantiles(0.011),
            tpot: quantiles(0.014),
            e2e: quantiles(3.4),
        },
        pools: vec![
            PoolCost { pool: "h100-reserved".to_owned(), gpu_hours: cost * 0.8, cost: cost * 0.8 },
            PoolCost { pool: "h100-spot".to_owned(), gpu_hours: cost * 0.2, cost: cost * 0.2 },
        ],
        cost,
        starts: changes(true),
        stops: changes(false),
        losses: policy as u64 % 3,
        under_provisioned_seconds: short * STEP,
        bound_replica_seconds: bound,
        efficiency: (bound / replica_seconds.spent()).min(1.0),
        on_front: false,
        decisions: STEPS as u64 * 16,
        replica_seconds,
        timeline,
    }
}

fn tuning_of(tuning: usize, headroom: f64, patience: usize) -> BTreeMap<String, String> {
    if tuning == 0 {
        return BTreeMap::new();
    }
    BTreeMap::from([
        (
            "spec.behavior.scaleDown.stabilizationWindowSeconds".to_owned(),
            (patience * 60).to_string(),
        ),
        ("spec.metrics[0].target".to_owned(), format!("{:.2}", 1.0 / headroom)),
    ])
}

/// The count follows the need, up at once and down after some patience, and replicas are ready some steps later.
fn timeline(need: &[f64], headroom: f64, patience: usize, late: usize) -> Timeline {
    let asked: Vec<f64> = need.iter().map(|need| (need * headroom).ceil().max(1.0)).collect();
    let wanted: Vec<f64> = (0..need.len())
        .map(|i| asked[i.saturating_sub(patience)..=i].iter().copied().fold(1.0, f64::max))
        .collect();
    let had = |i: usize| if i == 0 { wanted[0] } else { wanted[i - 1] };
    let ready: Vec<f64> = (0..need.len())
        .map(|i| wanted[i.saturating_sub(late)..=i].iter().copied().fold(f64::MAX, f64::min))
        .collect();
    let lacking = |i: usize| wanted[i] - ready[i];
    let column = |value: &dyn Fn(usize) -> f64| (0..need.len()).map(value).collect::<Vec<f64>>();
    let mut waiting = 0.0;
    let queue: Vec<f64> = (0..need.len())
        .map(|i| {
            waiting = (waiting + (need[i] - ready[i]) * PER_REPLICA * 12.0).max(0.0);
            waiting + 0.4 * need[i]
        })
        .collect();
    let ttft = |factor: f64| {
        (0..need.len())
            .map(|i| (i % 97 != 50).then(|| factor * (0.16 + 0.02 * need[i] + queue[i] / 60.0)))
            .collect()
    };
    let mut decisions = Vec::new();
    let decision = (0..need.len())
        .map(|i| {
            if had(i) != wanted[i] || i % 10 == 0 {
                decisions.push(explained(i, had(i), wanted[i], need[i]));
            }
            (i > 0).then(|| decisions.len() as u32 - 1)
        })
        .collect();
    Timeline {
        step_seconds: STEP,
        arrivals_per_second: need.iter().map(|need| need * PER_REPLICA).collect(),
        need: need.to_vec(),
        pending: column(&|i| if lacking(i) > 3.0 { 1.0 } else { 0.0 }),
        starting: column(&|i| (lacking(i) - if lacking(i) > 3.0 { 1.0 } else { 0.0 }).max(0.0)),
        warm: column(&|_| 1.0),
        draining: column(&|i| (had(i) - wanted[i]).max(0.0) * 0.6),
        ready,
        wanted,
        ttft_p50: ttft(0.5),
        ttft_p95: ttft(1.6),
        ttft_p99: ttft(2.9),
        queue,
        decision,
        decisions,
    }
}

fn explained(i: usize, from: f64, to: f64, need: f64) -> Explained {
    let at_seconds = (i as f64 * STEP) as i64 + 15;
    let (h, m, s) = (at_seconds / 3600, at_seconds / 60 % 60, at_seconds % 60);
    let verdict = if from == to {
        format!("{to} replicas stay: the metrics want no change")
    } else {
        format!(
            "{from} -> {to} replicas: `inference_requests_running` asks for {}",
            if to > from { "more" } else { "less" }
        )
    };
    let mut text = format!("2026-11-24T{h:02}:{m:02}:{s:02}Z  {verdict}\n\n");
    for line in [
        format!("size       inference_requests_running     {:.1} each of 3.2  {from} -> {to}  {:.3} × {from} pods, rounded up", need * 4.0 / from, to / from),
        format!("size       inference_kv_cache_usage_ratio  0.6 each of 0.75  {from} -> {from}  within the tolerance"),
        format!("stabilize                                                   {to} -> {to}  no window holds it back"),
        format!("limit                                                       {to} -> {to}  no rate limit in the way"),
        format!("bound                                                       {to} -> {to}  within the bounds  <- decided\n"),
        "conditions AbleToScale=True (ReadyForNewScale)\n             ScalingActive=True (ValidMetricFound)".to_owned(),
    ] {
        writeln!(text, "  {line}").unwrap();
    }
    Explained { at_seconds, from: from as i32, to: to as i32, text }
}
