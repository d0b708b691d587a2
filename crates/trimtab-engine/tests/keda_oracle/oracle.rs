//! KEDA's two loops, written down a second time: as plainly as KEDA's own code has them, with nothing
//! of the engine's `keda` but the order in which the two look, and around an HPA that is given.

use trimtab_engine::{
    Decision, FallbackBehavior, ObservationRecord, PodPhase, Policy, Readiness, ReadingRecord,
    ScaleUpdate, State, Unavailable, decide, settle,
};
use trimtab_metric::Quantity;

/// What of a `ScaledObject` KEDA itself looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScaledObject {
    pub(crate) min: i32,
    pub(crate) idle: Option<i32>,
    pub(crate) polling_seconds: i64,
    pub(crate) cooldown_seconds: i64,
    pub(crate) initial_cooldown_seconds: i64,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) modifiers: Option<Modifiers>,
    pub(crate) force_activation: bool,
    pub(crate) pause_scale_in: bool,
    pub(crate) pause_scale_out: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub(crate) metric: &'static str,
    pub(crate) target: Target,
    pub(crate) activation_threshold: f64,
    pub(crate) cached: bool,
}

#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Average(f64),
    Whole(f64),
    /// cpu and memory: the HPA reads them from the pods.
    Resource,
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct Fallback {
    pub(crate) failure_threshold: i32,
    pub(crate) replicas: i32,
    pub(crate) behavior: FallbackBehavior,
}

/// A formula over the external triggers; it fails where it returns no result, and may be nil.
pub(crate) type Formula = fn(&[Option<f64>]) -> Option<Option<f64>>;

#[derive(Clone, Debug)]
pub(crate) struct Modifiers {
    pub(crate) formula: Formula,
    pub(crate) target: &'static str,
    pub(crate) activation_target: f64,
    pub(crate) is_value: bool,
}

/// The whole of KEDA for one workload.
pub(crate) struct Keda {
    object: ScaledObject,
    /// The HPA that KEDA generates; the composite metric is called `composite-metric` there.
    hpa: Policy,
    hpa_state: State,
    /// Milliseconds, from the first look on.
    created: Option<i64>,
    next_poll: i64,
    next_sync: i64,
    last_active: Option<i64>,
    failures: Vec<i32>,
    /// What polls left for the HPA; a failure is nothing.
    cache: Vec<Option<Option<i64>>>,
    written: Option<Written>,
}

/// Who wrote a count, until it is known whether that came through.
enum Written {
    Executor { activates: bool, at: i64 },
    Hpa(Box<Decision>),
}

/// What a read comes to, after the fallback.
#[derive(Copy, Clone, PartialEq)]
enum Read {
    Value(i64),
    StandIn(i64),
    /// What counts as nil in the formula, and is reported as -1.
    Nil,
    Failed,
}

const SECOND: i64 = 1000;
const MINUS_ONE: i64 = -1000;

impl Keda {
    pub(crate) fn new(object: ScaledObject, hpa: Policy) -> Self {
        let triggers = object.triggers.len();
        Self {
            object,
            hpa_state: State::for_policy(&hpa),
            hpa,
            created: None,
            next_poll: 0,
            next_sync: 0,
            last_active: None,
            failures: vec![0; triggers],
            cache: vec![None; triggers],
            written: None,
        }
    }

    /// The count after a look, if it can be written.
    pub(crate) fn step(&mut self, seen: &ObservationRecord) -> i32 {
        let (now, current) = self.begin(seen);
        if now >= self.next_poll {
            self.next_poll = now + self.object.polling_seconds * SECOND;
            if let Some(replicas) = self.executor(seen, now, current) {
                if now >= self.next_sync {
                    self.next_sync = now + 15 * SECOND;
                }
                return replicas;
            }
        }
        if now < self.next_sync {
            return current;
        }
        self.next_sync = now + 15 * SECOND;
        self.sync(seen, current)
    }

    /// The same while an annotation pauses everything: KEDA stops its loop and deletes the HPA.
    pub(crate) fn step_paused(&mut self, seen: &ObservationRecord, replicas: Option<i32>) -> i32 {
        let (now, current) = self.begin(seen);
        (self.next_poll, self.next_sync) = (now, now);
        self.hpa_state = State::for_policy(&self.hpa);
        replicas.unwrap_or(current)
    }

    /// What became of the count that the last step wanted.
    pub(crate) fn settle(&mut self, applied: bool) {
        match self.written.take() {
            Some(Written::Executor { activates: true, at }) if applied => self.note_active(at),
            Some(Written::Hpa(decision)) => {
                let update = if applied { ScaleUpdate::Applied } else { ScaleUpdate::Rejected };
                let state = std::mem::take(&mut self.hpa_state);
                self.hpa_state = settle(&self.hpa, state, &decision, update);
            }
            _ => {}
        }
    }

    /// Failed reads in a row, of each trigger, and when one was last active.
    pub(crate) fn memory(&self) -> (&[i32], Option<i64>) {
        (&self.failures, self.last_active)
    }

    fn begin(&mut self, seen: &ObservationRecord) -> (i64, i32) {
        let now = seen.time.as_millis();
        self.created.get_or_insert(whole_seconds(now));
        self.written = None;
        (now, seen.replicas.unwrap())
    }

    fn note_active(&mut self, now: i64) {
        self.last_active = Some(whole_seconds(now));
    }

    /// `RequestScale`, branch by branch.
    fn executor(&mut self, seen: &ObservationRecord, now: i64, current: i32) -> Option<i32> {
        let (active, error) = self.state_of_triggers(seen, current);
        let ScaledObject { min, idle, fallback, .. } = self.object;
        let (mut to, mut activates) = (None, false);
        if active || self.object.force_activation {
            if (idle.is_some() && current < min) || current == 0 {
                if !self.object.pause_scale_out {
                    (to, activates) = (Some(if min > 0 { min } else { 1 }), true);
                }
            } else if !error {
                self.note_active(now);
            }
        } else if error && fallback.is_none_or(|fallback| fallback.replicas != 0) {
            // The HPA gets to the fallback's count; without a fallback nothing happens.
        } else if idle.is_some_and(|idle| current > idle) || (current > 0 && min == 0) {
            if !self.object.pause_scale_in && self.has_cooled_down(now) {
                to = Some(idle.unwrap_or(min));
            }
        } else if idle.is_none() && current < min {
            to = Some(min);
        }
        self.written = to.map(|_| Written::Executor { activates, at: now });
        to
    }

    fn has_cooled_down(&self, now: i64) -> bool {
        match self.last_active {
            Some(last) => last + self.object.cooldown_seconds * SECOND < now,
            None => self.created.unwrap() + self.object.initial_cooldown_seconds * SECOND < now,
        }
    }

    /// `getScaledObjectState`: whether any trigger is active, and whether any failed.
    fn state_of_triggers(&mut self, seen: &ObservationRecord, current: i32) -> (bool, bool) {
        let (mut active, mut error) = (false, false);
        let mut reads = Vec::new();
        for place in self.external() {
            let raw = observed(seen, self.object.triggers[place].metric);
            let read = self.with_fallback(place, raw, seen, current);
            let trigger = &self.object.triggers[place];
            active |= match read {
                Read::Value(milli) => number(milli) > trigger.activation_threshold,
                Read::StandIn(_) => true,
                Read::Nil | Read::Failed => false,
            };
            error |= read == Read::Failed;
            if trigger.cached {
                self.cache[place] = Some(reported(read));
            }
            reads.push(read);
        }
        if let Some(modifiers) = &self.object.modifiers {
            let composite = self.composite(modifiers, &reads);
            active = !error && composite.is_some_and(|it| number(it) > modifiers.activation_target);
        }
        if reads.is_empty() && !error {
            active = true;
        }
        (active, error)
    }

    /// The HPA's look. At 0 it asks nobody.
    fn sync(&mut self, seen: &ObservationRecord, current: i32) -> i32 {
        let asked = match current {
            0 => ObservationRecord { readings: Vec::new(), ..seen.clone() },
            _ => self.answers(seen, current),
        };
        let observation = asked.resolve(&self.hpa).unwrap();
        let (decision, state) =
            decide(&self.hpa, std::mem::take(&mut self.hpa_state), &observation);
        self.hpa_state = state;
        let replicas = decision.desired_replicas;
        self.written = Some(Written::Hpa(Box::new(decision)));
        replicas
    }

    /// What KEDA's metrics server tells the HPA.
    fn answers(&mut self, seen: &ObservationRecord, current: i32) -> ObservationRecord {
        let mut asked = seen.clone();
        let mut reads = Vec::new();
        for place in self.external() {
            let trigger = &self.object.triggers[place];
            let (metric, cached) = (trigger.metric, self.cache[place].filter(|_| trigger.cached));
            let raw = cached.unwrap_or_else(|| observed(seen, metric));
            let read = self.with_fallback(place, raw, seen, current);
            asked.readings.retain(|reading| reading.metric != metric);
            if self.object.modifiers.is_none() {
                asked.readings.push(answer(metric, reported(read)));
            }
            reads.push(read);
        }
        if let Some(modifiers) = &self.object.modifiers {
            let composite = self.composite(modifiers, &reads);
            asked.readings.push(answer("composite-metric", composite));
        }
        asked
    }

    fn external(&self) -> Vec<usize> {
        let external = |place: &usize| self.object.triggers[*place].target != Target::Resource;
        (0..self.object.triggers.len()).filter(external).collect()
    }

    /// `GetMetricsWithFallback`
    fn with_fallback(
        &mut self,
        place: usize,
        raw: Option<i64>,
        seen: &ObservationRecord,
        current: i32,
    ) -> Read {
        let valid = |fallback: &Fallback| {
            let whole = |text: &str| text.parse::<i64>().is_ok_and(|target| target > 0);
            fallback.failure_threshold >= 0
                && fallback.replicas >= 0
                && self.object.modifiers.as_ref().is_none_or(|modifiers| whole(modifiers.target))
        };
        let Some(fallback) = self.object.fallback.filter(valid) else {
            return raw.map_or(Read::Failed, Read::Value);
        };
        if let Some(milli) = raw {
            self.failures[place] = 0;
            return Read::Value(milli);
        }
        self.failures[place] += 1;
        if self.failures[place] <= fallback.failure_threshold {
            return Read::Failed;
        }
        if fallback.behavior == FallbackBehavior::ScalingModifiers {
            return Read::Nil;
        }
        self.stand_in(place, fallback, seen, current).map_or(Read::Failed, Read::StandIn)
    }

    /// `doFallback`
    fn stand_in(
        &self,
        place: usize,
        fallback: Fallback,
        seen: &ObservationRecord,
        current: i32,
    ) -> Option<i64> {
        let mut replicas = match fallback.behavior {
            FallbackBehavior::CurrentReplicas => f64::from(current),
            FallbackBehavior::CurrentReplicasIfHigher if current > fallback.replicas => {
                f64::from(current)
            }
            FallbackBehavior::CurrentReplicasIfLower if current < fallback.replicas => {
                f64::from(current)
            }
            _ => f64::from(fallback.replicas),
        };
        let (target, is_value) = match (&self.object.modifiers, self.object.triggers[place].target)
        {
            (Some(modifiers), _) => (modifiers.target.parse().unwrap(), modifiers.is_value),
            (None, Target::Average(target)) => (target, false),
            (None, Target::Whole(target)) => (target, true),
            (None, Target::Resource) => return None,
        };
        if is_value {
            let ready = ready(seen);
            if ready == 0 {
                return None;
            }
            replicas /= f64::from(ready);
        }
        Some((target * 1000.0 * replicas) as i64)
    }

    /// `HandleScalingModifiers`: a fallback that is at work, or the formula.
    fn composite(&self, modifiers: &Modifiers, reads: &[Read]) -> Option<i64> {
        for read in reads {
            if let Read::StandIn(milli) = read {
                return Some(*milli);
            }
        }
        if reads.contains(&Read::Failed) {
            return None;
        }
        let values: Vec<Option<f64>> = reads
            .iter()
            .map(|read| match read {
                Read::Value(milli) => Some(number(*milli)),
                _ => None,
            })
            .collect();
        let result = match (modifiers.formula)(&values)? {
            Some(result) => result,
            None => {
                let target: f64 = modifiers.target.parse().unwrap();
                f64::from(self.object.fallback?.replicas) * target
            }
        };
        Some((result * 1000.0) as i64)
    }
}

fn reported(read: Read) -> Option<i64> {
    match read {
        Read::Value(milli) | Read::StandIn(milli) => Some(milli),
        Read::Nil => Some(MINUS_ONE),
        Read::Failed => None,
    }
}

/// The sum of what an external metric shows.
fn observed(seen: &ObservationRecord, metric: &str) -> Option<i64> {
    let reading = seen.readings.iter().find(|reading| reading.metric == metric)?;
    match (&reading.value, &reading.values) {
        (Some(value), _) => Some(value.milli()),
        (None, Some(values)) if !values.is_empty() => {
            Some(values.iter().map(Quantity::milli).sum())
        }
        _ => None,
    }
}

fn answer(metric: &str, milli: Option<i64>) -> ReadingRecord {
    let mut reading = ReadingRecord { metric: metric.into(), ..ReadingRecord::default() };
    match milli {
        Some(milli) => reading.values = Some(vec![Quantity::from_milli(milli)]),
        None => reading.unavailable = Some(Unavailable::Failed),
    }
    reading
}

fn ready(seen: &ObservationRecord) -> u32 {
    let is_ready = |pod: &&trimtab_engine::PodRecord| {
        pod.phase == PodPhase::Running
            && pod.ready.is_some_and(|condition| condition.status == Readiness::True)
    };
    u32::try_from(seen.pods.iter().filter(is_ready).count()).unwrap()
}

fn number(milli: i64) -> f64 {
    Quantity::from_milli(milli).approx_f64()
}

/// A Kubernetes object holds times in whole seconds.
fn whole_seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(SECOND) * SECOND
}
