//! The clairvoyant bound against the optimum of small cases, and its laws.

use proptest::prelude::*;
use trimtab_sim::{BoundBuilder, Moment, Overlap, Request, Work};

use crate::support::a100;

const SLOT: f64 = 10.0;

/// Seconds of work from the beginning of a slot to the end of one.
#[derive(Copy, Clone, Debug)]
struct Job {
    first: usize,
    last: usize,
    seconds: f64,
}

fn jobs(slots: usize, most: usize, halves: u32) -> impl Strategy<Value = Vec<Job>> {
    let job = (0..slots, 0..slots, 1..=halves).prop_map(move |(a, b, halves)| Job {
        first: a.min(b),
        last: a.max(b),
        seconds: f64::from(halves) * SLOT / 4.0,
    });
    prop::collection::vec(job, 0..=most)
}

fn builder(bin_seconds: f64) -> BoundBuilder {
    let objective = "ttft<=2s".parse().unwrap();
    BoundBuilder::new(&a100(), &[objective], Overlap::None, bin_seconds)
}

fn seconds(slot: usize) -> f64 {
    f64::from(u32::try_from(slot).unwrap()) * SLOT
}

fn builder_of(jobs: &[Job], bin_seconds: f64) -> BoundBuilder {
    let mut builder = builder(bin_seconds);
    for job in jobs {
        let released = Moment::from_seconds(seconds(job.first));
        let due = Moment::from_seconds(seconds(job.last + 1));
        builder.add_work(released, due, &Work::alone(job.seconds));
    }
    builder
}

fn bound(jobs: &[Job], bin_seconds: f64, start: f64, initial: u32) -> f64 {
    builder_of(jobs, bin_seconds).finish(start, initial).replica_seconds
}

/// All schedules of whole replicas by slot, by depth-first search.
struct Search<'a> {
    jobs: &'a [Job],
    slots: usize,
    most: u32,
    start: f64,
    best: f64,
    replicas: Vec<u32>,
}

impl Search<'_> {
    fn least(jobs: &[Job], slots: usize, most: u32, start: f64, initial: u32) -> f64 {
        let mut search =
            Search { jobs, slots, most, start, best: f64::INFINITY, replicas: Vec::new() };
        search.go(0.0, initial);
        search.best
    }

    fn go(&mut self, cost: f64, before: u32) {
        if cost >= self.best || !self.serves_up_to_here() {
            return;
        }
        if self.replicas.len() == self.slots {
            self.best = cost;
            return;
        }
        for replicas in 0..=self.most {
            self.replicas.push(replicas);
            let starts = f64::from(replicas.saturating_sub(before)) * self.start;
            self.go(cost + f64::from(replicas) * SLOT + starts, replicas);
            self.replicas.pop();
        }
    }

    /// Work of divisible jobs fits exactly if in every interval the work inside does.
    fn serves_up_to_here(&self) -> bool {
        let Some(last) = self.replicas.len().checked_sub(1) else { return true };
        let mut capacity = 0.0;
        (0..=last).rev().all(|first| {
            capacity += f64::from(self.replicas[first]) * SLOT;
            let inside = self.jobs.iter().filter(|job| first <= job.first && job.last == last);
            let earlier = self.jobs.iter().filter(|job| first <= job.first && job.last < last);
            let work: f64 = inside.chain(earlier).map(|job| job.seconds).sum();
            work <= capacity + 1e-9
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The bound never exceeds what the best schedule costs, at any length of bins; the shortest
    /// are too many to be kept.
    #[test]
    fn never_above_the_optimum(
        jobs in jobs(7, 6, 8),
        start in 0_u32..8,
        initial in 0_u32..3,
        bin in prop::sample::select(vec![0.0007, 2.5, 5.0, 7.0, 10.0, 13.0, 20.0]),
    ) {
        let start = f64::from(start) * 7.0;
        let least = Search::least(&jobs, 7, 3, start, initial);
        let bound = bound(&jobs, bin, start, initial);
        prop_assert!(bound <= least + 1e-6, "bound {bound}, optimum {least}");
    }

    /// It is at least all the work, and at least the start of the first replica.
    #[test]
    fn at_least_the_work(jobs in jobs(20, 8, 30), start in 0_u32..100) {
        let bound = bound(&jobs, 10.0, start.into(), 0);
        let work: f64 = jobs.iter().map(|job| job.seconds).sum();
        let started = if jobs.is_empty() { 0.0 } else { f64::from(start) };
        prop_assert!(bound >= work - 1e-6, "{bound} {work}");
        prop_assert!(bound >= started - 1e-6);
    }

    /// More work, a longer start or fewer replicas to begin with never lower it, where no work
    /// crosses a boundary of bins. Where some does, the search for prices may miss the best by a
    /// little, and this is no law; that what it finds is a bound is.
    #[test]
    fn monotone(
        mut jobs in jobs(20, 8, 30),
        more in jobs(20, 3, 30),
        start in 0_u32..100,
        longer in 0_u32..50,
        initial in 0_u32..4,
    ) {
        let cut = |job: Job| Job { last: job.first, ..job };
        jobs = jobs.into_iter().map(cut).collect();
        let least = bound(&jobs, 10.0, start.into(), initial) - 1e-6;
        let longer = bound(&jobs, 10.0, (start + longer).into(), initial);
        prop_assert!(least <= longer, "longer start: {least} {longer}");
        let fewer = bound(&jobs, 10.0, start.into(), initial.saturating_sub(1));
        prop_assert!(least <= fewer, "fewer: {least} {fewer}");
        jobs.extend(more.into_iter().map(cut));
        let more = bound(&jobs, 10.0, start.into(), initial);
        prop_assert!(least <= more, "more: {least} {more}");
    }

    /// Order does not matter beyond the rounding of sums.
    #[test]
    fn in_any_order(mut jobs in jobs(20, 8, 30), start in 0_u32..100) {
        let forth = bound(&jobs, 10.0, start.into(), 1);
        jobs.reverse();
        let back = bound(&jobs, 10.0, start.into(), 1);
        prop_assert!((forth - back).abs() < 1e-6);
    }

    /// The same again, long after, costs the same again.
    #[test]
    fn far_apart_adds(jobs in jobs(16, 6, 30), start in 0_u32..100) {
        let cut = |job: &Job| Job { last: job.first, ..*job };
        let jobs: Vec<Job> = jobs.iter().map(cut).collect();
        let once = bound(&jobs, 10.0, start.into(), 0);
        let again = jobs.iter().map(|job| Job { first: job.first + 64, last: job.last + 64, ..*job });
        let twice: Vec<Job> = jobs.iter().copied().chain(again).collect();
        let twice = bound(&twice, 10.0, start.into(), 0);
        prop_assert!((twice - 2.0 * once).abs() < 1e-6, "{twice} {once}");
    }

    /// `need` spreads exactly the work that arrived.
    #[test]
    fn need_keeps_the_work(jobs in jobs(20, 8, 30), step in 1_u32..40) {
        let step = f64::from(step);
        let work: f64 = jobs.iter().map(|job| job.seconds).sum();
        let need: f64 = builder_of(&jobs, 10.0).need(step).iter().map(|need| need * step).sum();
        prop_assert!((need - work).abs() < 1e-6, "{need} {work}");
    }
}

/// How much is lost on the whole, where jobs are due in any later slot.
#[test]
fn close_to_the_optimum() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut bounds, mut optima) = (0.0, 0.0);
    for _ in 0..300 {
        let jobs =
            proptest::strategy::ValueTree::current(&jobs(7, 6, 8).new_tree(&mut runner).unwrap());
        let least = Search::least(&jobs, 7, 3, 25.0, 0);
        if least.is_finite() {
            optima += least;
            bounds += bound(&jobs, 10.0, 25.0, 0);
        }
    }
    assert!(bounds >= 0.75 * optima, "{}", bounds / optima);
}

/// Work that must be done in its slot, in whole replicas for whole slots, leaves nothing to choose
/// but gaps.
#[test]
fn exact_for_full_slots() {
    let full = |slot, replicas: f64| Job { first: slot, last: slot, seconds: replicas * SLOT };
    for start in [0.0, 15.0, 35.0, 55.0, 75.0] {
        for initial in 0..3 {
            let jobs = [full(0, 2.0), full(2, 1.0), full(5, 3.0), full(6, 1.0)];
            let optimum = Search::least(&jobs, 7, 3, start, initial);
            assert!((bound(&jobs, SLOT, start, initial) - optimum).abs() < 1e-6);
        }
    }
}

/// A request every minute needs a replica all the time, however little work that is, unless
/// starting is quick.
#[test]
fn one_replica_for_sparse_requests() {
    let mut builder = builder(10.0);
    for minute in 0..60 {
        let arrival = Moment::from_seconds(f64::from(minute) * 60.0 + 1.0);
        builder.add(&Request { arrival, input_tokens: 100, output_tokens: 2 });
    }
    let kept = builder.finish(120.0, 0);
    assert_eq!((kept.replica_seconds, kept.levels), (120.0 + 3540.0 - 10.0, 1));
    let restarted = builder.finish(20.0, 0);
    assert_eq!(restarted.replica_seconds, 60.0 * 20.0);
}

/// A steady load is bounded by little less than the replicas that it fills.
#[test]
fn steady_load() {
    let mut builder = builder(10.0);
    let request = |arrival| Request { arrival, input_tokens: 1000, output_tokens: 200 };
    for i in 0..20_000 {
        builder.add(&request(Moment::from_seconds(f64::from(i) * 0.1)));
    }
    let need = builder.need(100.0);
    let bound = builder.finish(120.0, 0);
    let work: f64 = need.iter().map(|need| need * 100.0).sum();
    assert!(bound.replica_seconds >= work + need[3] * 120.0 * 0.95, "{bound:?} {work}");
    assert!(bound.replica_seconds <= need[3].ceil() * (2100.0 + 120.0));
}

/// What was served late does not count as due before it was done.
#[test]
fn a_stalled_answer_is_due_when_it_ended() {
    let request = Request { arrival: Moment::START, input_tokens: 10, output_tokens: 2000 };
    let many = |finished: f64| {
        let mut builder = builder(10.0);
        for _ in 0..10_000 {
            builder.add_served(&request, Moment::from_seconds(finished));
        }
        builder.finish(60.0, 0).replica_seconds
    };
    assert!(many(0.0) > many(20_000.0));
    let mut all_in_time = builder(10.0);
    (0..10_000).for_each(|_| all_in_time.add(&request));
    assert_eq!(many(0.0), all_in_time.finish(60.0, 0).replica_seconds);
}

#[test]
fn nothing_costs_nothing() {
    assert_eq!(builder(10.0).finish(120.0, 0).replica_seconds, 0.0);
    assert_eq!(builder(10.0).finish(120.0, 5).replica_seconds, 0.0);
    assert!(builder(10.0).need(60.0).is_empty());
}

/// Without a deadline, work costs its time and one start.
#[test]
fn without_a_deadline() {
    let mut builder = builder(10.0);
    builder.add_work(Moment::START, Moment::NEVER, &Work::alone(1000.0));
    let bound = builder.finish(60.0, 0).replica_seconds;
    assert!((1000.0..=1060.0).contains(&bound), "{bound}");
}
