//! One decision of Knative: averages, autoscaler, bounds and scale to zero.

use alloc::boxed::Box;

use trimtab_metric::Timestamp;

use super::activators;
use super::autoscaler::{Proposal, Tick};
use super::scale_to_zero::{Fate, ScaleToZeroSettings, Verdict};
use super::state::{Averages, KnativeState};
use super::step::KnativeStep;
use crate::decision::Outcome;
use crate::observation::{Observation, Scale};
use crate::policy::{Finite, KnativeSettings, Policy};
use crate::state::State;
use crate::strategy::one_total::{Measure, note_valid, unreadable};
use crate::strategy::{Sized, StrategyState};
use crate::trace::{Recorder, Rule, Stage, Step};

/// Takes the load in, and says how many replicas there should be, bounds and scale to zero included.
///
/// Where the load can't be read, nothing is decided: neither by the autoscaler nor, on what it said
/// before, by the reconciler.
pub(crate) fn size<R: Recorder>(
    policy: &Policy,
    settings: &KnativeSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Sized {
    let (now, current) = (observation.now, scale.spec_replicas);
    let ready = observation.ready_replicas(scale);
    let mut memory = match state.strategy.take() {
        Some(StrategyState::Knative(memory)) => memory,
        _ => Box::new(KnativeState::new(settings, now, ready)),
    };
    let averages = memory.averages(settings, observation.reading(0), now);
    let sized = match averages {
        Err(why) => unreadable(policy, state, now, current, why, trace),
        Ok(averages) => {
            note_valid(state, now);
            let seen = Seen { now, ready, current, averages };
            let replicas = decide(policy, settings, &mut memory, &seen, trace);
            Sized::Wanted { replicas, winner: 0, outcome: Outcome::Decided }
        }
    };
    state.strategy = Some(StrategyState::Knative(memory));
    sized
}

/// What is seen in one decision.
struct Seen {
    now: Timestamp,
    ready: i32,
    current: i32,
    averages: Averages,
}

/// The autoscaler, then the reconciler.
fn decide<R: Recorder>(
    policy: &Policy,
    settings: &KnativeSettings,
    memory: &mut KnativeState,
    seen: &Seen,
    trace: &mut R,
) -> i32 {
    let Seen { now, ready, .. } = *seen;
    let Averages { stable, panic } = seen.averages;
    let tick = Tick { now, ready, stable, panic };
    let proposal = memory.autoscaler.tick(&settings.autoscaler, &tick);
    record_proposal(policy, settings, memory, seen, &proposal, trace);

    let before = memory.revision;
    let (wanted, burst) = (proposal.replicas, proposal.excess_burst_capacity);
    let verdict = memory.revision.reconcile(&settings.scale_to_zero, now, ready, wanted, burst);
    let replicas = match verdict.replicas {
        Some(replicas) if verdict.fate.is_applied() => replicas,
        _ => seen.current,
    };
    let bounded = before.bounded(&settings.scale_to_zero, wanted);
    record_bounds(settings, wanted, bounded, trace);
    record_verdict(now, &verdict, (bounded, replicas), trace);
    let total = settings.autoscaler.total;
    let rule = Rule::Knative(KnativeStep::Activator {
        in_path: memory.revision.proxied_since().is_some(),
        excess_burst_capacity: burst,
        activators: activators(ready, total, settings.autoscaler.target_burst_capacity),
    });
    trace.record(|| Step::unchanged(Stage::Bound, replicas, rule));
    replicas
}

/// The stages of the autoscaler; those without an effect only where they are always at work.
fn record_proposal<R: Recorder>(
    policy: &Policy,
    settings: &KnativeSettings,
    memory: &KnativeState,
    seen: &Seen,
    proposal: &Proposal,
    trace: &mut R,
) {
    let Averages { stable, panic } = seen.averages;
    let asked = proposal.asked;
    let Seen { current, ready, .. } = *seen;
    let measure = Measure { load: stable, target: settings.autoscaler.target, ready };
    trace.record(|| measure.step(policy, current, proposal.by_stable));
    trace.record(|| Step {
        stage: Stage::Size,
        from: seen.current,
        to: asked,
        rule: Rule::Knative(KnativeStep::Averages {
            ready: seen.ready,
            stable: Finite::new(stable).unwrap_or_default(),
            panic: Finite::new(panic).unwrap_or_default(),
            by_stable: proposal.by_stable,
            by_panic: proposal.by_panic,
            panic_window: settings.panic_window,
            panicking: proposal.panicking,
        }),
    });
    let mut step = |stage, from, to, step: KnativeStep| {
        trace.record(|| Step { stage, from, to, rule: Rule::Knative(step) });
    };
    let Proposal { within_rates, activated, held_by_panic, replicas, .. } = *proposal;
    let (least, most) = proposal.rates;
    step(Stage::Limit, asked, within_rates, KnativeStep::Rates { least, most });
    if activated != within_rates {
        let scale = settings.autoscaler.activation_scale;
        step(Stage::Size, within_rates, activated, KnativeStep::ActivationScale { scale });
    }
    if let Some(since) = memory.autoscaler.panic_at() {
        let until = since.saturating_add(settings.autoscaler.stable_window);
        step(Stage::Stabilize, activated, held_by_panic, KnativeStep::Panic { until });
    }
    if let Some(delay) = memory.autoscaler.delay().filter(|_| settings.autoscaler.reachable) {
        let until = delay.until().filter(|_| replicas != held_by_panic);
        step(Stage::Stabilize, held_by_panic, replicas, KnativeStep::Delay { until });
    }
}

fn record_bounds<R: Recorder>(
    settings: &KnativeSettings,
    wanted: i32,
    bounded: i32,
    trace: &mut R,
) {
    let ScaleToZeroSettings { min_scale, initial_scale, .. } = settings.scale_to_zero;
    let rule = if bounded < wanted {
        Rule::MaxReplicas
    } else if bounded == wanted {
        Rule::WithinBounds
    } else if bounded == min_scale {
        Rule::MinReplicas
    } else {
        Rule::Knative(KnativeStep::InitialScale { scale: initial_scale })
    };
    trace.record(|| Step { stage: Stage::Bound, from: wanted, to: bounded, rule });
}

/// What becomes of a count of 0.
fn record_verdict<R: Recorder>(
    now: Timestamp,
    verdict: &Verdict,
    (bounded, replicas): (i32, i32),
    trace: &mut R,
) {
    if verdict.fate == Fate::Wanted {
        return;
    }
    let again = verdict.again_after.map(|span| now.saturating_add(span));
    let rule = Rule::Knative(KnativeStep::ScaleToZero { fate: verdict.fate, again });
    trace.record(|| Step { stage: Stage::Bound, from: bounded, to: replicas, rule });
}
