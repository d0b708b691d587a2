//! The front, the text and the picture, on backtests that are made up.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trimtab_engine::Digest;
use trimtab_sim::report::{best, mark_front, svg, text};
use trimtab_sim::{
    Attained, Backtest, BoundSummary, Comparison, Latency, Measure, Objective, Quantiles,
    ReplicaSeconds, RequestCounts, Run, Settings, Timeline, WorkloadSummary,
};

const ARRIVED: u64 = 172_800;
const TTFT: Objective = Objective { measure: Measure::Ttft, seconds: 2.0, share: 0.99 };
const TPOT: Objective = Objective { measure: Measure::Tpot, seconds: 0.05, share: 0.95 };

/// A run with such a share within every objective and such a cost in GPU-hours; all else follows.
fn run(policy: &str, share: f64, cost: f64, objectives: &[Objective]) -> Run {
    let missed = ((1.0 - share) * ARRIVED as f64) as u64;
    let spent = cost * 3_600.0;
    let slow = 0.4 + 200.0 * (1.0 - share);
    let attained =
        objectives.iter().map(|objective| Attained { share, met: share >= objective.share });
    Run {
        ended_early: false,
        policy: policy.to_owned(),
        digest: Digest::of(policy),
        tuning: BTreeMap::new(),
        requests: RequestCounts {
            arrived: ARRIVED,
            served: ARRIVED - missed / 2,
            rejected: missed / 2 - missed / 8,
            cut: missed / 8,
        },
        attainment: attained.collect(),
        latency: Latency {
            ttft: Quantiles { mean: 0.1, p50: 0.084, p95: slow / 4.0, p99: slow },
            ..Latency::default()
        },
        replica_seconds: ReplicaSeconds {
            starting: spent * 0.1,
            busy: spent * 0.7,
            idle: spent * 0.2,
            ..ReplicaSeconds::default()
        },
        pools: Vec::new(),
        cost,
        starts: 40 + missed / 100,
        stops: 38 + missed / 100,
        losses: 0,
        under_provisioned_seconds: 0.0,
        bound_replica_seconds: 120_000.0,
        efficiency: (120_000.0 / spent).min(1.0),
        on_front: false,
        decisions: 5_760,
        timeline: course(8, 2.0 * cost / 48.0, share),
    }
}

fn tuned(mut run: Run, tuning: &[(&str, &str)]) -> Run {
    run.tuning = tuning.iter().map(|(field, value)| ((*field).into(), (*value).into())).collect();
    run
}

/// Two days, each a ramp up and down.
fn course(steps_per_day: usize, mean: f64, share: f64) -> Timeline {
    let wave: Vec<f64> = (0..2 * steps_per_day)
        .map(|step| {
            let phase = (step % steps_per_day) as f64 / steps_per_day as f64;
            1.0 - (2.0 * phase - 1.0).abs()
        })
        .collect();
    let need: Vec<f64> = wave.iter().map(|height| 0.4 + 2.2 * height).collect();
    let wanted: Vec<f64> = wave.iter().map(|height| mean * (0.5 + height)).map(f64::ceil).collect();
    let late = if share < 0.99 { 2 } else { 1 };
    let mut ready = vec![wanted[0]; late];
    ready.extend_from_slice(&wanted[..wanted.len() - late]);
    let starting = wanted.iter().zip(&ready).map(|(wanted, ready)| (wanted - ready).max(0.0));
    Timeline {
        step_seconds: 86_400.0 / steps_per_day as f64,
        starting: starting.collect(),
        need,
        wanted,
        ready,
        ..Timeline::default()
    }
}

fn backtest(objectives: Vec<Objective>, mut runs: Vec<Run>) -> Backtest {
    mark_front(&mut runs);
    Backtest {
        settings: Settings {
            trimtab: String::from("0.1.0"),
            seed: 7,
            profile: String::from("llama-3.1-8b-a100"),
            objectives,
            cost_unit: String::from("GPU-hours"),
            details: Vec::new(),
        },
        comparisons: vec![Comparison {
            workload: WorkloadSummary {
                name: String::from("chat-two-days"),
                requests: ARRIVED,
                seconds: 172_800.0,
                mean_input_tokens: 812.0,
                mean_output_tokens: 211.0,
                peak_per_second: 3.4,
            },
            lead_time: String::from("120s"),
            bound: BoundSummary { replica_seconds: 122_400.0, cost: 34.0 },
            runs,
        }],
    }
}

fn usual() -> Vec<Run> {
    [
        ("slo", 0.9931, 41.2),
        ("hpa-queue-depth", 0.9904, 69.9),
        ("keda", 0.9612, 48.1),
        ("knative", 0.989_96, 55.0),
        ("static-peak", 1.0, 163.2),
    ]
    .map(|(policy, share, cost)| run(policy, share, cost, &[TTFT]))
    .to_vec()
}

fn swept() -> Vec<Run> {
    let mut runs = Vec::new();
    for (at, target) in ["0.6", "0.7", "0.8", "0.9"].into_iter().enumerate() {
        let tight = at as f64;
        let slo = run("slo", 0.9985 - 0.0025 * tight, 47.0 - 3.0 * tight, &[TTFT]);
        runs.push(tuned(slo, &[("objectives[0].target", target), ("window", "60s")]));
        let hpa = run("hpa", 0.993 - 0.004 * tight, 71.0 - 5.0 * tight, &[TTFT]);
        runs.push(tuned(hpa, &[("metrics[0].external.target.averageValue", target)]));
        let keda = run("keda", 0.98 - 0.01 * tight, 66.0 - 4.0 * tight, &[TTFT]);
        runs.push(tuned(keda, &[("triggers[0].metadata.threshold", target)]));
    }
    runs
}

#[test]
fn the_text_of_a_comparison() {
    insta::assert_snapshot!(text(&backtest(vec![TTFT], usual()), 132));
}

#[test]
fn the_text_continues_below_in_a_narrow_terminal() {
    insta::assert_snapshot!(text(&backtest(vec![TTFT], usual()), 72));
}

#[test]
fn the_text_shows_every_objective() {
    let objectives = vec![TTFT, TPOT];
    let mut runs = vec![
        run("slo", 0.9931, 41.2, &objectives),
        run("an-autoscaler-with-a-name-that-nobody-would-type", 0.9904, 69.9, &objectives),
        run("keda", 0.9612, 38.1, &objectives),
    ];
    runs[0].attainment[1] = Attained { share: 0.9402, met: false };
    insta::assert_snapshot!(text(&backtest(objectives, runs), 132));
}

#[test]
fn the_text_says_that_no_policy_meets_the_objective() {
    let runs = vec![run("keda", 0.9612, 48.1, &[TTFT]), run("knative", 0.989_96, 55.0, &[TTFT])];
    insta::assert_snapshot!(text(&backtest(vec![TTFT], runs), 132));
}

#[test]
fn the_text_of_several_comparisons_and_of_none() {
    let mut many = backtest(vec![TTFT], vec![run("slo", 0.9931, 41.2, &[TTFT])]);
    let mut idle = run("slo", 0.0, 2.0, &[TTFT]);
    idle.latency = Latency::default();
    idle.requests = RequestCounts { arrived: ARRIVED, rejected: ARRIVED, ..Default::default() };
    many.comparisons.push(backtest(vec![TTFT], vec![idle]).comparisons.remove(0));
    many.comparisons.push(backtest(vec![TTFT], Vec::new()).comparisons.remove(0));
    insta::assert_snapshot!(text(&many, 132));
    many.comparisons.clear();
    assert_eq!(text(&many, 132), "nothing was compared\n");
}

#[test]
fn the_text_of_a_sweep_is_its_front_and_the_best_of_each_policy() {
    insta::assert_snapshot!(text(&backtest(vec![TTFT], swept()), 132));
}

#[test]
fn the_picture_of_a_comparison() {
    let backtest = backtest(vec![TTFT], usual());
    insta::assert_snapshot!(svg(&backtest.comparisons[0], &backtest.settings));
}

#[test]
fn the_picture_of_a_sweep_names_each_policy_once_in_the_plane() {
    let backtest = backtest(vec![TTFT], swept());
    let picture = svg(&backtest.comparisons[0], &backtest.settings);
    for policy in ["slo", "hpa", "keda"] {
        let end = format!(">{policy}</text>");
        // The names above the timelines are larger.
        let labels = picture
            .lines()
            .filter(|line| line.ends_with(&end) && line.contains("font-size=\"12\""));
        assert_eq!(labels.count(), 1, "{policy}");
    }
}

#[test]
fn the_picture_says_names_as_they_are() {
    let mut backtest = backtest(vec![TTFT], vec![run("<b>&\"slo\"", 0.9931, 41.2, &[TTFT])]);
    backtest.comparisons[0].workload.name = String::from("a<script>");
    let picture = svg(&backtest.comparisons[0], &backtest.settings);
    assert!(
        picture.contains("&lt;b&gt;&amp;&quot;slo&quot;") && picture.contains("a&lt;script&gt;")
    );
    assert!(!picture.contains("<b>") && !picture.contains("<script"));
}

/// A run and what dominates it, by the definition.
fn dominated(run: &Run, by: &Run) -> bool {
    let (share, other) = (run.attainment[0].share, by.attainment[0].share);
    other >= share && by.cost <= run.cost && (other > share || by.cost < run.cost)
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    // Few values, so that many are equal.
    let one = (0..8_u8, 0..8_u8, any::<bool>(), 0..3_u8);
    proptest::collection::vec(one, 0..30).prop_map(|rows| {
        let run = |(share, cost, met, spent): (u8, u8, bool, u8)| {
            let share = 0.95 + f64::from(share) / 100.0;
            let mut run = run(&format!("p{spent}"), share.min(1.0), f64::from(cost), &[TTFT]);
            run.attainment.push(Attained { share: 1.0, met });
            run.replica_seconds.idle = f64::from(spent);
            run
        };
        rows.into_iter().map(run).collect()
    })
}

proptest! {
    #[test]
    fn the_front_is_what_nothing_dominates(mut runs in runs()) {
        mark_front(&mut runs);
        for run in &runs {
            prop_assert_eq!(run.on_front, !runs.iter().any(|other| dominated(run, other)));
        }
    }

    #[test]
    fn the_best_is_no_dearer_than_any_that_meets(runs in runs(), share in 0.94..1.01_f64) {
        let meets = |run: &&Run| run.attainment[0].share >= share && run.attainment[1].met;
        let key = |run: &Run| {
            (run.cost, run.replica_seconds.spent(), -run.attainment[0].share, run.policy.clone())
        };
        match best(&runs, share) {
            Some(at) => {
                prop_assert!(meets(&&runs[at]));
                prop_assert!(runs.iter().filter(meets).all(|run| key(&runs[at]) <= key(run)));
            }
            None => prop_assert!(!runs.iter().any(|run| meets(&run))),
        }
    }

    #[test]
    fn what_is_written_fits_and_is_the_same_again(runs in runs(), width in 60..200_usize) {
        let backtest = backtest(vec![TTFT, TPOT], runs);
        let lines = text(&backtest, width);
        prop_assert!(lines.lines().all(|line| line.chars().count() <= width), "{}", lines);
        prop_assert_eq!(&lines, &text(&backtest, width));
        let runs = &backtest.comparisons[0].runs;
        let verdict = match best(runs, TTFT.share) {
            Some(at) => format!("`{}` meets", runs[at].policy),
            None if runs.is_empty() => String::from("no policy ran"),
            None => String::from("no policy meets"),
        };
        prop_assert!(lines.contains(&verdict), "{}", lines);
        let picture = svg(&backtest.comparisons[0], &backtest.settings);
        prop_assert!(!picture.contains("NaN") && !picture.contains("inf"));
        prop_assert_eq!(&picture, &svg(&backtest.comparisons[0], &backtest.settings));
    }
}
