//! What the loop does when all goes well.

#[cfg(test)]
mod ports;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use ports::{Bench, Pool, Queue, Shelf, TokioClock, id, pass, policy_of};
use trimtab_engine::{LogEntry, PodMetrics, PodRecord, Policy, WarmCounts};
use trimtab_runtime::{
    Ask, JsonlSink, MetricSource, Mode, Observed, Provides, Rotation, ScaleTarget, SourceError,
    TargetError, TargetStatus, Workload,
};

#[tokio::test(start_paused = true)]
async fn it_follows_the_load() {
    let bench = Bench::new(2, 8);
    pass(30).await;
    bench.queue.set(60);
    pass(16).await;
    assert_eq!(bench.pool.count(), 6, "twice as many within 15 s at most, and 4 more");
    pass(60).await;
    assert_eq!(bench.pool.count(), 8);
    bench.queue.set(8);
    pass(590).await;
    assert_eq!(bench.pool.count(), 8, "the window of ten minutes has not passed");
    pass(40).await;
    assert!(bench.pool.count() < 8);
}

#[tokio::test(start_paused = true)]
async fn ticks_are_even_whatever_they_take() {
    let bench = Bench::new(1, 8);
    bench.queue.delay(Duration::from_secs(4));
    pass(150).await;
    let times: Vec<i64> =
        bench.ticks.all().iter().map(|tick| tick.record.observation.time.as_millis()).collect();
    assert!(times.len() >= 9);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 15_000), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn in_shadow_nothing_is_written_and_everything_is_told() {
    let bench = Bench::new(2, 80);
    bench.controller.set(bench.workload(ports::policy()).with_mode(Mode::Shadow));
    pass(40).await;
    assert_eq!(bench.pool.count(), 2);
    let last = bench.ticks.last();
    assert!(last.record.decision.scale_to.is_some());
    assert_eq!((last.record.update, last.mode), (None, Mode::Shadow));
}

#[tokio::test(start_paused = true)]
async fn who_else_scales_it_is_told_in_shadow_too_and_the_pool_is_the_targets() {
    let bench = Bench::new(2, 80);
    let rival = String::from("the HorizontalPodAutoscaler `web`");
    let warm = WarmCounts { ready: 2, starting: 1 };
    *bench.pool.says.lock().unwrap() = TargetStatus {
        warm: Some(warm),
        contested: Some(rival.clone()),
        ..TargetStatus::default()
    };
    bench.controller.set(bench.workload(ports::policy()).with_mode(Mode::Shadow));
    pass(20).await;
    let last = bench.ticks.last();
    assert!(last.record.decision.scale_to.is_some());
    assert_eq!(last.target_error, Some(TargetError::Contested(rival)));
    assert_eq!(last.record.observation.warm, Some(warm));
    bench.pool.says.lock().unwrap().contested = None;
    pass(15).await;
    assert_eq!(bench.ticks.last().target_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_target_is_tended_once_a_tick_and_never_in_shadow() {
    let bench = Bench::new(2, 80);
    let tended = || bench.pool.tended.load(Ordering::Relaxed);
    pass(40).await;
    assert_eq!(tended(), bench.ticks.all().len());
    // What it tells is reported and undoes nothing; what was not written counts for more.
    let trouble = TargetError::Replicas(String::from("pod `a` does not wake up"));
    *bench.pool.trouble.lock().unwrap() = Some(trouble.clone());
    pass(15).await;
    assert_eq!(bench.ticks.last().target_error, Some(trouble));
    bench.pool.fail(TargetError::Denied(String::from("no")), 1);
    bench.queue.set(1000);
    pass(15).await;
    assert_eq!(bench.ticks.last().target_error, Some(TargetError::Denied(String::from("no"))));
    let before = tended();
    bench.controller.set(bench.workload(ports::policy()).with_mode(Mode::Shadow));
    pass(60).await;
    assert_eq!(tended(), before);
    assert_eq!(bench.ticks.last().target_error, None);
}

/// A source that sees every pod that there is.
struct Everybody;

#[async_trait]
impl MetricSource for Everybody {
    fn name(&self) -> &str {
        "everybody"
    }

    fn provides(&self, _policy: &Policy) -> Provides {
        Provides::default()
    }

    async fn observe(&self, _ask: Ask<'_>) -> Result<Observed, SourceError> {
        let names = ["a", "b"].map(String::from);
        let pod = |name: &String| PodRecord { name: name.clone(), ..PodRecord::default() };
        let metrics = |name: &String| PodMetrics {
            pod: name.clone(),
            timestamp: None,
            window_seconds: None,
            containers: Vec::new(),
        };
        Ok(Observed {
            pods: Some(names.iter().map(pod).collect()),
            pod_metrics: Some(names.iter().map(metrics).collect()),
            ..Observed::default()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_target_keeps_apart_nobody_sees() {
    let bench = Bench::new(1, 8);
    *bench.pool.says.lock().unwrap() =
        TargetStatus { apart: vec![String::from("b")], ..TargetStatus::default() };
    let everybody = Arc::new(Everybody) as Arc<dyn MetricSource>;
    bench.controller.set(bench.workload(ports::policy()).with_source(everybody));
    pass(20).await;
    let seen = bench.ticks.last().record.observation.clone();
    assert_eq!(seen.pods.iter().map(|pod| &pod.name).collect::<Vec<_>>(), ["a"]);
    assert_eq!(seen.pod_metrics.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_policy_has_the_history_of_the_old_one() {
    let bench = Bench::new(10, 80);
    pass(120).await;
    // The new policy wants 5 for the same load, and the window remembers that 10 were wanted.
    let half = serde_json::to_string(bench.ticks.last().policy.spec()).unwrap();
    let half = half.replace(r#""averageValue":"8""#, r#""averageValue":"16""#);
    let half = Policy::new(serde_json::from_str(&half).unwrap()).unwrap();
    bench.controller.set(bench.workload(half.clone()));
    pass(300).await;
    assert_eq!(bench.ticks.last().record.policy, half.digest());
    assert_eq!(bench.pool.count(), 10);
    pass(330).await;
    assert_eq!(bench.pool.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_new_period_counts_at_once() {
    let bench = Bench::new(1, 8);
    pass(60).await;
    bench.controller.set(bench.workload(policy_of(r#""hpa": {"syncPeriodSeconds": 5},"#)));
    let before = bench.ticks.all().len();
    pass(50).await;
    assert_eq!(bench.ticks.all().len() - before, 10);
}

#[tokio::test(start_paused = true)]
async fn a_tick_can_be_asked_for() {
    let bench = Bench::new(2, 8);
    pass(20).await;
    let before = bench.ticks.all().len();
    bench.queue.set(24);
    assert!(bench.controller.tick_now(&id("inference/llm")));
    assert!(!bench.controller.tick_now(&id("other")));
    pass(2).await;
    assert_eq!(bench.pool.count(), 3);
    // Asked for a thousand times, it is still a rhythm.
    for _ in 0..1000 {
        bench.controller.tick_now(&id("inference/llm"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let extra = bench.ticks.all().len() - before;
    assert!((6..=10).contains(&extra), "{extra}");
}

#[tokio::test(start_paused = true)]
async fn workloads_come_and_go() {
    let bench = Bench::new(1, 8);
    let other = Pool::of(1);
    let target = Arc::clone(&other) as Arc<dyn ScaleTarget>;
    bench
        .controller
        .set(Workload::new(id("other"), ports::policy(), target).with_source(Queue::of(40)));
    pass(30).await;
    assert_eq!(bench.controller.workloads().len(), 2);
    assert!(other.count() > 1);
    assert!(bench.controller.metrics_text().contains(r#"workload="other""#));

    assert!(bench.controller.remove(&id("other")).await);
    assert!(!bench.controller.remove(&id("other")).await);
    assert!(!bench.controller.metrics_text().contains(r#"workload="other""#));
    assert!(bench.controller.last(&id("other")).is_none());
    let before = bench.ticks.all().len();
    pass(30).await;
    assert_eq!(bench.ticks.all().len() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn to_end_is_to_finish_the_tick_that_is_under_way() {
    let bench = Bench::new(2, 80);
    bench.queue.delay(Duration::from_secs(5));
    while bench.queue.asked.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.controller.shutdown().await;
    assert_eq!(bench.ticks.all().len(), 1);
    assert_eq!(bench.pool.count(), 6);
    let stored = bench.shelf.stored.lock().unwrap().clone().unwrap();
    assert_eq!((stored.state.scale_ups.len(), stored.pending), (1, None));
    pass(60).await;
    assert_eq!(bench.ticks.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_state_is_saved_as_often_as_is_asked_for_and_whenever_the_scale_changes() {
    let settings = {
        let mut settings = trimtab_runtime::Settings::default();
        settings.save_interval = Duration::from_secs(60);
        settings
    };
    let shelf = Arc::new(Shelf::default());
    let bench = Bench::with(shelf, Pool::of(1), 8, TokioClock::new(), |builder| {
        builder.with_settings(settings)
    });
    pass(300).await;
    let saves = || bench.shelf.saves.load(std::sync::atomic::Ordering::Relaxed);
    assert!((4..=6).contains(&saves()), "{}", saves());
    let before = saves();
    bench.queue.set(16);
    pass(16).await;
    assert!(saves() >= before + 2, "the intent, and what became of it");
}

#[tokio::test]
async fn its_log_replays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("decisions.jsonl");
    let sink = JsonlSink::open(&path, Rotation { bytes: 6000, keep: 100 }).unwrap();
    let policy = policy_of(r#""behavior": {}, "hpa": {"syncPeriodSeconds": 1},"#);
    let shelf = Arc::new(Shelf::default());
    let bench = Bench::with(shelf, Pool::of(1), 8, TokioClock::new(), |builder| {
        builder.with_sink(Arc::new(sink))
    });
    bench.controller.set(bench.workload(policy));
    for length in [8, 30, 90, 4] {
        bench.queue.set(length);
        tokio::time::sleep(Duration::from_millis(1050)).await;
    }
    bench.controller.shutdown().await;
    let (mut decisions, mut files) = (0, 0);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        files += 1;
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut policies = Vec::new();
        for line in text.lines() {
            match serde_json::from_str(line).unwrap() {
                LogEntry::Policy(spec) => policies.push(Policy::from_stored(spec)),
                LogEntry::Decision(record) => {
                    let by = |policy: &&Policy| policy.digest() == record.policy;
                    let policy = policies.iter().find(by).expect("its policy stands before it");
                    assert_eq!(record.again(policy).unwrap(), record);
                    decisions += 1;
                }
            }
        }
    }
    assert!(files > 1, "it was renamed");
    assert_eq!(decisions, bench.ticks.all().len());
    assert!(decisions >= 4);
}
