//! What the strategy sees while replicas drain.

use alloc::vec::Vec;

use super::RetireStep;
use crate::observation::{MetricReading, Observation, Scale};
use crate::policy::{Policy, Strategy};
use crate::trace::{Recorder, Rule, Stage, Step};

/// The observation without the replicas that drain, if there are any.
///
/// To a peer, one that drains is as one that has gone, as its pod would be that terminates. `slo`
/// still sees its load, since sessions come again elsewhere: without it, each one that drains would
/// look like load that is gone, and let the next one go.
///
/// The last one counts as serving while it drains: a count of 0 would be a workload that is switched
/// off.
pub(crate) fn without_draining<R: Recorder>(
    policy: &Policy,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Option<(Observation, Scale)> {
    policy.retire()?;
    let draining: Vec<usize> = observation.pods.draining().map(|(row, _)| row).collect();
    if draining.is_empty() || scale.spec_replicas <= 0 {
        return None;
    }
    let counted =
        draining.iter().filter(|row| !observation.pods.is_beyond(**row, scale.spec_replicas));
    let count = i32::try_from(counted.count()).unwrap_or(i32::MAX);
    let mut seen = observation.clone();
    let keeps_load = matches!(policy.strategy(), Strategy::Slo(_));
    for row in draining {
        seen.pods.set_aside(row, keeps_load);
        for reading in &mut seen.readings {
            if let MetricReading::PerPod(readings) = reading
                && !keeps_load
            {
                readings.hide(row);
            }
        }
    }
    let rest = |replicas: i32| replicas.saturating_sub(count).max(replicas.min(1));
    let serving = Scale {
        spec_replicas: rest(scale.spec_replicas),
        status_replicas: rest(scale.status_replicas),
    };
    seen.scale = Some(serving);
    let (from, to) = (scale.spec_replicas, serving.spec_replicas);
    let rule = Rule::Retire(RetireStep::Draining { replicas: count.min(from) });
    trace.record(|| Step { stage: Stage::Sense, from, to, rule });
    Some((seen, serving))
}
