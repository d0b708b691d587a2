//! `slo` through the whole decision: roles, what is unknown, growth, starts; and its laws.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail by panic")]

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    Decision, InvalidPolicy, ObservationRecord, Outcome, Policy, PolicySpec, ScaleUpdate, State,
    decide_traced, settle,
};
use trimtab_metric::{Span, Timestamp};

/// 2026-11-24T10:00:00Z
const START: Timestamp = Timestamp::from_secs(1_795_514_400);

fn merged(mut into: Value, more: Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    into.as_object_mut().expect("an object").extend(more);
    into
}

/// A load of 10 for each replica, a queue that triggers at 4 for each, a latency with an objective of
/// 2, and a cache that is full at 0.9 and over at 0.97.
fn spec(slo: Value, more: Value) -> Value {
    let whole = |name: &str, target: Value| json!({"type": "External", "external": {"metric": {"name": name}, "target": target}});
    let per_pod = |name: &str, average: &str| {
        json!({"type": "Pods", "pods": {"metric": {"name": name},
            "target": {"type": "AverageValue", "averageValue": average}}})
    };
    let slo = merged(
        json!({
            "leadTimeSeconds": 120,
            "headroom": 0,
            "latency": {"maxBoostPercent": 50},
            "signals": [
                {"metric": "queue", "role": "trigger", "release": "1"},
                {"metric": "ttft", "role": "latency"},
                {"metric": "cache", "role": "guard", "hardLimit": "0.97"},
            ],
        }),
        slo,
    );
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 40,
        "strategy": "slo",
        "metrics": [
            per_pod("load", "10"),
            whole("queue", json!({"type": "AverageValue", "averageValue": "4"})),
            whole("ttft", json!({"type": "Value", "value": "2"})),
            per_pod("cache", "0.9"),
        ],
        "slo": slo,
    });
    merged(spec, more)
}

fn checked(spec: Value) -> Result<Policy, InvalidPolicy> {
    Policy::new(serde_json::from_value::<PolicySpec>(spec).expect("a policy"))
}

/// What is seen at one time. A value that is `None` could not be read.
#[derive(Clone, Debug)]
struct Seen {
    /// Of each ready replica; `None` is a silent one.
    load: Vec<Option<f64>>,
    queue: Option<f64>,
    ttft: Option<f64>,
    cache: Option<f64>,
    /// Replicas on their way, by the seconds since their start; without, they have no node yet.
    starting: Vec<Option<i64>>,
}

impl Seen {
    /// So many ready replicas with this load each, and calm otherwise.
    fn calm(replicas: usize, load: f64) -> Self {
        Self {
            load: vec![Some(load); replicas],
            queue: Some(0.0),
            ttft: Some(0.4),
            cache: Some(0.5),
            starting: Vec::new(),
        }
    }

    /// The way up is open.
    fn busy(replicas: usize, load: f64) -> Self {
        Self { queue: Some(1000.0), ..Self::calm(replicas, load) }
    }

    fn record(&self, now: Timestamp) -> ObservationRecord {
        let ready = self.load.len();
        let name = |pod: usize| format!("llm-{pod}");
        let mut pods: Vec<Value> =
            (0..ready).map(|pod| json!({"name": name(pod), "ready": true})).collect();
        for (pod, age) in self.starting.iter().enumerate() {
            let start = age.map(|age| now.saturating_sub(Span::from_secs(age)));
            pods.push(json!({"name": name(ready + pod), "ready": false, "startTime": start,
                "phase": if age.is_some() { "Running" } else { "Pending" }}));
        }
        let whole = |metric: &str, value: Option<f64>| match value {
            Some(value) => json!({"metric": metric, "value": value}),
            None => json!({"metric": metric, "unavailable": "failed"}),
        };
        let each = |metric: &str, values: Vec<Option<f64>>| {
            let values: serde_json::Map<String, Value> = values
                .into_iter()
                .enumerate()
                .filter_map(|(pod, value)| Some((name(pod), json!(value?))))
                .collect();
            json!({"metric": metric, "pods": values})
        };
        let cache = match self.cache {
            Some(cache) => each("cache", vec![Some(cache); ready]),
            None => whole("cache", None),
        };
        serde_json::from_value(json!({
            "time": now,
            "replicas": ready + self.starting.len(),
            "pods": pods,
            "readings": [each("load", self.load.clone()), whole("queue", self.queue),
                whole("ttft", self.ttft), cache],
        }))
        .expect("it reads")
    }
}

/// A workload over time; what is decided is not carried out, the next observation says what is.
struct Run {
    policy: Policy,
    state: State,
    now: Timestamp,
}

impl Run {
    fn new(spec: Value) -> Self {
        let policy = checked(spec).unwrap_or_else(|invalid| panic!("{invalid}"));
        Self { state: State::for_policy(&policy), policy, now: START }
    }

    fn after(&mut self, seconds: i64, seen: &Seen) -> Decision {
        self.now = self.now.saturating_add(Span::from_secs(seconds));
        let observation = seen.record(self.now).resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        let text = serde_json::to_string(&state).expect("it serializes");
        let state: State = serde_json::from_str(&text).expect("it reads");
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        decision
    }
}

/// One decision of a fresh workload, without a window in the way.
fn once(seen: &Seen) -> Decision {
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    Run::new(spec(json!({}), json!({"behavior": behavior}))).after(0, seen)
}

#[test]
fn the_queue_decides_whether_and_the_load_how_much() {
    assert_snapshot!("triggered", once(&Seen::busy(4, 16.0)).explain());
    assert_snapshot!("not_triggered", once(&Seen::calm(4, 16.0)).explain());
    assert_snapshot!("released", once(&Seen::calm(8, 3.0)).explain());
    let between = Seen { queue: Some(16.0), ..Seen::calm(8, 3.0) };
    assert_snapshot!("not_released", once(&between).explain());
}

/// Fewer replicas would share the queue at its activation again.
#[test]
fn a_way_down_that_would_turn_around_is_shorter() {
    let queue = Seen { queue: Some(7.0), ..Seen::calm(8, 1.0) };
    assert_eq!(once(&queue).scale_to, Some(2)); // 7 / 2 < 4, and 7 / 1 is not
    assert_eq!(once(&Seen::calm(8, 1.0)).scale_to, Some(1));
}

#[test]
fn a_latency_over_its_objective_asks_for_more_than_the_load() {
    let slow = Seen { ttft: Some(3.0), ..Seen::busy(4, 10.0) };
    assert_snapshot!("slow", once(&slow).explain());
    assert_eq!(once(&slow).scale_to, Some(5)); // 4 × sqrt(1.5)
    // Not without the queue, and not for a service with half as many again as its load needs.
    assert_eq!(once(&Seen { queue: Some(0.0), ..slow.clone() }).scale_to, None);
    let idle = Seen { ttft: Some(100.0), ..Seen::busy(10, 1.0) };
    assert_eq!(once(&idle).scale_to, None);
    let near = Seen { ttft: Some(1.7), ..Seen::calm(4, 1.0) };
    assert_snapshot!("near_its_objective", once(&near).explain());
}

/// The window of the latency still holds the time before.
#[test]
fn a_latency_waits_for_new_replicas_to_show() {
    let mut run = Run::new(spec(json!({}), json!({})));
    let slow = |replicas| Seen { ttft: Some(8.0), ..Seen::busy(replicas, 10.0) };
    assert_eq!(run.after(0, &slow(4)).scale_to, Some(6));
    assert_eq!(run.after(15, &slow(4)).scale_to, Some(6));
    assert_eq!(run.after(15, &slow(6)).scale_to, None);
    assert_eq!(run.after(60, &slow(6)).scale_to, Some(9));
}

#[test]
fn guards_only_raise() {
    let full = Seen { cache: Some(0.92), ..Seen::calm(4, 1.0) };
    assert_snapshot!("over_the_limit", once(&full).explain());
    let over = Seen { cache: Some(0.98), ..Seen::calm(4, 1.0) };
    assert_snapshot!("over_the_hard_limit", once(&over).explain());
    let on_its_way = Seen { starting: vec![Some(9)], ..over };
    assert_eq!(once(&on_its_way).scale_to, None, "one is on its way");
}

#[test]
fn what_is_unknown_lets_nothing_go() {
    let unknown = [
        Seen { load: vec![None; 8], ..Seen::calm(8, 0.0) },
        Seen { queue: None, ..Seen::calm(8, 1.0) },
        Seen { ttft: None, ..Seen::calm(8, 1.0) },
        Seen { cache: None, ..Seen::calm(8, 1.0) },
    ];
    for seen in unknown {
        let decision = once(&seen);
        assert_eq!((decision.scale_to, decision.outcome), (None, Outcome::PartiallyDecided));
    }
    let nothing =
        Seen { load: vec![None; 8], queue: None, ttft: None, cache: None, ..Seen::calm(0, 0.0) };
    assert_snapshot!("nothing_is_known", once(&nothing).explain());
}

/// Silent replicas count as nothing on the way up, and as at their target on the way down.
#[test]
fn silent_replicas_neither_pin_nor_collapse_the_fleet() {
    let mut load = vec![Some(12.0); 8];
    load.extend([None; 2]);
    let seen = Seen { load, ..Seen::busy(0, 0.0) };
    assert_snapshot!("silent", once(&seen).explain());
    assert_eq!(once(&seen).scale_to, None); // 96 to 116 over 10
    // Half of them silent is too little to go by.
    let mut load = vec![Some(30.0); 4];
    load.extend([None; 5]);
    assert_snapshot!("too_few", once(&Seen { load, ..Seen::busy(0, 0.0) }).explain());
}

/// One replica out of its mind does not speak for the fleet.
#[test]
fn one_bad_replica_does_not_pin_the_fleet() {
    let mut load = vec![Some(9.0); 9];
    load.push(Some(1e9));
    assert_eq!(once(&Seen { load, ..Seen::busy(0, 0.0) }).scale_to, Some(13)); // 9 × 9 + 40
}

/// What the load grew by within a lead time is kept ready.
#[test]
fn growth_of_before_is_kept_ready() {
    let mut run = Run::new(spec(
        json!({"surgeQuantile": 1, "signals": []}),
        json!({"metrics": [
        {"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}]}),
    ));
    let mut at = |seconds: i64, load: f64| {
        run.now = START.saturating_add(Span::from_secs(seconds));
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": run.now, "replicas": 4, "readings": [{"metric": "load", "value": load}]}))
        .expect("it reads");
        let observation = record.resolve(&run.policy).expect("it fits");
        let (decision, state) =
            decide_traced(&run.policy, core::mem::take(&mut run.state), &observation);
        run.state = state;
        decision
    };
    for tick in 0..12 {
        at(tick * 15, if tick < 6 { 30.0 } else { 55.0 });
    }
    // 3 replicas' load became 5.5 within 120 s: 2.5 more than the present need.
    let kept = at(180, 55.0);
    assert_snapshot!("growth", kept.explain());
    assert_eq!(kept.scale_to, Some(8));
}

/// A start that takes too long is not counted on; a pod without a node is waited for.
#[test]
fn overdue_replicas_are_replaced() {
    let seen = |age| Seen { starting: vec![age; 2], ..Seen::busy(4, 15.0) };
    assert_eq!(once(&seen(Some(60))).scale_to, None); // six are enough, once they are there
    assert_snapshot!("overdue", once(&seen(Some(181))).explain());
    assert_eq!(once(&seen(Some(181))).scale_to, Some(8));
    assert_eq!(once(&seen(None)).scale_to, None);
}

#[test]
fn the_last_replica_goes_after_its_own_time_and_all_come_back_at_once() {
    let one = json!({"minReplicas": 0, "metrics": [
        {"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}]});
    let mut run = Run::new(spec(json!({"signals": [], "scaleToZeroAfterSeconds": 900}), one));
    let mut at = |seconds: i64, replicas: i32, load: f64| {
        run.now = START.saturating_add(Span::from_secs(seconds));
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": run.now, "replicas": replicas, "readings": [{"metric": "load", "value": load}]}))
        .expect("it reads");
        let observation = record.resolve(&run.policy).expect("it fits");
        let (decision, state) =
            decide_traced(&run.policy, core::mem::take(&mut run.state), &observation);
        run.state = state;
        decision
    };
    assert_eq!(at(0, 3, 0.0).scale_to, None);
    assert_eq!(at(600, 3, 0.0).scale_to, Some(1));
    assert_snapshot!("the_last_replica", at(615, 1, 0.0).explain());
    assert_eq!(at(899, 1, 0.0).scale_to, None);
    assert_eq!(at(900, 1, 0.0).scale_to, Some(0));
    assert_eq!(at(915, 0, 0.0).scale_to, None);
    assert_eq!(at(930, 0, 35.0).scale_to, Some(4));
}

#[test]
fn what_is_wrong_is_refused() {
    let metric = |type_: &str, target: Value| {
        let source = json!({"metric": {"name": "load"}, "target": target});
        match type_ {
            "Pods" => json!([{"type": "Pods", "pods": source}]),
            _ => json!([{"type": "External", "external": source}]),
        }
    };
    let specs = [
        spec(json!({}), json!({"metrics": []})),
        spec(
            json!({"leadTimeSeconds": 0, "surgeQuantile": 2, "latency": {"damping": 0}}),
            json!({}),
        ),
        spec(json!({"signals": [{"metric": "lode"}]}), json!({})),
        spec(json!({"signals": [{"metric": "load"}, {"metric": "load"}]}), json!({})),
        spec(
            json!({"signals": [{"metric": "queue", "role": "trigger", "release": "4"},
            {"metric": "cache", "role": "guard", "hardLimit": "0.8"},
            {"metric": "ttft", "role": "latency", "release": "1",
             "onUnknown": {"down": "assumeLimit"}}]}),
            json!({}),
        ),
        spec(
            json!({"signals": []}),
            json!({"metrics": metric("External", json!({"type": "Value", "value": "1"}))}),
        ),
        spec(
            json!({"signals": [{"metric": "load", "role": "latency"}]}),
            json!({"metrics": metric("External", json!({"type": "AverageValue", "averageValue": "1"}))}),
        ),
        spec(
            json!({"signals": [{"metric": "load", "role": "guard"}]}),
            json!({"metrics": metric("Pods", json!({"type": "AverageValue", "averageValue": "1"}))}),
        ),
    ];
    let refused: Vec<String> = specs
        .into_iter()
        .map(|spec| match checked(spec) {
            Ok(policy) => panic!("{policy:?}"),
            Err(invalid) => invalid.to_string(),
        })
        .collect();
    assert_snapshot!("refused", refused.join("\n\n"));
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let amount = |most: f64| prop_oneof![1 => Just(None), 9 => (0.0..most).prop_map(Some)];
    let starting = prop::collection::vec(prop::option::of(0_i64..600), 0..6);
    (prop::collection::vec(amount(60.0), 1..16), amount(200.0), amount(8.0), amount(1.0), starting)
        .prop_map(|(load, queue, ttft, cache, starting)| Seen {
            load,
            queue,
            ttft,
            cache,
            starting,
        })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (1_i32..600, 0_u32..=10, 0_u32..=10, any::<bool>()).prop_map(
        |(lead, tenths, headroom, window)| {
            let slo = json!({
                "leadTimeSeconds": lead, "surgeQuantile": f64::from(tenths) / 10.0,
                "headroom": f64::from(headroom) / 10.0,
            });
            let window = if window { 300 } else { 0 };
            let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": window}});
            checked(spec(slo, json!({"behavior": behavior}))).expect("it is valid")
        },
    )
}

/// Decides on `seen` as it is and as `other` would have it, after the same history.
fn compare(policy: &Policy, before: &[Seen], seen: &Seen, other: &Seen) -> (Decision, Decision) {
    let (mut state, mut now) = (State::for_policy(policy), START);
    for seen in before {
        now = now.saturating_add(Span::from_secs(15));
        let observation = seen.record(now).resolve(policy).expect("it fits");
        let (decision, after) = decide_traced(policy, state, &observation);
        state = settle(policy, after, &decision, ScaleUpdate::Applied);
    }
    let now = now.saturating_add(Span::from_secs(15));
    let decide = |seen: &Seen| {
        let observation = seen.record(now).resolve(policy).expect("it fits");
        decide_traced(policy, state.clone(), &observation).0
    };
    (decide(seen), decide(other))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Law 3: more load, queue, latency or cache never makes for a smaller count.
    #[test]
    fn monotone(
        policy in any_policy(), before in prop::collection::vec(any_seen(), 0..4), seen in any_seen(),
        load in 0.0..20.0_f64, queue in 0.0..100.0_f64, ttft in 0.0..4.0_f64, cache in 0.0..0.5_f64,
    ) {
        let more = Seen {
            load: seen.load.iter().map(|own| own.map(|own| own + load)).collect(),
            queue: seen.queue.map(|own| own + queue),
            ttft: seen.ttft.map(|own| own + ttft),
            cache: seen.cache.map(|own| own + cache),
            ..seen.clone()
        };
        let (less, more) = compare(&policy, &before, &seen, &more);
        prop_assert!(
            more.desired_replicas >= less.desired_replicas,
            "less:\n{}\nmore:\n{}", less.explain(), more.explain()
        );
    }

    /// Law 4: making any reading unknown never lowers the count.
    #[test]
    fn no_ignorance_down(
        policy in any_policy(), before in prop::collection::vec(any_seen(), 0..4), seen in any_seen(),
        which in 0..4,
    ) {
        let mut less = seen.clone();
        match which {
            0 => less.load = vec![None; seen.load.len()],
            1 => less.queue = None,
            2 => less.ttft = None,
            _ => less.cache = None,
        }
        let (_, decision) = compare(&policy, &before, &seen, &less);
        prop_assert!(
            decision.desired_replicas >= decision.current_replicas, "{}", decision.explain()
        );
    }

    /// Law 5: a guard never makes for a smaller count than there would be without it.
    #[test]
    fn guards_only_raise_law(
        policy in any_policy(), before in prop::collection::vec(any_seen(), 0..4), seen in any_seen(),
        cache in 0.9..1.0_f64,
    ) {
        let calm = Seen { cache: Some(0.0), ..seen.clone() };
        let full = Seen { cache: Some(cache), ..seen };
        let (calm, full) = compare(&policy, &before, &calm, &full);
        prop_assert!(full.desired_replicas >= calm.desired_replicas);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Law 6: at a constant load, however long a start takes, the count settles at the need, and never
    /// exceeds it by more than what a latency may add.
    #[test]
    fn no_wind_up(policy in any_policy(), load in 1.0..300.0_f64, start in 1_i64..900, slow in any::<bool>()) {
        let (mut state, mut now) = (State::for_policy(&policy), START);
        let (mut ready, mut starting): (usize, Vec<i64>) = (1, Vec::new());
        let need = (load / 10.0).ceil();
        for _ in 0..200 {
            now = now.saturating_add(Span::from_secs(15));
            starting.iter_mut().for_each(|age| *age += 15);
            ready += starting.iter().filter(|age| **age >= start).count();
            starting.retain(|age| *age < start);
            let each = load / f64::from(u32::try_from(ready).expect("few"));
            let seen = Seen {
                ttft: Some(if slow && each > 10.0 { 9.0 } else { 0.5 }),
                // No start takes as long as is overdue: those are another story.
                starting: starting.iter().map(|_| Some(0)).collect(),
                ..Seen::busy(ready, each)
            };
            let observation = seen.record(now).resolve(&policy).expect("it fits");
            let (decision, after) = decide_traced(&policy, state, &observation);
            state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            let wanted = usize::try_from(decision.desired_replicas).expect("not negative");
            let headroom = policy.spec().slo.as_ref().and_then(|slo| slo.headroom);
            let headroom = headroom.map_or(0.0, |headroom| headroom.get()) * need.sqrt();
            let wanted_at_most = ((need + headroom).ceil() * 1.5).ceil();
            prop_assert!(
                f64::from(decision.desired_replicas) <= wanted_at_most, "{}", decision.explain()
            );
            let missing = wanted.saturating_sub(ready + starting.len());
            starting.extend(core::iter::repeat_n(0, missing));
            ready = ready.min(wanted);
        }
    }
}
