//! May the last replica go? The bounds, and what Knative's reconciler does when nothing is wanted.

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

/// What the reconciler knows of a revision.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct ScaleToZeroSettings {
    /// `min-scale`; it counts while the revision is reachable.
    pub min_scale: i32,
    /// `max-scale`; 0: no limit.
    pub max_scale: i32,
    /// The count that the revision has to reach once, while it is reachable.
    pub initial_scale: i32,
    /// Whether a route leads to the revision.
    pub reachable: bool,
    /// Whether the count may go to 0 at all.
    pub enabled: bool,
    /// For how long a revision is active at least.
    pub stable_window: Span,
    /// How long it may take to become active; 30 s more are given.
    pub progress_deadline: Span,
    /// -1: the activator is always in the path, and need not be probed.
    pub target_burst_capacity: f64,
    /// For how long the activator has been in the path before the last replica goes.
    pub grace_period: Span,
    /// For how long an inactive revision keeps its last replica, while it is reachable.
    pub pod_retention: Span,
}

/// How far a revision has come.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Replicas are wanted and not yet ready.
    Activating,
    /// Enough replicas are ready.
    Active,
    /// Nothing is wanted.
    Inactive,
}

/// What the reconciler sees of a revision for which nothing is wanted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// How far it has come.
    pub phase: Phase,
    /// For how long it has been there.
    pub phase_age: Span,
    /// Whether requests are known to pass the activator.
    pub probed: bool,
    /// Whether the activator is meant to be in the path.
    pub proxy_mode: bool,
    /// For how long it has been.
    pub proxied_for: Span,
}

/// What the reconciler makes of a count.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it, and why.
    pub fate: Fate,
    /// The count: 0 or more, `None` if nothing is said about it.
    pub replicas: Option<i32>,
    /// When the reconciler looks again, if by time alone.
    pub again_after: Option<Span>,
}

/// What becomes of a count, and why.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// It is above 0 and written.
    Wanted,
    /// 1 is written: the count must not be 0.
    NeverZero,
    /// 1 is written: the revision has not been active for a stable window.
    StillActive,
    /// Nothing is written: from now on the revision is inactive.
    Deactivated,
    /// Nothing is written: the revision is still becoming ready.
    StillActivating,
    /// 0 is written: it did not become ready in time.
    TimedOut,
    /// Nothing is written: requests may not pass the activator yet. A probe is sent.
    NotProxied,
    /// Nothing is written: the last replica is retained.
    Retained,
    /// Nothing is written: the activator has not been in the path for the grace period.
    InGrace,
    /// 0 is written.
    Zero,
}

impl Fate {
    /// Whether the count is written.
    pub const fn is_applied(self) -> bool {
        matches!(
            self,
            Self::Wanted | Self::NeverZero | Self::StillActive | Self::TimedOut | Self::Zero
        )
    }
}

impl ScaleToZeroSettings {
    /// What a revision gets beyond its progress deadline.
    pub const ACTIVATION_BUFFER: Span = Span::from_secs(30);
    /// When the reconciler looks again at a revision that it has just made inactive, if the
    /// activator was in the path already.
    pub const PROXIED_ALREADY: Span = Span::from_secs(3);

    /// The count within the bounds, as they are for a revision that has, or has not, reached its
    /// initial scale before.
    pub fn bounded(&self, replicas: i32, initialized: bool) -> i32 {
        let min = if initialized || self.initial_scale <= 1 || !self.reachable {
            self.min()
        } else {
            self.min().max(self.initial_scale)
        };
        if replicas < min {
            min
        } else if self.max_scale > 0 && replicas > self.max_scale {
            self.max_scale
        } else {
            replicas
        }
    }

    /// What becomes of a count that is within the bounds.
    ///
    /// ```
    /// use trimtab_engine::strategy::knative::{Fate, Phase, ScaleToZeroSettings, Situation};
    /// use trimtab_metric::Span;
    ///
    /// let settings = ScaleToZeroSettings {
    ///     min_scale: 0,
    ///     max_scale: 0,
    ///     initial_scale: 1,
    ///     reachable: true,
    ///     enabled: true,
    ///     stable_window: Span::from_secs(60),
    ///     progress_deadline: Span::from_secs(600),
    ///     target_burst_capacity: 211.0,
    ///     grace_period: Span::from_secs(30),
    ///     pod_retention: Span::ZERO,
    /// };
    /// let idle = Situation {
    ///     phase: Phase::Inactive,
    ///     phase_age: Span::from_secs(2),
    ///     probed: true,
    ///     proxy_mode: true,
    ///     proxied_for: Span::from_secs(10),
    /// };
    /// let verdict = settings.judge(0, &idle);
    /// assert_eq!(verdict.fate, Fate::InGrace);
    /// assert_eq!(verdict.again_after, Some(Span::from_secs(20)));
    /// ```
    pub fn judge(&self, replicas: i32, at: &Situation) -> Verdict {
        let verdict =
            |fate, replicas| Verdict { fate, replicas: Some(replicas), again_after: None };
        if replicas != 0 {
            return verdict(Fate::Wanted, replicas);
        }
        if !self.enabled {
            return verdict(Fate::NeverZero, 1);
        }
        match at.phase {
            Phase::Activating => {
                let timeout = self.progress_deadline.saturating_add(Self::ACTIVATION_BUFFER);
                if at.phase_age > timeout {
                    return verdict(Fate::TimedOut, 0);
                }
                Verdict { fate: Fate::StillActivating, replicas: None, again_after: Some(timeout) }
            }
            Phase::Active if at.phase_age >= self.stable_window => Verdict {
                again_after: at.proxy_mode.then_some(Self::PROXIED_ALREADY),
                ..verdict(Fate::Deactivated, 0)
            },
            Phase::Active => Verdict {
                again_after: Some(self.stable_window.saturating_sub(at.phase_age)),
                ..verdict(Fate::StillActive, 1)
            },
            Phase::Inactive => {
                let (fate, again_after) = self.last_replica(at);
                Verdict { again_after, ..verdict(fate, 0) }
            }
        }
    }

    /// How many replicas have to be ready for a revision to be active.
    pub(super) fn active_threshold(&self, initialized: bool) -> i32 {
        self.min().max(if initialized { 1 } else { self.initial_scale })
    }

    fn min(&self) -> i32 {
        if self.reachable { self.min_scale } else { 0 }
    }

    fn last_replica(&self, at: &Situation) -> (Fate, Option<Span>) {
        if self.target_burst_capacity != -1.0 && !at.probed {
            return (Fate::NotProxied, None);
        }
        let retention = if self.reachable { self.pod_retention } else { Span::ZERO };
        if at.phase_age >= self.grace_period.max(retention) {
            return (Fate::Zero, None);
        }
        if at.phase_age < retention {
            return (Fate::Retained, Some(retention.saturating_sub(at.phase_age)));
        }
        let left = self.grace_period.saturating_sub(at.proxied_for);
        if left <= Span::ZERO { (Fate::Zero, None) } else { (Fate::InGrace, Some(left)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> impl Strategy<Value = ScaleToZeroSettings> {
        let bounds = (0_i32..5, 0_i32..8, 0_i32..5, any::<bool>(), any::<bool>());
        let spans = (6_i64..90, 1_i64..90, 6_i64..90, 0_i64..90);
        (bounds, spans, prop_oneof![Just(-1.0), Just(211.0)]).prop_map(
            |((min, max, initial, reachable, enabled), (window, deadline, grace, kept), burst)| {
                ScaleToZeroSettings {
                    min_scale: min,
                    max_scale: if max == 0 { 0 } else { max.max(min) },
                    initial_scale: initial,
                    reachable,
                    enabled,
                    stable_window: Span::from_secs(window),
                    progress_deadline: Span::from_secs(deadline),
                    target_burst_capacity: burst,
                    grace_period: Span::from_secs(grace),
                    pod_retention: Span::from_secs(kept),
                }
            },
        )
    }

    fn situation() -> impl Strategy<Value = Situation> {
        let phase =
            prop_oneof![Just(Phase::Active), Just(Phase::Inactive), Just(Phase::Activating)];
        (phase, 0_i64..200, any::<bool>(), any::<bool>(), 0_i64..200).prop_map(
            |(phase, age, probed, proxy_mode, proxied)| Situation {
                phase,
                phase_age: Span::from_secs(age),
                probed,
                proxy_mode,
                proxied_for: Span::from_secs(proxied),
            },
        )
    }

    proptest! {
        /// 0 is written only when nothing is wanted, it is allowed, and the revision is not active.
        #[test]
        fn never_zero_while_there_is_demand(
            settings in settings(), at in situation(), desired in 0_i32..9, initialized: bool,
        ) {
            let bounded = settings.bounded(desired, initialized);
            let verdict = settings.judge(bounded, &at);
            if bounded > 0 {
                prop_assert_eq!(verdict.fate, Fate::Wanted);
                prop_assert_eq!(verdict.replicas, Some(bounded));
            }
            if verdict.fate.is_applied() && verdict.replicas == Some(0) {
                prop_assert!(settings.enabled && desired == 0);
                prop_assert!(at.phase != Phase::Active);
                prop_assert!(!settings.reachable || settings.min_scale == 0);
            }
            if at.phase == Phase::Inactive && settings.reachable && verdict.fate == Fate::Zero {
                prop_assert!(at.phase_age >= settings.pod_retention);
            }
        }

        /// Whoever looks again when told to, and finds nothing changed but time, gets further.
        #[test]
        fn time_leads_to_zero(settings in settings(), at in situation()) {
            let first = settings.judge(0, &at);
            if let (Some(wait), true) = (first.again_after, at.phase != Phase::Activating) {
                let later = Situation {
                    phase_age: at.phase_age.saturating_add(wait),
                    proxied_for: at.proxied_for.saturating_add(wait),
                    ..at
                };
                prop_assert!(first.fate == Fate::Deactivated
                    || settings.judge(0, &later).fate != first.fate);
            }
        }
    }
}
