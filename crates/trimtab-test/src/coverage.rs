//! What of a policy ever decided anything, over all of its tests?

use trimtab_engine::strategy::slo::SloStep;
use trimtab_engine::{
    DecisionRecord, Direction, Policy, PolicySpec, RateLimit, RateLimitKind, Rule, ScaleReason,
    SelectPolicy, SloRole, Strategy,
};
use trimtab_metric::Span;

use crate::feed::title;
use crate::words;

/// Which parts of a policy decided something.
///
/// A metric does when its proposal is the largest and not the present count; a rule does when it changes
/// what was asked for; a rate limit when it is the one that cuts.
#[derive(Clone, Debug)]
pub struct Coverage {
    parts: Vec<Part>,
    /// Per rate limit of `behavior`: its part, its way, and a policy that has it alone.
    limits: Vec<(usize, Direction, Policy)>,
}

/// A part of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The word that it is met by, such as `metric.cpu`; of a rate limit also which, such as
    /// `rate_limit.up[1]`.
    pub name: String,
    /// What it says, where the name does not.
    pub detail: Option<String>,
    /// How many decisions it decided something in.
    pub decisions: u64,
}

impl Coverage {
    /// Nothing so far. Only what can decide something is a part: a window of no length can't.
    pub fn new(policy: &Policy) -> Self {
        let mut coverage = Self { parts: Vec::new(), limits: Vec::new() };
        for (index, metric) in policy.metrics().iter().enumerate() {
            if !is_part(policy, index) {
                coverage.add(format!("metric.{}", title(metric)), None);
            }
        }
        coverage.behavior(policy);
        for word in ["bounds.min", "bounds.max"] {
            coverage.add(String::from(word), None);
        }
        for window in policy.schedules() {
            coverage.add(format!("schedule.{}", window.name), None);
        }
        let spec = policy.spec();
        let forecasts = spec.anticipate.iter().flat_map(|anticipate| &anticipate.forecast);
        for forecast in forecasts {
            coverage.add(format!("forecast.{}", forecast.metric), None);
        }
        for (word, is_set) in [
            ("override", spec.manual_override.is_some()),
            ("paused", spec.pause.is_some()),
            ("supply", spec.supply.is_some()),
            ("redundancy", spec.redundancy.is_some()),
            ("warm", spec.warm_pool.is_some()),
            ("retire", spec.retire.is_some()),
        ] {
            if is_set {
                coverage.add(String::from(word), None);
            }
        }
        coverage.strategy(policy);
        coverage
    }

    fn add(&mut self, name: String, detail: Option<String>) {
        if !self.parts.iter().any(|part| part.name == name) {
            self.parts.push(Part { name, detail, decisions: 0 });
        }
    }

    /// Windows and rate limits, one by one.
    fn behavior(&mut self, policy: &Policy) {
        let Some(behavior) = policy.behavior() else {
            if matches!(policy.strategy(), Strategy::Hpa | Strategy::Keda(_) | Strategy::Slo(_)) {
                self.add(String::from("stabilization.down"), None);
                self.add(String::from("rate_limit.up"), None);
            }
            return;
        };
        for (way, up, rules) in
            [("up", true, &behavior.scale_up), ("down", false, &behavior.scale_down)]
        {
            if rules.window > Span::ZERO {
                self.add(format!("stabilization.{way}"), Some(format!("{}", rules.window)));
            }
            if rules.select == SelectPolicy::Disabled {
                self.add(format!("rate_limit.{way}"), Some(String::from("disabled")));
                continue;
            }
            for (index, limit) in rules.limits.iter().enumerate() {
                // All of them may go at once: that is no limit.
                if !up && limit.kind == RateLimitKind::Percent && limit.value >= 100 {
                    continue;
                }
                let alone = alone(policy.spec(), up, index);
                let part = self.parts.len();
                self.add(format!("rate_limit.{way}[{index}]"), Some(detail(limit)));
                let direction = if up { Direction::Up } else { Direction::Down };
                self.limits.extend(alone.map(|alone| (part, direction, alone)));
            }
        }
    }

    /// The rules that only the strategy has.
    fn strategy(&mut self, policy: &Policy) {
        let spec = policy.spec();
        let to_zero = policy.bounds().min == 0;
        let words: &[(&str, bool)] = match policy.strategy() {
            Strategy::Keda(_) => &[("keda.activate", to_zero), ("keda.deactivate", to_zero)],
            Strategy::Knative(_) => {
                let delay = spec.knative.as_ref().and_then(|spec| spec.scale_down_delay_seconds);
                &[
                    ("knative.panic", true),
                    ("knative.delay", delay.is_some_and(|delay| delay > 0)),
                    ("knative.scale_to_zero", to_zero),
                ]
            }
            Strategy::RayServe(_) => &[("ray_serve.delay", true)],
            Strategy::Slo(slo) => {
                let has = |role| slo.signals.iter().any(|signal| signal.role == role);
                &[("slo.not_triggered", has(SloRole::Trigger)), ("slo.last_replica", to_zero)]
            }
            _ => &[],
        };
        for (word, _) in words.iter().filter(|(_, can)| *can) {
            self.add(String::from(*word), None);
        }
    }

    /// Takes in a decision of the policy.
    pub fn take(&mut self, policy: &Policy, record: &DecisionRecord) {
        let decision = &record.decision;
        let mut met: Vec<String> = words::of(policy, decision);
        let asks = !matches!(decision.reason, ScaleReason::None);
        met.retain(|word| asks || !word.starts_with("metric."));
        let steps = decision.trace.as_deref().unwrap_or_default();
        // What lets nothing go, or asks for one more, is no largest proposal and decides all the same.
        for step in steps.iter().filter(|step| step.from != step.to) {
            if let Rule::Slo(
                SloStep::Guard { metric, .. }
                | SloStep::Latency { metric, .. }
                | SloStep::HeldByLatency { metric },
            ) = &step.rule
            {
                let metric = usize::try_from(*metric).ok();
                let metric = metric.and_then(|index| policy.metrics().get(index));
                met.extend(metric.map(|metric| format!("metric.{}", title(metric))));
            }
        }
        let cuts = steps.iter().find_map(|step| match &step.rule {
            Rule::RateLimit { direction, limit } if step.from != step.to => {
                Some((*direction, *limit))
            }
            _ => None,
        });
        let limiting: Vec<usize> = match cuts {
            Some((direction, limit)) => self.limiting(record, direction, limit),
            None => Vec::new(),
        };
        let leaves = decision.retire.as_ref().is_some_and(|plan| {
            !(plan.drain.is_empty() && plan.retire.is_empty() && plan.take_back.is_empty())
        });
        let warms = decision.warm.as_ref().is_some_and(|plan| plan.promote + plan.demote > 0);
        for (index, part) in self.parts.iter_mut().enumerate() {
            let is_met = met.iter().any(|word| words::meets(word, &part.name))
                || limiting.contains(&index)
                || (part.name == "retire" && leaves)
                || (part.name == "warm" && warms);
            if is_met {
                part.decisions += 1;
            }
        }
    }

    /// Which rate limits are the ones that cut: those that cut to the same count alone. The engine says
    /// so; there is no second arithmetic for it.
    fn limiting(&self, record: &DecisionRecord, way: Direction, limit: i32) -> Vec<usize> {
        let of_way = self.limits.iter().filter(|(_, direction, _)| *direction == way);
        let cuts = |alone: &Policy| {
            let again =
                DecisionRecord::decide(alone, record.before.clone(), record.observation.clone());
            let steps = again.ok().and_then(|(again, _)| again.decision.trace).unwrap_or_default();
            steps.iter().any(|step| {
                matches!(&step.rule, Rule::RateLimit { direction, limit: own }
                    if *direction == way && *own == limit)
            })
        };
        of_way.filter(|(_, _, alone)| cuts(alone)).map(|(part, _, _)| *part).collect()
    }

    /// Adds what another of the same policy met.
    pub fn merge(&mut self, other: &Self) {
        for (part, other) in self.parts.iter_mut().zip(&other.parts) {
            part.decisions += other.decisions;
        }
    }

    /// The parts, in the order of the policy.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How many parts decided something.
    pub fn covered(&self) -> usize {
        self.parts.iter().filter(|part| part.decisions > 0).count()
    }

    /// The share of the parts that decided something, in percent.
    pub fn percent(&self) -> f64 {
        if self.parts.is_empty() {
            return 100.0;
        }
        100.0 * self.covered() as f64 / self.parts.len() as f64
    }
}

/// Whether a signal only belongs to another one's load.
fn is_part(policy: &Policy, index: usize) -> bool {
    match policy.strategy() {
        Strategy::Slo(slo) => {
            slo.signals.get(index).is_some_and(|signal| signal.role == SloRole::Part)
        }
        _ => false,
    }
}

/// What a rate limit says.
fn detail(limit: &RateLimit) -> String {
    let RateLimit { kind, value, period } = limit;
    match kind {
        RateLimitKind::Pods => format!("{value} pods per {period}"),
        RateLimitKind::Percent => format!("{value} % per {period}"),
    }
}

/// The policy with one of its rate limits alone.
fn alone(spec: &PolicySpec, up: bool, index: usize) -> Option<Policy> {
    let mut spec = spec.clone();
    let behavior = spec.behavior.as_mut()?;
    let rules = if up { behavior.scale_up.as_mut() } else { behavior.scale_down.as_mut() }?;
    let own = rules.policies.as_ref()?.get(index)?.clone();
    rules.policies = Some(vec![own]);
    Policy::new(spec).ok()
}
