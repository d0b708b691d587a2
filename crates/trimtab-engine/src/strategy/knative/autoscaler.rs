//! How many replicas the two averages ask for: one tick of Knative's autoscaler.

use libm::{ceil, floor};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::delay::DelayWindow;

/// What Knative's autoscaler knows of a revision (`DeciderSpec`).
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct AutoscalerSettings {
    /// At most this many times the ready replicas in one tick; above 1.
    pub max_scale_up_rate: f64,
    /// At least the ready replicas divided by this in one tick; above 1.
    pub max_scale_down_rate: f64,
    /// What one replica should have of the load; above 0.
    pub target: f64,
    /// What one replica can have of it; at least `target`.
    pub total: f64,
    /// How much more load than there is the ready replicas should be able to take; -1 means any
    /// amount, 0 that it does not matter.
    pub target_burst_capacity: f64,
    /// Panic begins when the panic average asks for this many times the ready replicas; above 1.
    pub panic_threshold: f64,
    /// For how long after the last such tick panic goes on.
    pub stable_window: Span,
    /// For how long a lower count has to be wanted. It counts when the autoscaler starts, and never
    /// again: a change without a restart is ignored, as Knative ignores it.
    pub scale_down_delay: Span,
    /// Whether a route leads to the revision. Without, it may go down at any rate and at once.
    pub reachable: bool,
    /// The least count that any load leads to; up to 1 means none.
    pub activation_scale: i32,
}

/// What the autoscaler remembers from one tick to the next.
///
/// ```
/// use trimtab_engine::strategy::knative::{AutoscalerSettings, AutoscalerState, Tick};
/// use trimtab_metric::{Span, Timestamp};
///
/// let settings = AutoscalerSettings {
///     max_scale_up_rate: 1000.0,
///     max_scale_down_rate: 2.0,
///     target: 70.0,
///     total: 100.0,
///     target_burst_capacity: 211.0,
///     panic_threshold: 2.0,
///     stable_window: Span::from_secs(60),
///     scale_down_delay: Span::ZERO,
///     reachable: true,
///     activation_scale: 1,
/// };
/// let start = Timestamp::from_secs(0);
/// let mut state = AutoscalerState::new(&settings, start, 1);
/// let tick = Tick { now: start, ready: 1, stable: 60.0, panic: 180.0 };
/// let proposal = state.tick(&settings, &tick);
/// assert!(proposal.panicking); // ceil(180 / 70) is more than twice one
/// assert_eq!((proposal.replicas, proposal.excess_burst_capacity), (3, -291));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoscalerState {
    /// When the panic threshold was last crossed; `None` when calm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    panic_at: Option<Timestamp>,
    /// The largest count of this panic.
    max_panic_replicas: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay: Option<DelayWindow>,
}

/// What the autoscaler sees in one tick. A tick in which it can't see is left out: it changes nothing.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Tick {
    /// When.
    pub now: Timestamp,
    /// How many replicas are ready; 0 where there are none.
    pub ready: i32,
    /// The load's average over the stable window.
    pub stable: f64,
    /// The load's average over the panic window.
    pub panic: f64,
}

/// What one tick comes to, with what it came by. Counts that no `i32` holds are the largest one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// How many replicas there should be.
    pub replicas: i32,
    /// What the ready replicas can take beyond the load and the target burst capacity. Below 0, the
    /// activator buffers.
    pub excess_burst_capacity: i32,
    /// Whether it panics: then both averages count, and the count does not go down.
    pub panicking: bool,
    /// What the stable average asks for.
    pub by_stable: i32,
    /// What the panic average asks for.
    pub by_panic: i32,
    /// What counts of the two.
    pub asked: i32,
    /// The least and the most that the rates allow.
    pub rates: (i32, i32),
    /// What is asked for, within the rates.
    pub within_rates: i32,
    /// The same, at least the activation scale if there is load.
    pub activated: i32,
    /// The same, or the largest count of this panic.
    pub held_by_panic: i32,
}

impl AutoscalerState {
    /// The autoscaler at its start. With more than one replica ready it starts in panic, so that it
    /// does not go down before a window has filled.
    pub fn new(settings: &AutoscalerSettings, now: Timestamp, ready: i32) -> Self {
        let delayed = settings.scale_down_delay > Span::ZERO;
        Self {
            panic_at: (ready > 1).then_some(now),
            max_panic_replicas: ready,
            delay: delayed.then(|| DelayWindow::new(settings.scale_down_delay)),
        }
    }

    /// Decides, and remembers what the next tick needs.
    pub fn tick(&mut self, settings: &AutoscalerSettings, tick: &Tick) -> Proposal {
        let ready = f64::from(tick.ready.max(1));
        let most = count(ceil(settings.max_scale_up_rate * ready));
        let slowest = floor(ready / settings.max_scale_down_rate);
        let least = if settings.reachable { count(slowest) } else { 0 };
        let by_stable = ceil(tick.stable / settings.target);
        let by_panic = ceil(tick.panic / settings.target);
        self.panic_or_calm(settings, tick.now, by_panic / ready >= settings.panic_threshold);

        let panicking = self.panic_at.is_some();
        let (by_stable, by_panic) = (count(by_stable), count(by_panic));
        let asked = if panicking { by_stable.max(by_panic) } else { by_stable };
        let within_rates = asked.max(least).min(most).max(0);
        let activated = if settings.activation_scale > 1 && asked > 0 {
            within_rates.max(settings.activation_scale)
        } else {
            within_rates
        };
        if panicking {
            self.max_panic_replicas = self.max_panic_replicas.max(activated);
        }
        let held_by_panic = if panicking { self.max_panic_replicas } else { activated };
        let replicas = match self.delay.as_mut().filter(|_| settings.reachable) {
            Some(window) => window.record(tick.now, held_by_panic),
            None => held_by_panic,
        };
        Proposal {
            replicas,
            excess_burst_capacity: excess_burst_capacity(settings, tick),
            panicking,
            by_stable,
            by_panic,
            asked,
            rates: (least, most),
            within_rates,
            activated,
            held_by_panic,
        }
    }

    /// When the panic threshold was last crossed; `None` when calm.
    pub fn panic_at(&self) -> Option<Timestamp> {
        self.panic_at
    }

    /// The largest count of this panic, 0 after one, and what was ready at the start before any.
    pub fn max_panic_replicas(&self) -> i32 {
        self.max_panic_replicas
    }

    /// What delays going down, if anything does.
    pub(super) fn delay(&self) -> Option<&DelayWindow> {
        self.delay.as_ref()
    }

    /// Panic lasts until the threshold has not been crossed for longer than the stable window.
    fn panic_or_calm(&mut self, settings: &AutoscalerSettings, now: Timestamp, over: bool) {
        if over {
            self.panic_at = Some(now);
        } else if self.panic_at.is_some_and(|at| at.saturating_add(settings.stable_window) < now) {
            self.panic_at = None;
            self.max_panic_replicas = 0;
        }
    }
}

/// How many activators are in the path of requests: each takes 100, and there are at least 2.
///
/// ```
/// use trimtab_engine::strategy::knative::activators;
///
/// assert_eq!(activators(10, 64.0, 211.0), 9); // ceil((640 + 211) / 100)
/// assert_eq!(activators(10, 64.0, 0.0), 2);
/// ```
pub fn activators(ready: i32, total: f64, target_burst_capacity: f64) -> i32 {
    const LEAST: i32 = 2;
    const CAPACITY: f64 = 100.0;
    if target_burst_capacity == 0.0 {
        return LEAST;
    }
    let burst = if target_burst_capacity > 0.0 { target_burst_capacity } else { 0.0 };
    count(ceil((f64::from(ready) * total + burst) / CAPACITY)).max(LEAST)
}

fn excess_burst_capacity(settings: &AutoscalerSettings, tick: &Tick) -> i32 {
    let burst = settings.target_burst_capacity;
    if burst < 0.0 {
        -1
    } else if burst == 0.0 {
        0
    } else {
        count(floor(f64::from(tick.ready) * settings.total - burst - tick.panic))
    }
}

/// A float as a count: what does not fit is the nearest that does, NaN is 0. Knative leaves that to
/// the processor, which makes of more than `i32` holds the least one.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn count(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn settings() -> impl Strategy<Value = AutoscalerSettings> {
        let rates = (1.1_f64..20.0, 1.1_f64..20.0, 1.1_f64..10.0);
        let load = (0.01_f64..50.0, 0.0_f64..50.0, prop_oneof![Just(-1.0), Just(0.0), 1.0..500.0]);
        (rates, load, 6_i64..120, 0_i64..60, any::<bool>(), 0_i32..6).prop_map(
            |((up, down, panic), (target, more, burst), window, delay, reachable, activation)| {
                AutoscalerSettings {
                    max_scale_up_rate: up,
                    max_scale_down_rate: down,
                    target,
                    total: target + more,
                    target_burst_capacity: burst,
                    panic_threshold: panic,
                    stable_window: Span::from_secs(window),
                    scale_down_delay: Span::from_secs(delay),
                    reachable,
                    activation_scale: activation,
                }
            },
        )
    }

    /// Milliseconds since the last tick, ready replicas, and the averages.
    fn ticks() -> impl Strategy<Value = Vec<(i64, i32, f64, f64)>> {
        prop::collection::vec((0_i64..9_000, 0_i32..30, 0.0_f64..900.0, 0.0_f64..900.0), 1..60)
    }

    proptest! {
        /// Within the rates, never down in panic, no lower than the delay allows, and the same after
        /// a restart with its state.
        #[test]
        fn laws(settings in settings(), ticks in ticks(), start in 0_i32..9) {
            let mut now = Timestamp::from_secs(1000);
            let mut state = AutoscalerState::new(&settings, now, start);
            let mut wanted: Vec<(i64, i32)> = Vec::new();
            for (wait, ready, stable, panic) in ticks {
                now = now.saturating_add(Span::from_millis(wait));
                let before = state.clone();
                let proposal = state.tick(&settings, &Tick { now, ready, stable, panic });

                // Within the rates, except for the activation scale.
                let (least, most) = proposal.rates;
                prop_assert!(least <= ready.max(1) && ready.max(1) <= most);
                prop_assert!((least..=most).contains(&proposal.within_rates));
                prop_assert!(proposal.activated <= most.max(settings.activation_scale));

                // Never down in panic.
                if before.panic_at.is_some() && proposal.panicking {
                    prop_assert!(proposal.held_by_panic >= before.max_panic_replicas);
                }
                if !proposal.panicking {
                    prop_assert_eq!(proposal.held_by_panic, proposal.activated);
                }
                prop_assert_eq!(proposal.panicking, state.panic_at.is_some());

                // The delay is a running maximum.
                if settings.reachable && settings.scale_down_delay > Span::ZERO {
                    let slot = now.as_millis() / 2000;
                    let slots = (settings.scale_down_delay.as_millis() + 1999) / 2000;
                    wanted.push((slot, proposal.held_by_panic));
                    let inside = wanted.iter().filter(|(old, _)| slot - old < slots);
                    prop_assert_eq!(Some(proposal.replicas), inside.map(|(_, w)| *w).max());
                } else {
                    prop_assert_eq!(proposal.replicas, proposal.held_by_panic);
                }

                // A state that was written down and read again goes on identically.
                let text = serde_json::to_string(&state).unwrap();
                let read: AutoscalerState = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&read, &state);
                state = read;
            }
        }

        /// More load never asks for fewer replicas.
        #[test]
        fn monotone_in_the_load(
            settings in settings(), ready in 0_i32..30, load in (0.0_f64..900.0, 0.0_f64..900.0),
            more in 0.0_f64..500.0, start in 0_i32..9,
        ) {
            let now = Timestamp::from_secs(1000);
            let state = AutoscalerState::new(&settings, now, start);
            let (stable, panic) = load;
            let tick = Tick { now, ready, stable, panic };
            let lower = state.clone().tick(&settings, &tick).replicas;
            let higher = Tick { stable: stable + more, panic: panic + more, ..tick };
            prop_assert!(state.clone().tick(&settings, &higher).replicas >= lower);
        }
    }

    const CALM: AutoscalerSettings = AutoscalerSettings {
        max_scale_up_rate: 1000.0,
        max_scale_down_rate: 2.0,
        target: 1.0,
        total: 1.0,
        target_burst_capacity: 1.0,
        panic_threshold: 2.0,
        stable_window: Span::from_secs(60),
        scale_down_delay: Span::ZERO,
        reachable: true,
        activation_scale: 0,
    };

    #[test]
    fn what_no_count_holds_is_the_largest_one() {
        let now = Timestamp::UNIX_EPOCH;
        let mut state = AutoscalerState::new(&CALM, now, i32::MAX);
        let tick = Tick { now, ready: i32::MAX, stable: 1e300, panic: 1e300 };
        let proposal = state.tick(&CALM, &tick);
        assert_eq!((proposal.replicas, proposal.excess_burst_capacity), (i32::MAX, i32::MIN));
        assert_eq!(activators(i32::MAX, 1e300, 1.0), i32::MAX);
    }

    #[test]
    fn panic_lasts_one_moment_longer_than_the_window() {
        let mut state = AutoscalerState::new(&CALM, Timestamp::from_secs(0), 4);
        let mut at = |millis| {
            let now = Timestamp::from_millis(millis);
            state.tick(&CALM, &Tick { now, ready: 4, stable: 1.0, panic: 1.0 }).replicas
        };
        assert_eq!((at(60_000), at(60_001)), (4, 2));
    }

    #[test]
    fn a_changed_delay_is_ignored() {
        let start = Timestamp::from_secs(0);
        let mut state = AutoscalerState::new(&CALM, start, 1);
        let delayed = AutoscalerSettings { scale_down_delay: Span::from_secs(600), ..CALM };
        let tick = |second, stable| Tick {
            now: Timestamp::from_secs(second),
            ready: 4,
            stable,
            panic: 0.0,
        };
        assert_eq!(state.tick(&delayed, &tick(0, 4.0)).replicas, 4);
        assert_eq!(state.tick(&delayed, &tick(2, 2.0)).replicas, 2);
    }
}
