//! How far a revision has come, from one reconciliation to the next.

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::scale_to_zero::{Phase, ScaleToZeroSettings, Situation, Verdict};

/// What Knative's reconciler keeps of a revision in the status of its PodAutoscaler and of its
/// ServerlessService.
///
/// A revision begins as activating, with the activator in the path. It is active when as many
/// replicas are ready as its bounds ask for, inactive once nothing is wanted.
///
/// ```
/// use trimtab_engine::strategy::knative::{Fate, Phase, Revision, ScaleToZeroSettings};
/// use trimtab_metric::{Span, Timestamp};
///
/// let settings = ScaleToZeroSettings {
///     min_scale: 0,
///     max_scale: 0,
///     initial_scale: 1,
///     reachable: true,
///     enabled: true,
///     stable_window: Span::from_secs(6),
///     progress_deadline: Span::from_secs(600),
///     target_burst_capacity: 211.0,
///     grace_period: Span::from_secs(30),
///     pod_retention: Span::ZERO,
/// };
/// let mut revision = Revision::new(Timestamp::from_secs(0));
/// let mut at = |second, desired| {
///     let ready = 1;
///     revision.reconcile(&settings, Timestamp::from_secs(second), ready, desired, -1).fate
/// };
/// assert_eq!(at(0, 1), Fate::Wanted);
/// assert_eq!(at(2, 0), Fate::StillActive);
/// assert_eq!(at(6, 0), Fate::Deactivated);
/// assert_eq!(at(8, 0), Fate::InGrace); // it has been proxied for 8 s
/// assert_eq!(at(30, 0), Fate::Zero);
/// assert_eq!(revision.phase(), Phase::Inactive);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revision {
    phase: Phase,
    phase_since: Timestamp,
    /// It has reached its initial scale.
    initialized: bool,
    /// Since when the activator has been in the path, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxied_since: Option<Timestamp>,
}

impl Revision {
    /// A new revision.
    pub fn new(now: Timestamp) -> Self {
        Self {
            phase: Phase::Activating,
            phase_since: now,
            initialized: false,
            proxied_since: Some(now),
        }
    }

    /// Brings a count of the autoscaler within the bounds, says what becomes of it, and moves on.
    ///
    /// The activator counts as being in the path as soon as it is meant to be.
    pub fn reconcile(
        &mut self,
        settings: &ScaleToZeroSettings,
        now: Timestamp,
        ready: i32,
        desired: i32,
        excess_burst_capacity: i32,
    ) -> Verdict {
        let verdict = settings.judge(self.bounded(settings, desired), &self.situation(now));
        let wanted = verdict.replicas;
        let serves = wanted.is_some_and(|wanted| wanted > 0) && excess_burst_capacity >= 0;
        self.proxied_since =
            if serves && ready > 0 { None } else { self.proxied_since.or(Some(now)) };
        self.move_on(settings, now, ready, wanted);
        verdict
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when.
    pub fn phase_since(&self) -> Timestamp {
        self.phase_since
    }

    /// Since when the activator has been in the path, if it is.
    pub fn proxied_since(&self) -> Option<Timestamp> {
        self.proxied_since
    }

    /// A count within the bounds of the revision as it is now.
    pub fn bounded(&self, settings: &ScaleToZeroSettings, desired: i32) -> i32 {
        settings.bounded(desired, self.initialized)
    }

    fn situation(&self, now: Timestamp) -> Situation {
        Situation {
            phase: self.phase,
            phase_age: now.since(self.phase_since),
            probed: self.proxied_since.is_some(),
            proxy_mode: self.proxied_since.is_some(),
            proxied_for: self.proxied_since.map_or(Span::ZERO, |since| now.since(since)),
        }
    }

    fn move_on(
        &mut self,
        settings: &ScaleToZeroSettings,
        now: Timestamp,
        ready: i32,
        wanted: Option<i32>,
    ) {
        let threshold = settings.active_threshold(self.initialized);
        self.initialized |= ready >= threshold;
        let stays = wanted.is_none() && self.phase == Phase::Inactive;
        let phase = if wanted == Some(0) || threshold == 0 || stays {
            Phase::Inactive
        } else if ready < threshold {
            Phase::Activating
        } else {
            Phase::Active
        };
        if phase != self.phase {
            self.phase = phase;
            self.phase_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::knative::Fate;

    const SETTINGS: ScaleToZeroSettings = ScaleToZeroSettings {
        min_scale: 0,
        max_scale: 0,
        initial_scale: 3,
        reachable: true,
        enabled: true,
        stable_window: Span::from_secs(60),
        progress_deadline: Span::from_secs(120),
        target_burst_capacity: 0.0,
        grace_period: Span::from_secs(30),
        pod_retention: Span::ZERO,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    #[test]
    fn the_initial_scale_has_to_be_reached_once() {
        let mut revision = Revision::new(at(0));
        let bounded = |revision: &Revision| revision.bounded(&SETTINGS, 1);
        assert_eq!(bounded(&revision), 3);
        revision.reconcile(&SETTINGS, at(2), 2, 1, 0);
        assert_eq!((bounded(&revision), revision.phase()), (3, Phase::Activating));
        revision.reconcile(&SETTINGS, at(4), 3, 1, 0);
        assert_eq!((bounded(&revision), revision.phase()), (1, Phase::Active));
        assert_eq!(revision.phase_since(), at(4));
    }

    #[test]
    fn serving_takes_the_activator_out_of_the_path_and_idling_puts_it_back() {
        let mut revision = Revision::new(at(0));
        revision.reconcile(&SETTINGS, at(2), 3, 1, 0);
        assert_eq!(revision.proxied_since(), None);
        assert_eq!(revision.reconcile(&SETTINGS, at(62), 1, 0, 0).fate, Fate::Deactivated);
        assert_eq!(revision.proxied_since(), Some(at(62)));
        assert_eq!(revision.reconcile(&SETTINGS, at(64), 1, 0, 0).fate, Fate::InGrace);
        assert_eq!(revision.reconcile(&SETTINGS, at(92), 1, 0, 0).fate, Fate::Zero);
        // Without a ready replica it is in the path whatever the mode.
        assert_eq!(revision.reconcile(&SETTINGS, at(94), 0, 1, 0).fate, Fate::Wanted);
        assert_eq!((revision.phase(), revision.proxied_since()), (Phase::Activating, Some(at(62))));
    }

    #[test]
    fn what_does_not_become_ready_is_given_up() {
        let settings = ScaleToZeroSettings { initial_scale: 1, ..SETTINGS };
        let mut revision = Revision::new(at(0));
        assert_eq!(revision.reconcile(&settings, at(150), 0, 0, -1).fate, Fate::StillActivating);
        assert_eq!(revision.phase(), Phase::Activating);
        assert_eq!(revision.reconcile(&settings, at(151), 0, 0, -1).fate, Fate::TimedOut);
        assert_eq!(revision.phase(), Phase::Inactive);
    }
}
