//! What each strategy makes of an observation: its sizing, and which of the stages come behind it.

use core::cmp::Ordering;

use crate::anticipate::anticipate;
use crate::bound::{enforce, wake};
use crate::condition::ConditionType;
use crate::decision::{Outcome, ScaleReason};
use crate::envelope::envelope;
use crate::limit::Limited;
use crate::observation::{Observation, Scale};
use crate::policy::{
    ApaSettings, Bounds, KedaSettings, KnativeSettings, Policy, RayServeSettings, SloSettings,
    Strategy, WvaSettings,
};
use crate::redundancy::{Count, redundancy};
use crate::state::State;
use crate::strategy::hpa::{Generated, Sight};
use crate::strategy::keda::Execution;
use crate::strategy::{Sized, apa, hpa, keda, knative, ray_serve, slo, wva};
use crate::supply::{Nodes, carry};
use crate::trace::Recorder;

/// One decision on its way: what it depends on, and where its steps go.
pub(crate) struct Course<'a, 'p, R> {
    pub(crate) policy: &'p Policy,
    pub(crate) state: &'a mut State,
    pub(crate) observation: &'a Observation,
    pub(crate) scale: Scale,
    /// Where nodes come from, if the policy asks for it.
    pub(crate) nodes: Option<Nodes<'p>>,
    pub(crate) trace: &'a mut R,
    /// Why more is wanted than the strategy wants, if it is.
    pub(crate) anticipated: Option<ScaleReason>,
}

/// What the stages came to.
pub(crate) struct Verdict {
    /// The count, unless nothing could be said.
    pub(crate) replicas: Option<i32>,
    pub(crate) reason: ScaleReason,
    pub(crate) outcome: Outcome,
    pub(crate) metric: Option<u32>,
}

impl Verdict {
    fn enforced(replicas: i32, reason: ScaleReason) -> Self {
        Self { replicas: Some(replicas), reason, outcome: Outcome::Enforced, metric: None }
    }

    /// Of KEDA's executor, where the HPA has nothing to say.
    fn left(execution: Execution, current: i32) -> Self {
        let outcome = match execution {
            Execution::Leaves(outcome) => outcome,
            _ => Outcome::NotDue,
        };
        let known = matches!(outcome, Outcome::Decided | Outcome::PartiallyDecided);
        Self { replicas: Some(current).filter(|_| known), ..Self::nothing(outcome) }
    }

    pub(crate) fn nothing(outcome: Outcome) -> Self {
        Self { replicas: None, reason: ScaleReason::None, outcome, metric: None }
    }
}

impl<R: Recorder> Course<'_, '_, R> {
    /// What the policy's strategy decides.
    pub(crate) fn run(&mut self) -> Verdict {
        let current = self.scale.spec_replicas;
        let verdict = match self.policy.strategy() {
            Strategy::Hpa => self.hpa(self.policy, Sight::new(self.observation)),
            Strategy::Keda(settings) => self.keda(settings),
            Strategy::Knative(settings) => self.knative(settings),
            Strategy::RayServe(settings) => self.ray_serve(settings),
            Strategy::Slo(settings) => self.slo(settings),
            Strategy::Wva(settings) => self.wva(settings),
            Strategy::Apa(settings) => self.apa(settings),
        };
        match self.anticipated {
            Some(reason)
                if verdict.replicas > Some(current)
                    && verdict.reason != ScaleReason::MetricAbove =>
            {
                Verdict { reason, ..verdict }
            }
            _ => verdict,
        }
    }

    /// The HPA: the bounds first, then its sizing and the stages behind it. `policy` is the decision's
    /// own, or that of an HPA that another autoscaler generates.
    fn hpa(&mut self, policy: &Policy, seen: Sight<'_>) -> Verdict {
        let current = self.scale.spec_replicas;
        let verdict = if let Some((replicas, reason)) = enforce(policy, current, self.trace) {
            Verdict::enforced(replicas, reason)
        } else {
            match hpa::size(policy, self.state, seen, self.scale, self.trace) {
                Sized::Nothing(outcome) => Verdict::nothing(outcome),
                Sized::Wanted { replicas: desired, winner, outcome } => {
                    let replicas = self.envelope(policy, desired);
                    let woken = wake(policy, current, replicas, self.trace);
                    Verdict {
                        replicas: Some(woken.unwrap_or(replicas)),
                        reason: reason_to_scale(desired, current, woken.is_some()),
                        outcome,
                        metric: Some(winner),
                    }
                }
            }
        };
        if verdict.outcome == Outcome::Disabled && !policy.hpa().scale_to_zero {
            self.state.status.conditions.remove(ConditionType::ScaledToZero);
        }
        verdict
    }

    /// KEDA: its executor first. Where that leaves the count alone, the HPA that KEDA generates, on
    /// what KEDA tells it.
    fn keda(&mut self, settings: &KedaSettings) -> Verdict {
        let (observation, scale) = (self.observation, self.scale);
        let current = scale.spec_replicas;
        let mut tick = keda::Tick::new(self.policy, settings, self.state, observation, scale);
        let verdict = match tick.execute(self.trace) {
            Execution::Paused => {
                self.state.forget_course(); // KEDA removes its HPA
                let replicas = settings.pause.replicas;
                Verdict { replicas, ..Verdict::nothing(Outcome::Paused) }
            }
            Execution::Writes { replicas, metric, outcome } => {
                tick.wait_for_next_sync();
                let reason = reason_to_scale(replicas, current, false);
                Verdict { replicas: Some(replicas), reason, outcome, metric }
            }
            execution @ (Execution::NotDue | Execution::Leaves(_)) => {
                match tick.metrics(self.trace) {
                    None => Verdict::left(execution, current),
                    Some(answers) => {
                        self.state.seed(&settings.generated, current, observation.now);
                        let generated = Generated { places: &settings.places, answers: &answers };
                        let seen = Sight::generated(observation, generated);
                        let verdict = self.hpa(&settings.generated, seen);
                        match verdict.outcome {
                            Outcome::Disabled => Verdict::left(execution, current), // KEDA's own 0
                            _ => verdict,
                        }
                    }
                }
            }
        };
        tick.remember(self.state);
        verdict
    }

    /// Knative: its sizing keeps to the bounds, and to scale to zero.
    fn knative(&mut self, settings: &KnativeSettings) -> Verdict {
        let Self { policy, observation, scale, .. } = *self;
        let sized = knative::size(policy, settings, self.state, observation, scale, self.trace);
        self.bounded_by_itself(sized)
    }

    /// Ray Serve: a new deployment begins with its initial count; then its sizing, which keeps to the
    /// bounds.
    fn ray_serve(&mut self, settings: &RayServeSettings) -> Verdict {
        let Self { policy, observation, scale, .. } = *self;
        let current = scale.spec_replicas;
        let registered = ray_serve::register(settings, self.state, current, self.trace);
        if let Some((replicas, reason)) = registered {
            return Verdict::enforced(replicas, reason);
        }
        let sized = ray_serve::size(policy, settings, self.state, observation, scale, self.trace);
        self.bounded_by_itself(sized)
    }

    /// trimtab's own strategy: the bounds first, then its sizing and the stages behind it.
    fn slo(&mut self, settings: &SloSettings) -> Verdict {
        let Self { policy, observation, scale, .. } = *self;
        let (now, current) = (observation.now, scale.spec_replicas);
        if let Some((replicas, reason)) = enforce(policy, current, self.trace) {
            return Verdict::enforced(replicas, reason);
        }
        match slo::size(policy, settings, self.state, observation, scale, self.trace) {
            Sized::Nothing(outcome) => Verdict::nothing(outcome),
            Sized::Wanted { replicas: desired, winner, outcome } => {
                let change = (current, self.envelope(policy, desired));
                let replicas = slo::keep_the_last(settings, self.state, now, change, self.trace);
                let reason = reason_to_scale(desired, current, false);
                Verdict { replicas: Some(replicas), reason, outcome, metric: Some(winner) }
            }
        }
    }

    /// WVA and the HPA that follows what it publishes. A workload at 0 is woken past the HPA.
    fn wva(&mut self, settings: &WvaSettings) -> Verdict {
        let Self { policy, observation, scale, .. } = *self;
        let (current, min) = (scale.spec_replicas, policy.bounds().min);
        if let Some((replicas, reason)) = enforce(policy, current, self.trace) {
            return Verdict::enforced(replicas, reason);
        }
        let sized = wva::size(settings, self.state, observation, scale, min, self.trace);
        let (published, winner, outcome) = match sized {
            Sized::Nothing(outcome) => return Verdict::nothing(outcome),
            Sized::Wanted { replicas, winner, outcome } => (replicas, winner, outcome),
        };
        let replicas = if current == 0 {
            let carried = self.carried(policy.bounds(), published);
            let woken = wake(policy, current, carried, self.trace).unwrap_or(carried);
            self.redundant(policy.bounds(), published, woken)
        } else {
            let desired = wva::follow(policy, published, observation, scale, self.trace);
            self.envelope(policy, desired)
        };
        let reason = reason_to_scale(published, current, false);
        Verdict { replicas: Some(replicas), reason, outcome, metric: Some(winner) }
    }

    /// AIBrix's APA: the bounds first, then its sizing, which keeps to them.
    fn apa(&mut self, settings: &ApaSettings) -> Verdict {
        let Self { policy, observation, scale, .. } = *self;
        let current = scale.spec_replicas;
        if let Some((replicas, reason)) = enforce(policy, current, self.trace) {
            return Verdict::enforced(replicas, reason);
        }
        let sized = apa::size(policy, settings, self.state, observation, current, self.trace);
        self.bounded_by_itself(sized)
    }

    /// Of a strategy that bounds its count itself. The stages behind the sizing are only those that
    /// the policy asks for by `behavior`; they move a count within the bounds, and one from outside
    /// goes back inside at once.
    fn bounded_by_itself(&mut self, sized: Sized) -> Verdict {
        let (policy, current) = (self.policy, self.scale.spec_replicas);
        let (desired, winner, outcome) = match sized {
            Sized::Nothing(outcome) => return Verdict::nothing(outcome),
            Sized::Wanted { replicas, winner, outcome } => (replicas, winner, outcome),
        };
        if policy.behavior().is_some()
            && let Some((replicas, reason)) = enforce(policy, current, self.trace)
        {
            return Verdict::enforced(replicas, reason);
        }
        let replicas = match policy.behavior() {
            Some(_) => self.envelope(policy, desired),
            None => {
                let desired = self.anticipate(desired);
                let carried = self.carried(policy.bounds(), desired);
                self.redundant(policy.bounds(), desired, carried)
            }
        };
        let Bounds { min, max } = policy.bounds();
        let reason = if current > max && desired == max {
            ScaleReason::AboveMax
        } else if current < min && desired == min {
            ScaleReason::BelowMin
        } else {
            reason_to_scale(desired, current, false)
        };
        Verdict { replicas: Some(replicas), reason, outcome, metric: Some(winner) }
    }

    /// Stage 3, by the decision's own policy.
    fn anticipate(&mut self, desired: i32) -> i32 {
        let Self { policy, observation, scale, .. } = *self;
        let (replicas, reason) =
            anticipate(policy, self.state, observation, scale, desired, self.trace);
        self.anticipated = reason;
        replicas
    }

    fn envelope(&mut self, policy: &Policy, desired: i32) -> i32 {
        let desired = self.anticipate(desired);
        let (current, now) = (self.scale.spec_replicas, self.observation.now);
        let nodes = self.nodes.as_mut();
        let bounded = envelope(policy, self.state, current, desired, now, nodes, self.trace);
        self.redundant(policy.bounds(), desired, bounded)
    }

    /// Stage 6 behind a strategy that bounds its count itself.
    fn carried(&mut self, bounds: Bounds, desired: i32) -> i32 {
        let desired = Limited { replicas: desired, cut: None };
        carry(self.nodes.as_mut(), bounds, desired, self.trace).replicas
    }

    /// The end of stage 7.
    fn redundant(&mut self, bounds: Bounds, wanted: i32, bounded: i32) -> i32 {
        let most = self.nodes.as_ref().and_then(Nodes::allowed);
        let count = Count { current: self.scale.spec_replicas, wanted, bounded, most };
        redundancy(self.policy, bounds, self.state, self.observation, count, self.trace)
    }
}

fn reason_to_scale(desired: i32, current: i32, woken: bool) -> ScaleReason {
    match desired.cmp(&current) {
        Ordering::Greater => ScaleReason::MetricAbove,
        Ordering::Less => ScaleReason::AllMetricsBelow,
        Ordering::Equal if woken => ScaleReason::BelowMin,
        Ordering::Equal => ScaleReason::None,
    }
}
