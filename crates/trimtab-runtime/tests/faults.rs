//! What the loop does when something fails.

#[cfg(test)]
mod ports;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ports::{Bench, Pool, Queue, Shelf, TokioClock, id, pass, policy};
use trimtab_engine::{ConditionType, Outcome, ScaleUpdate, Unavailable};
use trimtab_metric::{Span, Timestamp};
use trimtab_runtime::{Clock, MetricSource, ScaleTarget, SourceError, TargetError, Workload};

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_for_ten_minutes_moves_nothing() {
    let bench = Bench::new(10, 80);
    pass(60).await;
    bench.queue.fail(SourceError::Unreachable(String::from("connection refused")));
    pass(600).await;
    assert_eq!(bench.pool.count(), 10);
    let last = bench.ticks.last();
    assert_eq!(last.record.decision.outcome, Outcome::MetricsUnknown);
    assert_eq!(last.record.observation.readings[0].unavailable, Some(Unavailable::Failed));
    assert_eq!(last.missing[0].error.cause(), "unreachable");
    let text = bench.controller.metrics_text();
    assert!(text.contains(r#"cause="unreachable""#), "{text}");

    // The window goes on from what it knew before: it has passed, and nothing has held since.
    bench.queue.set(80);
    pass(60).await;
    assert_eq!(bench.pool.count(), 10);
    bench.queue.set(8);
    pass(590).await;
    assert_eq!(bench.pool.count(), 10);
    pass(60).await;
    assert!(bench.pool.count() < 10);
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_is_given_up_and_delays_nobody_else() {
    let bench = Bench::new(2, 80);
    bench.queue.delay(Duration::from_secs(3600));
    let pool = Pool::of(2);
    let target = Arc::clone(&pool) as Arc<dyn ScaleTarget>;
    bench.controller.set(Workload::new(id("quick"), policy(), target).with_source(Queue::of(80)));
    pass(61).await;
    let ticks = bench.ticks.all();
    let count = |name: &str| ticks.iter().filter(|tick| tick.workload == id(name)).count();
    assert_eq!(count("quick"), 4);
    assert!(count("inference/llm") >= 3);
    assert_eq!((pool.count(), bench.pool.count()), (10, 2));
    let slow = ticks.iter().find(|tick| tick.workload == id("inference/llm")).unwrap();
    assert_eq!(slow.missing[0].error, SourceError::TimedOut(Span::from_secs(10)));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_a_reading_that_failed() {
    let bench = Bench::new(3, 2_000_000);
    pass(30).await;
    let last = bench.ticks.last();
    assert_eq!(last.missing[0].error.cause(), "panicked");
    assert_eq!(bench.pool.count(), 3);
    bench.queue.set(80);
    pass(90).await;
    assert_eq!(bench.pool.count(), 10);
}

#[tokio::test(start_paused = true)]
async fn another_source_stands_in_for_one_that_fails() {
    let bench = Bench::new(2, 0);
    bench.queue.fail(SourceError::Refused(String::from("no such metric")));
    let spare = Queue::of(40) as Arc<dyn MetricSource>;
    bench.controller.set(bench.workload(policy()).with_source(spare));
    pass(45).await;
    assert_eq!(bench.pool.count(), 5);
    assert_eq!(bench.ticks.last().missing.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_is_asked_again_and_rate_limits_do_not_count_it() {
    let bench = Bench::new(2, 24);
    bench.pool.fail(TargetError::Refused(String::from("quota")), 2);
    pass(31).await;
    let ticks = bench.ticks.all();
    assert_eq!(ticks[0].record.update, Some(ScaleUpdate::Rejected));
    assert!(
        !ticks[0].record.decision.conditions.iter().any(|c| c.type_ == ConditionType::Stabilized)
    );
    assert_eq!(bench.pool.count(), 2);
    pass(15).await;
    assert_eq!(bench.pool.count(), 3);
    let stored = bench.shelf.stored.lock().unwrap().clone().unwrap();
    assert_eq!(stored.state.scale_ups.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_moment_without_connection_is_bridged_within_the_tick() {
    let bench = Bench::new(2, 24);
    bench.pool.fail(TargetError::Unreachable(String::from("reset")), 3);
    pass(16).await;
    assert_eq!(bench.pool.count(), 3);
    assert_eq!(bench.ticks.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_busy_target_says_is_told_when_time_is_up() {
    let bench = Bench::new(2, 24);
    let busy = TargetError::Unreachable(String::from("too many requests"));
    bench.pool.fail(busy.clone(), 1000);
    pass(60).await;
    assert_eq!(bench.ticks.last().target_error, Some(busy));
    assert_eq!(bench.ticks.last().record.update, Some(ScaleUpdate::Rejected));
}

#[tokio::test(start_paused = true)]
async fn after_a_conflict_it_writes_only_what_was_decided_on() {
    // Somebody touches the target, and the count is as it was.
    let bench = Bench::new(2, 24);
    *bench.pool.intruder.lock().unwrap() = Some(2);
    pass(16).await;
    assert_eq!(bench.ticks.last().record.update, Some(ScaleUpdate::Applied));
    assert_eq!(bench.pool.count(), 3);

    // Somebody sets another count: it stands, and is decided about at the next tick.
    bench.queue.set(40);
    *bench.pool.intruder.lock().unwrap() = Some(7);
    pass(15).await;
    assert_eq!(bench.pool.count(), 7);
    let last = bench.ticks.last();
    assert_eq!(last.record.update, Some(ScaleUpdate::Rejected));
    assert_eq!(last.target_error, Some(TargetError::Conflict));
    pass(15).await;
    assert_eq!(bench.ticks.last().record.decision.current_replicas, 7);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_can_t_be_read_is_left_alone() {
    let bench = Bench::new(4, 80);
    *bench.pool.unreadable.lock().unwrap() = Some(TargetError::Denied(String::from("403")));
    pass(60).await;
    let last = bench.ticks.last();
    assert_eq!(last.record.decision.outcome, Outcome::ScaleUnavailable);
    assert_eq!(last.target_error.as_ref().map(TargetError::cause), Some("denied"));
    assert_eq!(bench.pool.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_and_decisions_go_on() {
    let bench = Bench::new(2, 24);
    *bench.shelf.is_full.lock().unwrap() = true;
    pass(31).await;
    assert_eq!(bench.pool.count(), 3);
    assert!(bench.ticks.last().store_error.is_some());
    assert!(bench.controller.metrics_text().contains("trimtab_store_errors_total"));
    *bench.shelf.is_full.lock().unwrap() = false;
    pass(15).await;
    assert!(bench.ticks.last().store_error.is_none());
    let stored = bench.shelf.stored.lock().unwrap().clone().unwrap();
    assert_eq!(stored.state.scale_ups.len(), 1, "the change of then is remembered");
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_windows() {
    let (shelf, pool) = (Arc::new(Shelf::default()), Pool::of(10));
    let clock = TokioClock::new();
    let bench = |queue| {
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Bench::with(Arc::clone(&shelf), Arc::clone(&pool), queue, clock, |builder| builder)
    };
    let first = bench(80);
    pass(300).await;
    first.queue.set(8);
    pass(300).await;
    first.controller.shutdown().await;
    pass(60).await;

    let second = bench(8);
    pass(200).await;
    assert_eq!(pool.count(), 10, "five and a half minutes and more are left of the window");
    pass(60).await;
    assert!(pool.count() < 10, "a fresh window would hold for ten minutes");
    second.controller.shutdown().await;
}

/// What became of a change that was under way when the process ended.
#[cfg(test)]
async fn killed_in_the_middle(was_written: bool) -> usize {
    let (shelf, pool) = (Arc::new(Shelf::default()), Pool::of(2));
    let clock = TokioClock::new();
    let first = {
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Bench::with(Arc::clone(&shelf), Arc::clone(&pool), 24, clock, |builder| builder)
    };
    // The write takes for ever; what was saved before it is the intent.
    pool.fail(TargetError::Unreachable(String::from("reset")), usize::from(u8::MAX));
    while shelf.saves.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let intent = shelf.stored.lock().unwrap().clone().unwrap();
    assert!(intent.pending.is_some());
    first.controller.shutdown().await;
    pool.failures.lock().unwrap().clear();
    *shelf.stored.lock().unwrap() = Some(intent);
    if was_written {
        pool.replicas.store(3, Ordering::Relaxed);
    }
    let second = {
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Bench::with(Arc::clone(&shelf), pool, 24, clock, |builder| builder)
    };
    pass(16).await;
    assert_eq!(second.pool.count(), 3);
    second.controller.shutdown().await;
    let stored = shelf.stored.lock().unwrap().clone().unwrap();
    assert_eq!(stored.pending, None);
    stored.state.scale_ups.len()
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_under_way_is_counted_once() {
    assert_eq!(killed_in_the_middle(true).await, 1, "it had been written");
    assert_eq!(killed_in_the_middle(false).await, 1, "it was written by the second process");
}

#[tokio::test(start_paused = true)]
async fn time_that_goes_back_is_not_believed() {
    struct Jumping(Arc<TokioClock>);
    impl Clock for Jumping {
        fn now(&self) -> Timestamp {
            let now = self.0.now();
            let noon: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
            let back =
                now.since(noon) >= Span::from_secs(300) && now.since(noon) < Span::from_secs(360);
            if back { now.saturating_sub(Span::from_secs(3600)) } else { now }
        }
    }
    let shelf = Arc::new(Shelf::default());
    let clock = Arc::new(Jumping(TokioClock::new()));
    let bench = Bench::with(shelf, Pool::of(10), 8, clock, |builder| builder);
    pass(500).await;
    let times: Vec<Timestamp> =
        bench.ticks.all().iter().map(|tick| tick.record.observation.time).collect();
    assert!(times.is_sorted());
    assert_eq!(bench.pool.count(), 10, "the window of ten minutes is not cut short");
    pass(150).await;
    assert!(bench.pool.count() < 10);
}
