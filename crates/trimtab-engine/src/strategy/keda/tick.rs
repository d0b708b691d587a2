//! One observation of KEDA's: the executor's poll, then what KEDA's metrics server tells the HPA.

use alloc::boxed::Box;
use alloc::vec::Vec;

use trimtab_metric::Quantity;

use super::executor::{Action, Poll, act};
use super::formula::to_milli;
use super::read::{Read, Reader};
use super::state::{ExecutorChange, KedaState};
use super::step::{CompositeResult, KedaStep, TriggerRead};
use crate::decision::Outcome;
use crate::float::to_i64;
use crate::observation::{MetricReading, Observation, Scale, Unavailable};
use crate::policy::{KedaModifiers, KedaSettings, Metric, MetricSource, Policy};
use crate::state::State;
use crate::strategy::StrategyState;
use crate::trace::{Recorder, Rule, Stage, Step};

/// One observation, as KEDA goes about it.
pub(crate) struct Tick<'a> {
    policy: &'a Policy,
    settings: &'a KedaSettings,
    observation: &'a Observation,
    scale: Scale,
    memory: Box<KedaState>,
}

/// What the executor came to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Execution {
    /// Everything is paused.
    Paused,
    /// It was not its time.
    NotDue,
    /// It writes this count, by the trigger at this place.
    Writes { replicas: i32, metric: Option<u32>, outcome: Outcome },
    /// It leaves the count to the HPA.
    Leaves(Outcome),
}

/// What the executor found at a poll.
struct Found {
    active: bool,
    error: bool,
    /// The first trigger that is active.
    by: Option<u32>,
}

impl<'a> Tick<'a> {
    /// Takes the memory out of the state.
    pub(crate) fn new(
        policy: &'a Policy,
        settings: &'a KedaSettings,
        state: &mut State,
        observation: &'a Observation,
        scale: Scale,
    ) -> Self {
        let memory = match state.strategy.take() {
            Some(StrategyState::Keda(mut memory)) => {
                memory.fit(settings);
                memory
            }
            _ => Box::new(KedaState::new(settings, observation.now)),
        };
        Self { policy, settings, observation, scale, memory }
    }

    /// Puts the memory back.
    pub(crate) fn remember(self, state: &mut State) {
        state.strategy = Some(StrategyState::Keda(self.memory));
    }

    /// The executor, if it is its time.
    pub(crate) fn execute<R: Recorder>(&mut self, trace: &mut R) -> Execution {
        let (now, current) = (self.observation.now, self.scale.spec_replicas);
        self.memory.change = None;
        if self.settings.pause.paused {
            // Both loops begin anew when the pause is over.
            (self.memory.next_poll, self.memory.next_sync) = (now, now);
            let to = self.settings.pause.replicas.unwrap_or(current);
            let rule = Rule::Keda(KedaStep::Paused);
            trace.record(|| Step { stage: Stage::Bound, from: current, to, rule });
            return Execution::Paused;
        }
        if now < self.memory.next_poll {
            if now < self.memory.next_sync {
                let KedaState { next_poll: poll, next_sync: sync, .. } = *self.memory;
                let rule = Rule::Keda(KedaStep::NotDue { poll, sync });
                trace.record(|| Step::unchanged(Stage::Sense, current, rule));
            }
            return Execution::NotDue;
        }
        self.memory.next_poll = now.saturating_add(self.settings.polling_interval);
        let found = self.poll(trace);
        let action = act(&self.settings.executor, &self.seen(&found));
        trace.record(|| Step {
            stage: Stage::Size,
            from: current,
            to: action.scale_to().unwrap_or(current),
            rule: Rule::Keda(KedaStep::Executor { action }),
        });
        self.carry_out(action, &found)
    }

    fn seen(&self, found: &Found) -> Poll {
        Poll {
            now: self.observation.now,
            current: self.scale.spec_replicas,
            active: found.active,
            error: found.error,
            last_active: self.memory.last_active,
            created: self.memory.created,
        }
    }

    fn carry_out(&mut self, action: Action, found: &Found) -> Execution {
        let now = self.observation.now;
        if action == Action::StayActive {
            self.memory.note_active(now);
        }
        let outcome = match (found.error, found.active) {
            (false, _) => Outcome::Decided,
            (true, true) => Outcome::PartiallyDecided,
            (true, false) => Outcome::MetricsUnknown,
        };
        match action.scale_to().filter(|replicas| *replicas != self.scale.spec_replicas) {
            None => Execution::Leaves(outcome),
            Some(replicas) => {
                let activates = matches!(action, Action::Activate { .. });
                self.memory.change = Some(ExecutorChange { at: now, activates });
                let outcome = match outcome {
                    Outcome::MetricsUnknown => Outcome::PartiallyDecided,
                    known => known,
                };
                Execution::Writes { replicas, metric: found.by, outcome }
            }
        }
    }

    /// Reads every trigger, and says whether any is active.
    fn poll<R: Recorder>(&mut self, trace: &mut R) -> Found {
        let mut found = Found { active: false, error: false, by: None };
        let composite = self.settings.modifiers.is_some();
        let reads = self.read_all(trace, |trigger, read| {
            found.error |= matches!(read, Read::Failed(_));
            if composite {
                return None; // the formula says
            }
            let active = match read {
                Read::Fallback(_) => true,
                read => read.number().is_some_and(|value| value > trigger.1),
            };
            found.active |= active;
            found.by = found.by.or(Some(trigger.0).filter(|_| active));
            Some(active)
        });
        if let Some(modifiers) = &self.settings.modifiers {
            let result = self.composite(modifiers, &reads);
            let active = !found.error
                && result.milli().is_some_and(|milli| {
                    Quantity::from_milli(milli).approx_f64() > modifiers.activation_target
                });
            found.active = active;
            found.by = Some(self.after_the_last()).filter(|_| active);
            self.record_composite(result, Some(active), trace);
        }
        // The pods' own metrics say nothing at 0: with nothing else it never goes there.
        let only_pods = self.settings.triggers.iter().all(|trigger| !trigger.external);
        found.active |= only_pods && !found.error;
        found
    }

    /// The executor's reads of the external triggers, in their order. `judge` gets the place and the
    /// activation threshold with what was read, and says whether the trigger is active.
    fn read_all<R: Recorder>(
        &mut self,
        trace: &mut R,
        mut judge: impl FnMut((u32, f64), Read) -> Option<bool>,
    ) -> Vec<Read> {
        let mut reads = Vec::new();
        for (place, trigger) in (0_u32..).zip(&self.settings.triggers) {
            if trigger.external {
                let read = self.reader().poll(place as usize);
                let active = judge((place, trigger.activation_threshold), read);
                self.record_read(place, read, active, trace);
                reads.push(read);
            }
        }
        reads
    }

    /// What KEDA's metrics server answers to the HPA, if it is its time: for each metric of the
    /// generated HPA what stands for the observed reading, or nothing where that one counts.
    pub(crate) fn metrics<R: Recorder>(
        &mut self,
        trace: &mut R,
    ) -> Option<Vec<Option<MetricReading>>> {
        let now = self.observation.now;
        if now < self.memory.next_sync {
            return None;
        }
        self.wait_for_next_sync();
        if self.scale.spec_replicas == 0 {
            return Some(Vec::new()); // the HPA asks nobody
        }
        let generated = self.settings.generated.metrics();
        let answers = generated.iter().zip(&self.settings.places).map(|(metric, place)| {
            match (metric.source(), &self.settings.modifiers) {
                (MetricSource::External, Some(modifiers)) => {
                    Some(self.answer_composite(modifiers, trace))
                }
                (MetricSource::External, None) => self.answer(*place, trace),
                _ => None,
            }
        });
        Some(answers.collect())
    }

    /// The HPA has looked, or did not get to.
    pub(crate) fn wait_for_next_sync(&mut self) {
        let now = self.observation.now;
        if now >= self.memory.next_sync {
            self.memory.next_sync = now.saturating_add(self.policy.hpa().sync_period);
        }
    }

    fn answer<R: Recorder>(&mut self, place: u32, trace: &mut R) -> Option<MetricReading> {
        let read = self.reader().sync(place as usize);
        match read {
            Read::Value(_) => return None, // as it was observed, series by series
            Read::Cached(_) | Read::Fallback(_) | Read::Nil | Read::Failed(_) => {}
        }
        self.record_read(place, read, None, trace);
        Some(match read {
            Read::Failed(why) => MetricReading::Unavailable(why),
            read => MetricReading::Totals(read.milli().into_iter().collect()),
        })
    }

    fn answer_composite<R: Recorder>(
        &mut self,
        modifiers: &KedaModifiers,
        trace: &mut R,
    ) -> MetricReading {
        let mut reads = Vec::new();
        for (place, trigger) in (0_u32..).zip(&self.settings.triggers) {
            if trigger.external {
                let read = self.reader().sync(place as usize);
                self.record_read(place, read, None, trace);
                reads.push(read);
            }
        }
        let result = self.composite(modifiers, &reads);
        let answer = match (result.milli(), first_failure(&reads)) {
            (Some(milli), _) => MetricReading::Totals([milli].to_vec()),
            (None, Some(why)) => MetricReading::Unavailable(why),
            (None, None) => MetricReading::Unavailable(Unavailable::Invalid),
        };
        self.record_composite(result, None, trace);
        answer
    }

    /// The formula's result, unless a fallback is at work or a trigger failed.
    fn composite(&self, modifiers: &KedaModifiers, reads: &[Read]) -> CompositeResult {
        let fallback = reads.iter().find_map(|read| match read {
            Read::Fallback(milli) => Some(*milli),
            _ => None,
        });
        if let Some(milli) = fallback {
            return CompositeResult::Fallback { milli };
        }
        if first_failure(reads).is_some() {
            return CompositeResult::TriggerFailed;
        }
        let Some(formula) = &modifiers.formula else { return CompositeResult::NotCompiled };
        let values: Vec<Option<f64>> = reads.iter().map(|read| read.number()).collect();
        match (formula.evaluate(&values), self.settings.executor.fallback_replicas) {
            (Ok(Some(value)), _) => match to_milli(value) {
                Some(milli) => CompositeResult::Value { milli },
                None => CompositeResult::OutOfRange,
            },
            (Ok(None), Some(replicas)) => {
                let milli = to_i64(f64::from(replicas) * modifiers.target * 1000.0);
                CompositeResult::Nil { milli }
            }
            (Ok(None), None) => CompositeResult::NoFallback,
            (Err(error), _) => CompositeResult::from(&error),
        }
    }

    fn reader(&mut self) -> Reader<'_> {
        Reader {
            settings: self.settings,
            memory: &mut self.memory,
            observation: self.observation,
            scale: self.scale,
        }
    }

    fn after_the_last(&self) -> u32 {
        u32::try_from(self.settings.triggers.len()).unwrap_or(u32::MAX)
    }

    fn record_read<R: Recorder>(
        &self,
        place: u32,
        read: Read,
        active: Option<bool>,
        trace: &mut R,
    ) {
        let failures = self.memory.failures.get(place as usize).copied().unwrap_or(0);
        trace.record(|| {
            let name = self.policy.metrics().get(place as usize).map(Metric::name);
            let name = name.unwrap_or_default().into();
            let read = match read {
                Read::Value(milli) => TriggerRead::Value { milli },
                Read::Cached(milli) => TriggerRead::Cached { milli },
                Read::Fallback(milli) => TriggerRead::Fallback { milli, failures },
                Read::Nil => TriggerRead::Nil { failures },
                Read::Failed(why) => TriggerRead::Failed { why, failures },
            };
            let rule = Rule::Keda(KedaStep::Trigger { name, read, active });
            Step::unchanged(Stage::Sense, self.scale.spec_replicas, rule)
        });
    }

    fn record_composite<R: Recorder>(
        &self,
        result: CompositeResult,
        active: Option<bool>,
        trace: &mut R,
    ) {
        let rule = Rule::Keda(KedaStep::Composite { result, active });
        trace.record(|| Step::unchanged(Stage::Sense, self.scale.spec_replicas, rule));
    }
}

fn first_failure(reads: &[Read]) -> Option<Unavailable> {
    reads.iter().find_map(|read| match read {
        Read::Failed(why) => Some(*why),
        _ => None,
    })
}
