//! Law 6: at a constant load, however long a start takes, the count settles at the need, and never
//! exceeds it by more than the headroom that the policy states.

use libm::fmax;
use proptest::prelude::*;
use trimtab_engine::{Policy, ScaleUpdate, State, StrategyName, decide, settle};
use trimtab_metric::Span;

use crate::cases;
use crate::generate::signals::{START, Seen};
use crate::generate::workload::{self, CALM, Plan, Tick, plans};
use crate::signals::any_policy;

/// Replicas that take so many ticks to start.
struct Fleet {
    ready: usize,
    /// By how many ticks ago each was asked for.
    starting: Vec<i64>,
    start: i64,
}

impl Fleet {
    fn new(ready: usize, start: i64) -> Self {
        Self { ready, starting: Vec::new(), start }
    }

    fn tick(&mut self) {
        self.starting.iter_mut().for_each(|age| *age += 1);
        self.ready += self.starting.iter().filter(|age| **age >= self.start).count();
        self.starting.retain(|age| *age < self.start);
    }

    /// Starts what is missing. What is too much goes, the youngest first.
    fn scale(&mut self, wanted: i32) {
        let wanted = usize::try_from(wanted).expect("not negative");
        let missing = wanted.saturating_sub(self.ready + self.starting.len());
        self.starting.extend(core::iter::repeat_n(0, missing));
        self.starting.truncate(wanted.saturating_sub(self.ready));
        self.ready = self.ready.min(wanted);
    }

    fn replicas(&self) -> i32 {
        i32::try_from(self.ready + self.starting.len()).expect("few")
    }
}

/// The need and the headroom beside it, by the square root.
fn staffed(policy: &Policy, need: f64) -> f64 {
    let headroom = policy.spec().slo.as_ref().and_then(|slo| slo.headroom);
    need + headroom.map_or(0.0, |headroom| headroom.get()) * need.sqrt()
}

/// What the policy of `slo` may ask for beyond the need, because of a latency.
fn boost(policy: &Policy) -> f64 {
    let latency = policy.spec().slo.as_ref().and_then(|slo| slo.latency.as_ref());
    let percent = latency.and_then(|latency| latency.max_boost_percent);
    1.0 + percent.map_or(50.0, |percent| percent.get()) / 100.0
}

/// What a load may count as at most, because of what was missed.
fn counted(policy: &Policy, need: f64) -> f64 {
    let budget = policy.spec().slo.as_ref().and_then(|slo| slo.error_budget.as_ref());
    let most = budget.and_then(|budget| budget.most_percent);
    need * most.map_or(1.0, |percent| percent.get() / 100.0)
}

/// What Ray's factor or its initial count, or Knative's activation, may ask for beyond the need.
fn headroom(plan: &Plan, policy: &Policy, load: f64) -> f64 {
    let target = f64::from(i32::try_from(plan.target).expect("it is small"));
    let need = load / target;
    let spec = policy.spec();
    let most = match plan.strategy {
        StrategyName::Knative => {
            let activation = spec.knative.as_ref().and_then(|own| own.activation_scale);
            let need = load / (target * (70.0 / 100.0));
            fmax(need.ceil(), f64::from(activation.unwrap_or(1)))
        }
        StrategyName::RayServe => {
            let ray = spec.ray_serve.as_ref().expect("it is given");
            let factor = ray.upscaling_factor.map_or(1.0, |factor| factor.get());
            // From nothing ready Ray goes to its factor, whatever the load.
            let initial = f64::from(ray.initial_replicas.unwrap_or(1));
            fmax(fmax((need * fmax(factor, 1.0)).ceil(), factor.ceil()), initial)
        }
        StrategyName::Slo => staffed(policy, need).ceil(),
        _ => need.ceil(),
    };
    fmax(most, f64::from(policy.bounds().min.max(1)))
}

proptest! {
    #![proptest_config(cases())]

    /// With a latency that is over its objective until there are enough.
    #[test]
    fn no_wind_up(
        policy in any_policy(), load in 1.0..300.0_f64, start in 1_i64..60, slow in any::<bool>(),
    ) {
        let (mut state, mut now) = (State::for_policy(&policy), START);
        let mut fleet = Fleet::new(1, start);
        let need = counted(&policy, load / 10.0);
        let most = (staffed(&policy, need).ceil() * boost(&policy)).ceil();
        let most = fmax(most, f64::from(policy.bounds().min));
        for _ in 0..start + 6 {
            now = now.saturating_add(Span::from_secs(15));
            fleet.tick();
            let each = load / f64::from(u32::try_from(fleet.ready).expect("few"));
            let seen = Seen {
                ttft: Some(if slow && each > 10.0 { 9.0 } else { 0.5 }),
                attained: Some(if slow { 0.5 } else { 0.99 }),
                // No start takes as long as is overdue: those are another story.
                starting: fleet.starting.iter().map(|_| Some(0)).collect(),
                ..Seen::busy(fleet.ready, each)
            };
            let observation = seen.record(now).resolve(&policy).expect("it fits");
            let (decision, after) = decide(&policy, state, &observation);
            state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            prop_assert!(
                f64::from(decision.desired_replicas) <= most, "{}", decision.explain()
            );
            fleet.scale(decision.desired_replicas);
        }
    }

    /// On a load that is a total, for every strategy that goes by how many are needed. AIBrix's APA
    /// multiplies the present count, and WVA adds one at a time: neither knows a need.
    #[test]
    fn no_wind_up_for_every_strategy(
        plan in plans(&[
            StrategyName::Hpa, StrategyName::Keda, StrategyName::Knative, StrategyName::RayServe,
            StrategyName::Slo,
        ]).prop_map(|plan| Plan { by_replica: false, ..plan }),
        load in 1_i32..400, start in 1_i64..30,
    ) {
        let policy = plan.policy(1);
        let most = headroom(&plan, &policy, f64::from(load));
        let mut run = workload::Run::new(&policy);
        let first = usize::try_from(run.replicas).expect("not negative");
        let mut fleet = Fleet::new(first, start);
        let tick = Tick { load: Some(i64::from(load) * 1000), queue: Some(100_000), ..CALM };
        for _ in 0..start + 6 {
            fleet.tick();
            run.replicas = fleet.replicas();
            run.now = run.now.saturating_add(policy.period());
            let mut record = workload::seen(&policy, run.now, run.replicas, &tick, 1);
            for pod in record.pods.iter_mut().skip(fleet.ready) {
                pod.ready = None;
            }
            let observation = record.resolve(&policy).expect("it fits");
            let decision = run.decide(&observation);
            prop_assert!(
                f64::from(decision.desired_replicas) <= most, "{most}:\n{}", decision.explain()
            );
            fleet.scale(decision.desired_replicas);
        }
    }
}
