//! What Ray Serve's policy makes of the load: desired count, factors, delays, whole gangs.

use libm::ceil;
use serde::{Deserialize, Serialize};

use super::capacity::saturating_i32;
use crate::policy::Finite;
use crate::trace::Direction;

/// What is added to the time that has passed before it is held against a delay, in seconds: Unix
/// times as floats are not exact.
const TOLERANCE: f64 = 1e-6;

/// The part of a deployment's `autoscaling_config` that the policy looks at. Delays are seconds.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Parameters {
    /// `target_ongoing_requests`, above 0.
    pub target_ongoing_requests: f64,
    /// `upscaling_factor`, above 0.
    pub upscaling_factor: f64,
    /// `downscaling_factor`, above 0.
    pub downscaling_factor: f64,
    /// `upscale_delay_s`, at least 0.
    pub upscale_delay: f64,
    /// `downscale_delay_s`, at least 0.
    pub downscale_delay: f64,
    /// `downscale_to_zero_delay_s`, or `downscale_delay_s` where that is not set.
    pub downscale_to_zero_delay: f64,
    /// Replicas per gang, at least 1.
    pub gang_size: i32,
    /// `min_replicas`, not scaled by a capacity.
    pub min_replicas: i32,
}

/// The counts of a deployment.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replicas {
    /// That run.
    pub running: i32,
    /// That were last asked for.
    pub target: i32,
}

/// What the policy goes by.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Load {
    /// The ongoing requests, running and queued, of the whole deployment.
    Requests(f64),
    /// A user's own policy wants this many replicas.
    Custom {
        /// So many; NaN is taken for as many as before.
        desired: f64,
        /// The ongoing requests, which count when no replica runs.
        requests: f64,
    },
}

/// For how long the wanted count has been off the target in the same direction.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Streak {
    /// Over how many decisions: above 0 for more replicas, below 0 for fewer.
    pub counter: i32,
    /// Since when, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Finite>,
}

/// What the policy says, before the bounds.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The count.
    pub replicas: i32,
    /// The same, before it was rounded up to whole gangs.
    pub before_gangs: i32,
    /// How it came about.
    pub course: Course,
}

/// How a proposal came about.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Course {
    /// No replica runs while there are requests: as many as the upscaling factor, or the target if
    /// that is more, at once.
    ColdStart,
    /// No replica runs, and some are wanted: at once.
    AtOnce {
        /// How many.
        desired: f64,
    },
    /// Once it has been wanted for long enough.
    Delayed {
        /// How many the load needs.
        desired: f64,
        /// So far the factor goes; negative if `desired` is.
        scaled: i32,
        /// What has to be waited for; `None` if the count is the target's.
        wait: Option<Wait>,
    },
}

/// A change that is wanted.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Wait {
    /// Which way.
    pub direction: Direction,
    /// Since when, in seconds since the Unix epoch.
    pub since: f64,
    /// For how long it has to be wanted, in seconds.
    pub delay: f64,
    /// Whether it has been.
    pub over: bool,
}

/// The policy's count at `now`, in seconds since the Unix epoch, and the streak to go on with.
///
/// ```
/// use trimtab_engine::strategy::ray_serve::{Load, Parameters, Replicas, Streak, propose};
///
/// let parameters = Parameters {
///     target_ongoing_requests: 2.0,
///     upscaling_factor: 1.0,
///     downscaling_factor: 1.0,
///     upscale_delay: 30.0,
///     downscale_delay: 600.0,
///     downscale_to_zero_delay: 600.0,
///     gang_size: 1,
///     min_replicas: 1,
/// };
/// let replicas = Replicas { running: 3, target: 3 };
/// let at = |now, streak| propose(&parameters, replicas, Load::Requests(9.0), now, streak);
/// let (first, streak) = at(0.0, Streak::default());
/// let (last, streak) = at(30.0, streak);
/// assert_eq!((first.replicas, last.replicas), (3, 5)); // ceil(9 / 2), once that is 30 s old
/// assert_eq!(streak, Streak::default());
/// ```
pub fn propose(
    parameters: &Parameters,
    replicas: Replicas,
    load: Load,
    now: f64,
    streak: Streak,
) -> (Proposal, Streak) {
    let gang = parameters.gang_size.max(1);
    // The last gang counts as the last replica: what is below it is nothing.
    let last_gang = gang > 1 && parameters.min_replicas == 0 && replicas.target == gang;
    let target = if last_gang { 1 } else { replicas.target };
    let (before_gangs, course, streak) =
        propose_singly(parameters, Replicas { target, ..replicas }, load, now, streak);
    let proposal = Proposal { replicas: whole_gangs(before_gangs, gang), before_gangs, course };
    (proposal, streak)
}

fn propose_singly(
    parameters: &Parameters,
    replicas: Replicas,
    load: Load,
    now: f64,
    mut streak: Streak,
) -> (i32, Course, Streak) {
    let Replicas { running, target } = replicas;
    let (Load::Requests(requests) | Load::Custom { requests, .. }) = load;
    if running == 0 && requests > 0.0 {
        let count = saturating_i32(ceil(parameters.upscaling_factor)).max(target);
        return (count, Course::ColdStart, streak);
    }
    let desired = desired(parameters, replicas, load);
    let scaled = scale(parameters, desired, running);
    if running == 0 && scaled > 0 {
        return (scaled, Course::AtOnce { desired }, streak);
    }
    let (count, wait) = streak.delay(parameters, scaled.max(0), target, now);
    (count, Course::Delayed { desired, scaled, wait }, streak)
}

/// How many replicas the load needs.
fn desired(parameters: &Parameters, replicas: Replicas, load: Load) -> f64 {
    let target = f64::from(replicas.target);
    let desired = match load {
        Load::Custom { desired, .. } => desired,
        Load::Requests(_) if replicas.running == 0 => target,
        Load::Requests(requests) => {
            let running = f64::from(replicas.running);
            running * (requests / (parameters.target_ongoing_requests * running))
        }
    };
    if desired.is_nan() { target } else { desired }
}

/// The share of the way from the running to the desired count that the factor goes. A way down is
/// never rounded up to nothing.
fn scale(parameters: &Parameters, desired: f64, running: i32) -> i32 {
    if running == 0 {
        return saturating_i32(ceil(desired));
    }
    let from = f64::from(running);
    let way = desired - from;
    let factor =
        if way > 0.0 { parameters.upscaling_factor } else { parameters.downscaling_factor };
    let scaled = saturating_i32(ceil(from + factor * way));
    let stuck = ceil(desired) < from && scaled == running;
    if stuck { scaled.saturating_sub(1) } else { scaled }
}

/// The next multiple of a gang. The last one that fits, where the next does not.
fn whole_gangs(count: i32, gang: i32) -> i32 {
    if count <= 0 {
        return count;
    }
    let gangs = count.saturating_sub(1) / gang;
    gangs.saturating_add(1).checked_mul(gang).unwrap_or_else(|| gangs.saturating_mul(gang))
}

impl Streak {
    /// Holds a wanted count back until it has been wanted for as long as the delay of its direction.
    /// The way to 0 leads over 1, where it begins anew.
    fn delay(
        &mut self,
        parameters: &Parameters,
        desired: i32,
        target: i32,
        now: f64,
    ) -> (i32, Option<Wait>) {
        let (direction, delay, wanted) = if desired > target {
            (Direction::Up, parameters.upscale_delay, desired)
        } else if desired == target {
            *self = Self::default();
            return (target, None);
        } else if target == 1 {
            (Direction::Down, parameters.downscale_to_zero_delay, desired)
        } else {
            (Direction::Down, parameters.downscale_delay, desired.max(1))
        };
        let since = self.extend(direction, now);
        let over = now - since + TOLERANCE >= delay;
        if over {
            *self = Self::default();
        }
        let wait = Wait { direction, since, delay, over };
        (if over { wanted } else { target }, Some(wait))
    }

    /// One decision more in a direction; a streak in the other one ends. Returns when it began.
    fn extend(&mut self, direction: Direction, now: f64) -> f64 {
        let (step, turned) = match direction {
            Direction::Up => (1, self.counter < 0),
            Direction::Down => (-1, self.counter > 0),
        };
        if turned {
            *self = Self::default();
        }
        self.counter = self.counter.saturating_add(step);
        let since = self.since.map_or(now, Finite::get);
        self.since = Finite::new(since);
        since
    }
}
