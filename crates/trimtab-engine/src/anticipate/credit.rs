//! Replicas on their way are part of the answer: no more are asked for because they are not there yet.

use libm::{ceil, fmax};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::explain::AnticipateStep;
use super::lead_time::begun;
use crate::observation::{Observation, Readiness, Scale, Standing};
use crate::policy::{CreditRules, Finite};
use crate::strategy::slo::count;

/// How long after all that was asked for serves it is given to show: what is measured still holds
/// the time before.
const SETTLE: Span = Span::from_secs(60);
/// What is subtracted before rounding up, in replicas.
const ROUNDING: f64 = 1e-9;

/// What was asked for, from when the want first exceeded what was there until it no longer does.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Order {
    /// When it last became more.
    at: Timestamp,
    /// What was asked for when nothing was on its way, at most what the load takes; later the most that
    /// was seen not to be enough.
    base: i32,
    /// The most that was admitted.
    asked: i32,
    /// The load at that time, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    load: Option<Finite>,
    /// Since when all of it serves, and the want at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settling: Option<Settling>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settling {
    since: Timestamp,
    want: i32,
}

/// What the credit goes by at one time.
#[derive(Copy, Clone)]
pub(super) struct Sight {
    pub(super) now: Timestamp,
    pub(super) current: i32,
    pub(super) lead_time: Span,
    /// Those on their way that are not overdue.
    pub(super) starting: i32,
    /// Some that were asked for do not serve.
    pub(super) is_short: bool,
    /// The load of the forecast's metric, if it is known.
    pub(super) load: Option<Finite>,
    /// How many replicas that load takes.
    pub(super) takes: Option<i32>,
}

/// A load, and how many replicas it takes.
#[derive(Copy, Clone)]
pub(super) struct Load {
    pub(super) value: Finite,
    pub(super) takes: i32,
}

impl Sight {
    pub(super) fn new(
        rules: CreditRules,
        observation: &Observation,
        scale: Scale,
        order: Option<Order>,
        (lead_time, load): (Span, Option<Load>),
    ) -> Self {
        let (load, takes) = (load.map(|load| load.value), load.map(|load| load.takes));
        let (now, current) = (observation.now, scale.spec_replicas);
        let half_as_long_again = lead_time.as_millis().saturating_mul(3).div_euclid(2);
        let overdue_after = rules.overdue_after.unwrap_or(Span::from_millis(half_as_long_again));
        // Of a replica without a pod, only the time at which it was asked for is known.
        let is_young = |after: Span| order.is_some_and(|order| now.since(order.at) < after);
        let pods = &observation.pods;
        if pods.is_empty() {
            let missing = current.saturating_sub(scale.status_replicas).max(0);
            let starting = if missing > 0 && is_young(overdue_after) {
                missing
            } else if is_young(lead_time) {
                1 // they are there, and for all that is known they start
            } else {
                0
            };
            return Self { now, current, lead_time, starting, is_short: missing > 0, load, takes };
        }
        let (mut ready, mut starting, mut there) = (0_i32, 0_i32, 0_i32);
        for (row, (standing, pod)) in pods.standing().iter().zip(pods.startup()).enumerate() {
            if *standing == Standing::Ignored {
                continue;
            }
            there = there.saturating_add(1);
            if *standing == Standing::Live && pod.readiness == Readiness::True {
                ready = ready.saturating_add(1);
            } else if begun(pods, row, pod).is_none_or(|at| now.since(at) < overdue_after) {
                starting = starting.saturating_add(1);
            }
        }
        if is_young(overdue_after) {
            starting = starting.saturating_add(current.saturating_sub(there).max(0));
        }
        // Pods beyond the count, such as those of a rollout, are nobody's order.
        let starting = starting.min(current.saturating_sub(ready).max(0));
        Self { now, current, lead_time, starting, is_short: ready < current, load, takes }
    }
}

/// What is admitted of `want`, what is remembered from now on, and what is to be told if that is less.
pub(super) fn admit(
    rules: CreditRules,
    order: Option<Order>,
    want: i32,
    seen: Sight,
) -> (i32, Option<Order>, Option<AnticipateStep>) {
    let Sight { now, current, .. } = seen;
    let Some(mut order) = order else {
        return begin(rules, want, seen);
    };
    if order.load.is_none_or(|load| load.get() <= 0.0) {
        order.load = seen.load;
    }
    let phase = order.phase(rules, want, seen);
    let (limit, step) = match phase {
        Phase::Over => return (want, None, None),
        Phase::Starting { limit, growth } => {
            let (starting, asked) = (seen.starting, order.asked);
            (limit, AnticipateStep::OnTheWay { starting, asked, growth, limit })
        }
        Phase::Settling { limit } => (limit, AnticipateStep::JustReady { limit }),
        Phase::NotEnough { limit } => {
            (limit, AnticipateStep::NotEnough { asked: order.base, limit })
        }
    };
    let admitted = want.min(limit.max(current));
    if admitted > order.asked.max(current) {
        order.at = now;
        order.settling = None;
    }
    order.asked = order.asked.max(admitted);
    (admitted, Some(order), (admitted < want).then_some(step))
}

/// Nothing is on its way: what is wanted is asked for, as far as it is in proportion to the load.
fn begin(
    rules: CreditRules,
    want: i32,
    seen: Sight,
) -> (i32, Option<Order>, Option<AnticipateStep>) {
    let Sight { now, current, load, takes, .. } = seen;
    if want <= current {
        return (want, None, None);
    }
    let limit = takes.map(|takes| {
        let most = count(ceil(rules.factor * f64::from(takes) - ROUNDING));
        (takes, most.max(current.saturating_add(1)))
    });
    let asked = limit.map_or(want, |(_, limit)| want.min(limit));
    let step = limit.filter(|_| asked < want);
    let step = step.map(|(takes, limit)| AnticipateStep::BeyondTheLoad { takes, limit });
    let base = takes.map_or(asked, |takes| asked.min(takes)).max(1);
    (asked, Some(Order { at: now, base, asked, load, settling: None }), step)
}

enum Phase {
    /// No more is wanted than there is.
    Over,
    /// Some are on their way.
    Starting { limit: i32, growth: Option<Finite> },
    /// All serve, and what they do is to be waited for.
    Settling { limit: i32 },
    /// All serve, or never will, and it is not enough.
    NotEnough { limit: i32 },
}

impl Order {
    fn phase(&mut self, rules: CreditRules, want: i32, seen: Sight) -> Phase {
        let growth = self.growth(seen.load);
        let grown = f64::from(self.base) * growth.map_or(1.0, Finite::get);
        let most = |replicas: f64| count(ceil(rules.factor * replicas - ROUNDING));
        if seen.starting > 0 {
            self.settling = None;
            // Without a load only a want that is out of all proportion is believed.
            let limit = if growth.is_none() && want > most(grown) {
                most(grown)
            } else {
                count(ceil(grown - ROUNDING))
            };
            return Phase::Starting { limit: limit.max(self.asked), growth };
        }
        if want <= seen.current {
            return Phase::Over;
        }
        if seen.is_short {
            return Phase::NotEnough { limit: most(grown) }; // the rest is overdue
        }
        let since = *self.settling.get_or_insert(Settling { since: seen.now, want });
        let passed = seen.now.since(since.since);
        if passed < SETTLE {
            return Phase::Settling { limit: count(ceil(grown - ROUNDING)) };
        }
        if want < since.want {
            let fallen = f64::from(since.want.saturating_sub(want));
            let left = f64::from(want.saturating_sub(seen.current));
            let in_time = fallen * seen.lead_time.as_secs_f64() / passed.as_secs_f64();
            self.settling = Some(Settling { since: seen.now, want });
            if in_time >= left {
                return Phase::Settling { limit: count(ceil(grown - ROUNDING)) };
            }
            return Phase::NotEnough { limit: most(grown) };
        }
        // So many were not enough for the load of now.
        self.base = count(fmax(ceil(grown - ROUNDING), f64::from(seen.current)));
        self.load = seen.load.or(self.load);
        self.settling = Some(Settling { since: seen.now, want });
        let one_more = self.base.saturating_add(1);
        Phase::NotEnough { limit: most(f64::from(self.base)).max(one_more) }
    }

    /// How many times the load of then the load of now is, at least once; nothing where one is not known.
    fn growth(&self, load: Option<Finite>) -> Option<Finite> {
        let then = self.load.map(Finite::get).filter(|then| *then > 0.0)?;
        Finite::new(fmax(load?.get() / then, 1.0))
    }
}
