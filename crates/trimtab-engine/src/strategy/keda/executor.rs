//! KEDA's executor: who moves the count between 0 (or idle) and the minimum, and when?

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

/// The part of a `ScaledObject` that the executor looks at.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutorSettings {
    /// `minReplicaCount`
    pub min: i32,
    /// `idleReplicaCount`
    pub idle: Option<i32>,
    /// `cooldownPeriod`
    pub cooldown: Span,
    /// `initialCooldownPeriod`
    pub initial_cooldown: Span,
    /// `fallback.replicas`, whether or not the fallback is valid.
    pub fallback_replicas: Option<i32>,
    /// Annotation `autoscaling.keda.sh/force-activation`
    pub force_activation: bool,
    /// Annotation `autoscaling.keda.sh/paused-scale-in`
    pub pause_scale_in: bool,
    /// Annotation `autoscaling.keda.sh/paused-scale-out`
    pub pause_scale_out: bool,
}

/// What the executor sees at one poll.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// When.
    pub now: Timestamp,
    /// How many replicas there are.
    pub current: i32,
    /// Some trigger is active.
    pub active: bool,
    /// Some trigger could not be read, and no fallback stands in for it.
    pub error: bool,
    /// When a trigger was last active.
    pub last_active: Option<Timestamp>,
    /// When the `ScaledObject` was made.
    pub created: Timestamp,
}

/// What the executor does.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Action {
    /// A trigger is active and there are too few replicas: to the minimum, at least 1. Once that is
    /// written, the trigger counts as active from now on.
    Activate {
        /// The count.
        to: i32,
    },
    /// The same, but the way up is paused.
    ActivationPaused,
    /// A trigger is active, and there is nothing to do; it counts as active from now on.
    StayActive,
    /// A trigger is active while another cannot be read: nothing to do, and nothing is noted.
    PartialError,
    /// No trigger is active and one cannot be read: the fallback will say.
    AwaitFallback,
    /// No trigger is active and one cannot be read, without a fallback: nothing goes to 0.
    TriggerError,
    /// No trigger has been active for the cooldown: to idle, or to the minimum of 0.
    Deactivate {
        /// The count.
        to: i32,
    },
    /// No trigger is active, but one was within the cooldown.
    CoolDown {
        /// The first moment after it.
        until: Timestamp,
    },
    /// The cooldown is over, but the way down is paused.
    DeactivationPaused,
    /// No trigger is active, and there are fewer replicas than the minimum.
    RaiseToMin {
        /// The count.
        to: i32,
    },
    /// No trigger is active, and there is nothing to do.
    Rest,
}

impl Action {
    /// The count that is written, if one is.
    pub const fn scale_to(self) -> Option<i32> {
        match self {
            Self::Activate { to } | Self::Deactivate { to } | Self::RaiseToMin { to } => Some(to),
            _ => None,
        }
    }
}

/// What KEDA's executor does at a poll: the first row of its table that fits.
///
/// From any count it goes straight to 0 or idle, past the HPA's `behavior`. On an error it goes
/// to 0 only if a fallback is configured whose count is 0.
///
/// ```
/// use trimtab_engine::strategy::keda::{Action, ExecutorSettings, Poll, act};
/// use trimtab_metric::{Span, Timestamp};
///
/// let settings = ExecutorSettings { cooldown: Span::from_secs(300), ..Default::default() };
/// let quiet = Poll {
///     now: Timestamp::from_secs(400),
///     current: 7,
///     active: false,
///     error: false,
///     last_active: Some(Timestamp::from_secs(90)),
///     created: Timestamp::from_secs(0),
/// };
/// assert_eq!(act(&settings, &quiet), Action::Deactivate { to: 0 });
/// assert_eq!(act(&settings, &Poll { error: true, ..quiet }), Action::TriggerError);
/// let busy = Poll { active: true, current: 0, ..quiet };
/// assert_eq!(act(&settings, &busy), Action::Activate { to: 1 });
/// ```
pub fn act(settings: &ExecutorSettings, poll: &Poll) -> Action {
    let ExecutorSettings { min, idle, .. } = *settings;
    let current = poll.current;
    if poll.active || settings.force_activation {
        return if current == 0 || (idle.is_some() && current < min) {
            match settings.pause_scale_out {
                true => Action::ActivationPaused,
                false => Action::Activate { to: min.max(1) },
            }
        } else if poll.error {
            Action::PartialError
        } else {
            Action::StayActive
        };
    }
    let above_idle = idle.is_some_and(|idle| current > idle);
    match (poll.error, settings.fallback_replicas) {
        (true, Some(replicas)) if replicas != 0 => Action::AwaitFallback,
        (true, None) => Action::TriggerError,
        _ if above_idle || (current > 0 && min == 0) => deactivate(settings, poll),
        _ if idle.is_none() && current < min => Action::RaiseToMin { to: min },
        _ => Action::Rest,
    }
}

/// Down to idle, or to the minimum, which is 0: once the cooldown is over.
fn deactivate(settings: &ExecutorSettings, poll: &Poll) -> Action {
    if settings.pause_scale_in {
        return Action::DeactivationPaused;
    }
    let last = match poll.last_active {
        Some(active) => active.saturating_add(settings.cooldown),
        None => poll.created.saturating_add(settings.initial_cooldown),
    };
    if last < poll.now {
        Action::Deactivate { to: settings.idle.unwrap_or(settings.min) }
    } else {
        Action::CoolDown { until: last.saturating_add(Span::from_millis(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ExecutorSettings = ExecutorSettings {
        min: 0,
        idle: None,
        cooldown: Span::from_secs(300),
        initial_cooldown: Span::from_secs(60),
        fallback_replicas: None,
        force_activation: false,
        pause_scale_in: false,
        pause_scale_out: false,
    };

    fn poll(current: i32, active: bool, error: bool) -> Poll {
        Poll {
            now: Timestamp::from_secs(1000),
            current,
            active,
            error,
            last_active: Some(Timestamp::from_secs(0)),
            created: Timestamp::from_secs(0),
        }
    }

    /// KEDA's table, row by row: active.
    #[test]
    fn active() {
        let min_2 = ExecutorSettings { min: 2, ..SETTINGS };
        let idle = ExecutorSettings { min: 4, idle: Some(1), ..SETTINGS };
        let no_out = ExecutorSettings { pause_scale_out: true, ..SETTINGS };
        for error in [false, true] {
            assert_eq!(act(&SETTINGS, &poll(0, true, error)), Action::Activate { to: 1 });
            assert_eq!(act(&min_2, &poll(0, true, error)), Action::Activate { to: 2 });
            assert_eq!(act(&idle, &poll(1, true, error)), Action::Activate { to: 4 });
            assert_eq!(act(&no_out, &poll(0, true, error)), Action::ActivationPaused);
        }
        // Without idling the HPA brings one to two.
        assert_eq!(act(&min_2, &poll(1, true, false)), Action::StayActive);
        assert_eq!(act(&SETTINGS, &poll(3, true, false)), Action::StayActive);
        assert_eq!(act(&SETTINGS, &poll(3, true, true)), Action::PartialError);
        assert_eq!(act(&idle, &poll(4, true, true)), Action::PartialError);
    }

    #[test]
    fn forced_activation_counts_as_a_trigger() {
        let forced = ExecutorSettings { force_activation: true, ..SETTINGS };
        assert_eq!(act(&forced, &poll(0, false, true)), Action::Activate { to: 1 });
        assert_eq!(act(&forced, &poll(3, false, false)), Action::StayActive);
        assert_eq!(act(&forced, &poll(3, false, true)), Action::PartialError);
    }

    /// KEDA's table, row by row: inactive.
    #[test]
    fn inactive() {
        let fallback =
            |replicas| ExecutorSettings { fallback_replicas: Some(replicas), ..SETTINGS };
        let min_2 = ExecutorSettings { min: 2, ..SETTINGS };
        let idle = ExecutorSettings { min: 4, idle: Some(1), ..SETTINGS };
        let no_in = ExecutorSettings { pause_scale_in: true, ..SETTINGS };
        assert_eq!(act(&fallback(5), &poll(3, false, true)), Action::AwaitFallback);
        assert_eq!(act(&SETTINGS, &poll(3, false, true)), Action::TriggerError);
        assert_eq!(act(&fallback(0), &poll(3, false, true)), Action::Deactivate { to: 0 });
        assert_eq!(act(&SETTINGS, &poll(9, false, false)), Action::Deactivate { to: 0 });
        assert_eq!(act(&no_in, &poll(9, false, false)), Action::DeactivationPaused);
        assert_eq!(act(&idle, &poll(9, false, false)), Action::Deactivate { to: 1 });
        assert_eq!(act(&idle, &poll(1, false, false)), Action::Rest);
        assert_eq!(act(&idle, &poll(0, false, false)), Action::Rest);
        assert_eq!(act(&min_2, &poll(0, false, false)), Action::RaiseToMin { to: 2 });
        assert_eq!(act(&min_2, &poll(2, false, false)), Action::Rest);
        assert_eq!(act(&min_2, &poll(9, false, false)), Action::Rest);
        assert_eq!(act(&SETTINGS, &poll(0, false, false)), Action::Rest);
    }

    /// Both cooldowns have to be exceeded, not only reached.
    #[test]
    fn cooldowns_are_strict() {
        let at = |seconds, last_active| {
            let now = Timestamp::from_secs(seconds);
            act(&SETTINGS, &Poll { now, last_active, ..poll(1, false, false) })
        };
        let active = Some(Timestamp::from_secs(0));
        let until =
            |seconds: i64| Action::CoolDown { until: Timestamp::from_millis(seconds * 1000 + 1) };
        assert_eq!(at(300, active), until(300));
        assert_eq!(at(301, active), Action::Deactivate { to: 0 });
        assert_eq!(at(60, None), until(60));
        assert_eq!(at(61, None), Action::Deactivate { to: 0 });
    }
}
