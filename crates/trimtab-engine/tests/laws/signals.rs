//! Arbitrary policies of `slo` and what its signals show, for the laws that compare two decisions.

use proptest::prelude::*;
use serde_json::json;
use trimtab_engine::{Decision, Policy, ScaleUpdate, State, decide_traced, settle};
use trimtab_metric::Span;

use crate::generate::signals::{START, Seen, checked, merged, spec, with_budget};

pub(crate) fn any_seen() -> impl Strategy<Value = Seen> {
    let amount = |most: f64| prop_oneof![1 => Just(None), 9 => (0.0..most).prop_map(Some)];
    let starting = prop::collection::vec(prop::option::of(0_i64..600), 0..6);
    let load = prop::collection::vec(amount(60.0), 1..16);
    (load, amount(200.0), amount(8.0), amount(1.0), amount(1.0), starting).prop_map(
        |(load, queue, ttft, cache, attained, starting)| Seen {
            load,
            queue,
            ttft,
            cache,
            attained,
            starting,
        },
    )
}

/// What happened before.
pub(crate) fn past() -> impl Strategy<Value = Vec<Seen>> {
    prop::collection::vec(any_seen(), 0..4)
}

/// Any settings of `slo` by which what is unknown lets nothing go.
pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    let sizes = (1_i32..600, 0_u32..=10, 0_u32..=200, 1_i32..900, 0_u32..=10);
    let latency = (1_u32..=10, 10_u32..30, 0_u32..200, 0_i32..120, 0_u32..=10);
    let up = prop::sample::select(vec!["hold", "ignore", "assumeLimit"]);
    let signals = (0_u32..4_000, prop::option::of(900_u32..1_100), 0_u32..=10, up);
    let bounds = (0_i32..4, 4_i32..60);
    let window = prop_oneof![Just(0), Just(300), 0..900];
    let budget = (60_i32..10_000, 10_u32..=100, 100_u32..=1000);
    let all = (sizes, latency, signals, bounds, window, budget);
    all.prop_map(|(sizes, latency, signals, bounds, window, budget)| {
        let tenths = |tenths: u32| f64::from(tenths) / 10.0;
        let (lead, quantile, surge, overdue, headroom) = sizes;
        let (damping, stretch, boost, settle, hold) = latency;
        let (release, hard_limit, coverage, up) = signals;
        let on_unknown = json!({"up": up});
        let milli = |milli: u32| format!("{milli}m");
        let mut guard = json!({"metric": "cache", "role": "guard", "onUnknown": on_unknown,
            "minCoverage": tenths(coverage)});
        if let Some(limit) = hard_limit {
            guard = merged(guard, json!({"hardLimit": milli(limit)}));
        }
        let slo = json!({
            "leadTimeSeconds": lead, "surgeQuantile": tenths(quantile), "maxSurgePercent": surge,
            "headroom": tenths(headroom),
            "overdueAfterSeconds": overdue,
            "latency": {"damping": tenths(damping), "maxStretch": tenths(stretch),
                "maxBoostPercent": boost, "settleSeconds": settle, "holdRatio": tenths(hold)},
            "signals": [
                {"metric": "load", "minCoverage": tenths(coverage), "onUnknown": on_unknown},
                {"metric": "queue", "role": "trigger", "release": milli(release),
                    "onUnknown": on_unknown},
                {"metric": "ttft", "role": "latency", "onUnknown": on_unknown},
                guard,
            ],
        });
        let more = json!({"minReplicas": bounds.0, "maxReplicas": bounds.1,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": window}}});
        let (over, least, most) = budget;
        let budget = json!({"windowSeconds": over, "leastPercent": least, "mostPercent": most});
        let spec = with_budget(spec(slo, more), budget);
        checked(spec).unwrap_or_else(|invalid| panic!("{invalid}"))
    })
}

/// Decides on `seen` as it is and as `other` would have it, after the same history.
pub(crate) fn compare(
    policy: &Policy,
    before: &[Seen],
    seen: &Seen,
    other: &Seen,
) -> (Decision, Decision) {
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
