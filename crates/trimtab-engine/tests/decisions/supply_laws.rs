//! What holds of stage 6 for every strategy, supply and history.

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    Decision, Observation, ObservationRecord, Policy, PolicySpec, Rule, ScaleUpdate, State, decide,
    decide_traced, next_deadline, settle,
};
use trimtab_metric::{Span, Timestamp};

const START: i64 = 1_795_514_400;

/// A node pool: what the policy says of it.
#[derive(Clone, Debug)]
struct Pool {
    max_replicas: Option<u32>,
    max_gpus: Option<u32>,
}

/// What is seen of it; free GPUs, coming ones, others in use.
type Seen = Option<(u32, u32, u32)>;

/// What is seen at one moment.
#[derive(Clone, Debug)]
struct Look {
    seconds: i64,
    load: u32,
    /// For each of three pools.
    seen: Vec<Seen>,
    /// Nothing at all is known of nodes.
    blind: bool,
    /// Of the replicas, those that wait: in which pool (3: whichever), and for how long.
    waiting: Vec<(usize, i64)>,
    /// Replicas that were not created yet.
    unborn: usize,
    /// By which pools in turn the others run; 3: in another one.
    places: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Plan {
    strategy: &'static str,
    behavior: bool,
    gpus: u32,
    max_pending: u32,
    pools: Vec<Pool>,
    min: i32,
    max: i32,
}

fn pool() -> impl Strategy<Value = Pool> {
    let limit = prop::option::weighted(0.4, 1_u32..8);
    (limit.clone(), limit).prop_map(|(max_replicas, max_gpus)| Pool { max_replicas, max_gpus })
}

fn plan() -> impl Strategy<Value = Plan> {
    let strategy = prop::sample::select(vec!["hpa", "slo", "keda", "knative", "rayServe", "apa"]);
    let numbers = (1_u32..4, 0_u32..5, 1_i32..4, 0_i32..30);
    (strategy, any::<bool>(), numbers, prop::collection::vec(pool(), 1..4)).prop_map(
        |(strategy, behavior, (gpus, max_pending, min, more), mut pools)| {
            for pool in &mut pools {
                pool.max_gpus = pool.max_gpus.map(|replicas| replicas * gpus + gpus / 2);
            }
            Plan { strategy, behavior, gpus, max_pending, pools, min, max: min + more }
        },
    )
}

fn seen() -> impl Strategy<Value = Seen> {
    prop::option::weighted(0.85, (0_u32..12, prop_oneof![2 => Just(0), 1 => 0_u32..9], 0_u32..9))
}

fn look() -> impl Strategy<Value = Look> {
    let waiting = prop::collection::vec((0_usize..4, 0_i64..900), 0..5);
    let places = prop::collection::vec(0_usize..4, 1..4);
    let load = prop_oneof![1 => Just(0), 4 => 0_u32..40];
    let numbers = (1_i64..200, load, prop::bool::weighted(0.1), 0_usize..3);
    (numbers, prop::collection::vec(seen(), 3), waiting, places).prop_map(
        |((seconds, load, blind, unborn), seen, waiting, places)| Look {
            seconds,
            load,
            seen,
            blind,
            waiting,
            unborn,
            places,
        },
    )
}

fn name(pool: usize) -> &'static str {
    ["a", "b", "c", "elsewhere"][pool]
}

impl Plan {
    fn policy(&self, on: bool) -> Policy {
        let pools = self.pools.iter().enumerate().map(|(index, pool)| {
            let mut spec = json!({"name": name(index)});
            spec["maxReplicas"] = json!(pool.max_replicas);
            spec["maxGpus"] = json!(pool.max_gpus);
            spec
        });
        let supply = json!({"gpusPerReplica": self.gpus, "maxPending": self.max_pending,
            "pools": pools.collect::<Vec<_>>(), "backoffSeconds": 200, "maxBackoffSeconds": 900});
        let target = match self.strategy {
            "apa" => json!({"type": "Value", "value": "1"}),
            _ => json!({"type": "AverageValue", "averageValue": "1"}),
        };
        let spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "strategy": self.strategy, "minReplicas": self.min, "maxReplicas": self.max,
            "behavior": self.behavior.then(|| json!({})),
            "metrics": [{"type": "External", "external":
                {"metric": {"name": "load"}, "target": target}}],
            "supply": on.then_some(supply),
        });
        let spec: PolicySpec = serde_json::from_value(spec).expect("it is a policy");
        Policy::new(spec).expect("the generator makes valid policies")
    }

    /// What is seen, of a workload with so many replicas.
    fn record(&self, look: &Look, now: Timestamp, replicas: i32) -> ObservationRecord {
        let count = usize::try_from(replicas).unwrap_or(0);
        let waiting = look.waiting.len().min(count);
        let unborn = look.unborn.min(count - waiting);
        let mut pods: Vec<Value> = Vec::new();
        for pod in 0..count - waiting - unborn {
            let pool = look.places[pod % look.places.len()];
            pods.push(json!({"name": format!("runs-{pod}"), "ready": true, "pool": name(pool),
                "startTime": START - 9_000, "nodeName": format!("{}-{pod}", name(pool))}));
        }
        for (pod, (pool, ago)) in look.waiting.iter().take(waiting).enumerate() {
            let created = now.saturating_sub(Span::from_secs(*ago));
            let pool = (*pool < self.pools.len()).then(|| name(*pool));
            pods.push(json!({"name": format!("waits-{pod}"), "phase": "Pending", "pool": pool,
                "creationTimestamp": created}));
        }
        let supply = look.seen.iter().take(self.pools.len()).enumerate().map(|(pool, seen)| {
            let used = look.places.iter().filter(|place| **place == pool).count();
            let used = u32::try_from(used * count).expect("small") * self.gpus;
            match seen {
                Some((free, coming, others)) => json!({"pool": name(pool), "freeGpus": free,
                    "comingGpus": coming, "allocatableGpus": free + used + others}),
                None => json!({"pool": name(pool)}),
            }
        });
        let supply: Vec<Value> = supply.collect();
        let record = json!({"time": now, "replicas": replicas, "statusReplicas": pods.len(), "pods": pods,
            "supply": (!look.blind).then_some(supply),
            "readings": [{"metric": "load", "value": look.load}]});
        serde_json::from_value(record).expect("it is a record")
    }

    fn resolve(&self, policy: &Policy, look: &Look, now: Timestamp, replicas: i32) -> Observation {
        self.record(look, now, replicas).resolve(policy).expect("it fits the policy")
    }

    /// What is allowed at most, reckoned anew and generously: no limits of pools, no backoff.
    fn most(&self, look: &Look, replicas: i32) -> Option<u32> {
        let count = usize::try_from(replicas).unwrap_or(0);
        let waiting = look.waiting.len().min(count);
        let placed = count - waiting - look.unborn.min(count - waiting);
        let known: Option<Vec<_>> = look.seen.iter().take(self.pools.len()).copied().collect();
        let known = known.filter(|_| !look.blind)?;
        let slots = known.iter().map(|(free, coming, _)| free / self.gpus + coming / self.gpus);
        Some(u32::try_from(placed).expect("small") + slots.sum::<u32>() + self.max_pending)
    }
}

/// A history with a decision and its outcome for each look.
fn run(
    plan: &Plan,
    policy: &Policy,
    looks: &[Look],
    start: Timestamp,
    mut each: impl FnMut(&State, &Look, &Observation, &Decision, &State) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let (mut state, mut now, mut replicas) = (State::for_policy(policy), start, plan.min.max(1));
    for look in looks {
        now = now.saturating_add(Span::from_secs(look.seconds));
        let observation = plan.resolve(policy, look, now, replicas);
        let (decision, after) = decide_traced(policy, state.clone(), &observation);
        each(&state, look, &observation, &decision, &after)?;
        state = settle(policy, after, &decision, ScaleUpdate::Applied);
        replicas = decision.desired_replicas;
    }
    Ok(())
}

fn wanted(plan: &Plan, policy: &Policy, state: &State, look: &Look, replicas: i32) -> i32 {
    let now = Timestamp::from_secs(START);
    let observation = plan.resolve(policy, look, now, replicas);
    decide(policy, state.clone(), &observation).0.desired_replicas
}

/// A history that leads to some state, and what is seen then.
fn histories() -> impl Strategy<Value = (Plan, Vec<Look>)> {
    (plan(), prop::collection::vec(look(), 1..20))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// A limit that is seen of a known pool counts as one of the policy does.
    #[test]
    fn a_limit_that_is_seen_is_a_limit((plan, mut look) in (plan(), look())) {
        look.blind = false;
        look.seen.iter_mut().for_each(|seen| *seen = seen.or(Some((3, 0, 1))));
        let pools = plan.pools.iter().map(|pool| Pool { max_gpus: None, ..pool.clone() });
        let open = Plan { pools: pools.collect(), ..plan.clone() };
        let (policy, unlimited) = (plan.policy(true), open.policy(true));
        let (now, replicas) = (Timestamp::from_secs(START), plan.min.max(1));
        let mut seen = open.record(&look, now, replicas);
        for (record, pool) in seen.supply.iter_mut().flatten().zip(&plan.pools) {
            record.max_gpus = pool.max_gpus;
        }
        let seen = seen.resolve(&unlimited).expect("it fits the policy");
        let of_policy = plan.resolve(&policy, &look, now, replicas);
        let (one, _) = decide(&policy, State::for_policy(&policy), &of_policy);
        let (other, _) = decide(&unlimited, State::for_policy(&unlimited), &seen);
        prop_assert_eq!(one.desired_replicas, other.desired_replicas);
        prop_assert_eq!(one.supply, other.supply);
    }

    /// Waiting replicas never become more than may wait, by the stage's doing; it never cuts below what is
    /// there, nor below the least; and it raises nothing.
    #[test]
    fn no_piling_up_and_no_way_down((plan, looks) in histories()) {
        let (policy, without) = (plan.policy(true), plan.policy(false));
        run(&plan, &policy, &looks, Timestamp::from_secs(START), |before, look, observation, decision, _| {
            let current = decision.current_replicas;
            let (other, _) = decide(&without, before.clone(), observation);
            let (off, on) = (other.desired_replicas, decision.desired_replicas);
            prop_assert!(on <= off && on >= off.min(current.max(plan.min)), "{off} became {on}");
            if let Some(most) = plan.most(look, current) {
                prop_assert!(on <= i32::try_from(most).expect("small").max(current).max(plan.min).max(1));
            }
            prop_assert_eq!((off == on) || decision.conditions.is_true(
                trimtab_engine::ConditionType::SupplyLimited), true);
            Ok(())
        })?;
    }

    /// What is unknown of the nodes never wants fewer: neither of one pool nor of all.
    #[test]
    fn no_ignorance_down((plan, looks) in histories(), replicas in 1_i32..20, pool in 0_usize..3) {
        let policy = plan.policy(true);
        let replicas = replicas.clamp(plan.min, plan.max);
        let mut state = State::for_policy(&policy);
        let start = Timestamp::from_secs(START - 8_000);
        run(&plan, &policy, &looks, start, |_, _, _, _, after| {
            state = after.clone();
            Ok(())
        })?;
        let look = looks.last().expect("there is one");
        let (mut without, mut blind) = (look.clone(), look.clone());
        without.seen[pool] = None;
        blind.blind = true;
        let known = wanted(&plan, &policy, &state, look, replicas);
        let partly = wanted(&plan, &policy, &state, &without, replicas);
        let unknown = wanted(&plan, &policy, &state, &blind, replicas);
        let off = wanted(&plan, &plan.policy(false), &state, &blind, replicas);
        prop_assert!(known <= partly && partly <= unknown, "{known}, {partly}, {unknown}");
        prop_assert_eq!(unknown, off);
    }

    /// More free GPUs, or more that are coming, never want fewer.
    #[test]
    fn more_supply_never_fewer(
        (plan, looks) in histories(), replicas in 1_i32..20, pool in 0_usize..3,
        more in 1_u32..9, coming in any::<bool>(),
    ) {
        let policy = plan.policy(true);
        let replicas = replicas.clamp(plan.min, plan.max);
        let mut state = State::for_policy(&policy);
        let start = Timestamp::from_secs(START - 8_000);
        run(&plan, &policy, &looks, start, |_, _, _, _, after| {
            state = after.clone();
            Ok(())
        })?;
        let look = looks.last().expect("there is one");
        let mut better = look.clone();
        if let Some((free, on_its_way, others)) = &mut better.seen[pool] {
            if coming {
                *on_its_way += more;
            } else {
                *free += more;
                *others = others.saturating_sub(more); // of as many GPUs, fewer are in use
            }
        }
        let (fewer, with_more) = (
            wanted(&plan, &policy, &state, look, replicas),
            wanted(&plan, &policy, &state, &better, replicas),
        );
        prop_assert!(fewer <= with_more, "{fewer}, and with {more} more {with_more}");
    }

    /// The same inputs give the same answer, after a restart and without a trace, too; the memory holds
    /// no more pools than the policy; later times change nothing but times.
    #[test]
    fn the_memory_is_a_bounded_value((plan, looks) in histories(), shift in -9_000_000_i64..9_000_000) {
        let policy = plan.policy(true);
        let mut counts = Vec::new();
        run(&plan, &policy, &looks, Timestamp::from_secs(START), |before, _, observation, decision, after| {
            let text = serde_json::to_string(before).expect("it serializes");
            let restored: State = serde_json::from_str(&text).expect("it reads");
            let (again, again_after) = decide(&policy, restored, observation);
            prop_assert_eq!(&again, &Decision { trace: None, ..decision.clone() });
            prop_assert_eq!(again_after.digest(), after.digest());
            let text = serde_json::to_string(decision).expect("it serializes");
            prop_assert_eq!(&serde_json::from_str::<Decision>(&text).expect("it reads"), decision);
            let memory = after.envelope.as_ref().and_then(|envelope| envelope.supply.as_ref());
            prop_assert!(memory.map_or(0, |memory| memory.pools.len()) <= plan.pools.len());
            counts.push(decision.desired_replicas);
            Ok(())
        })?;
        let mut shifted = Vec::new();
        run(&plan, &policy, &looks, Timestamp::from_secs(START + shift), |_, _, _, decision, _| {
            shifted.push(decision.desired_replicas);
            Ok(())
        })?;
        prop_assert_eq!(counts, shifted);
    }

    /// Each step goes on where the one before it ended, and the step's numbers give its result; the plan
    /// has a place for everybody, or says for how many it has none.
    #[test]
    fn explained((plan, looks) in histories()) {
        let policy = plan.policy(true);
        run(&plan, &policy, &looks, Timestamp::from_secs(START), |_, _, _, decision, _| {
            let steps = decision.trace.as_deref().unwrap_or_default();
            for (step, next) in steps.iter().zip(steps.iter().skip(1)) {
                let ours = matches!((&step.rule, &next.rule), (Rule::Supply(_), _) | (_, Rule::Supply(_)));
                prop_assert!(!ours || next.from == step.to, "{next:?} after {step:?}");
            }
            for step in steps {
                if let Rule::Supply(supply) = step.rule {
                    let most = supply.allowed().unwrap_or(i32::MAX);
                    prop_assert_eq!(step.to, step.from.min(most));
                }
            }
            let plan = decision.supply.as_ref().expect("the stage is on");
            prop_assert!(plan.wanted >= decision.desired_replicas);
            let pools = plan.pools.iter();
            let (placed, starts) = pools.fold((0, 0), |sum, pool| {
                (sum.0 + pool.placed, sum.1 + pool.starts)
            });
            prop_assert!(placed <= decision.current_replicas);
            prop_assert!(starts <= decision.desired_replicas);
            let text = decision.explain().to_string();
            prop_assert!(text.lines().count() < 24, "more than a screen:\n{text}");
            Ok(())
        })?;
    }

    /// Until the next deadline, the same observation has the same answer.
    #[test]
    fn nothing_changes_before_the_deadline((mut plan, looks) in histories(), part in 0.0..1.0_f64) {
        plan.strategy = "hpa";
        let policy = plan.policy(true);
        run(&plan, &policy, &looks, Timestamp::from_secs(START), |_, _, observation, decision, after| {
            let deadline = next_deadline(&policy, after, observation);
            let until = deadline.unwrap_or(observation.now.saturating_add(Span::from_secs(100_000)));
            let wait = (until.since(observation.now).as_millis() - 1) as f64 * part;
            let mut later = observation.clone();
            later.now = later.now.saturating_add(Span::from_millis(wait as i64));
            let (again, _) = decide(&policy, after.clone(), &later);
            prop_assert_eq!(again.desired_replicas, decision.desired_replicas);
            Ok(())
        })?;
    }

    /// A stage that is off leaves no trace, no plan and no memory, and takes no note of what is seen.
    #[test]
    fn off_is_nothing((plan, looks) in histories()) {
        let policy = plan.policy(false);
        run(&plan, &policy, &looks, Timestamp::from_secs(START), |before, _, observation, decision, after| {
            prop_assert_eq!(&observation.supply, &None);
            prop_assert!(decision.supply.is_none() && after.envelope.is_none());
            let bare = Observation { supply: None, ..observation.clone() };
            prop_assert_eq!(&decide_traced(&policy, before.clone(), &bare).0, decision);
            let mut steps = decision.trace.iter().flatten();
            prop_assert!(!steps.any(|step| matches!(step.rule, Rule::Supply(_) | Rule::Redundancy(_))));
            Ok(())
        })?;
    }
}
