//! Ray Serve's steps in words.

use alloc::format;
use alloc::string::{String, ToString};

use super::step::RayServeStep;
use crate::trace::Direction;

/// Subject, measure and rule of a step.
pub(crate) fn words(step: &RayServeStep) -> (String, String, String) {
    let rule = match step {
        RayServeStep::Registered { initial: Some(initial) } => {
            format!("new: it begins with initialReplicas, {initial}, within the bounds")
        }
        RayServeStep::Registered { initial: None } => {
            "new: it begins within the bounds".to_string()
        }
        RayServeStep::ColdStart { factor } => {
            format!("no replica runs: as many as upscalingFactor, {factor}, at once")
        }
        RayServeStep::Starting => "no replica runs: what was asked for stands".to_string(),
        RayServeStep::Desired { running, desired, factor } => {
            let run = if *running == 1 { "1 runs".to_string() } else { format!("{running} run") };
            let way = match factor.get() {
                1.0 => String::new(),
                factor => format!(", {factor} of the way from there"),
            };
            format!("{:.3} replicas needed, {run}{way}", desired.get())
        }
        RayServeStep::Delay { direction, since, delay, over } => {
            let what = match direction {
                Direction::Up => "more",
                Direction::Down => "fewer",
            };
            match over {
                true => format!("{what} for {delay} or longer, since {since}"),
                false => {
                    let until = since.saturating_add(*delay);
                    format!("{what} only since {since}: held for {delay}, until {until}")
                }
            }
        }
        RayServeStep::LastReplica => "the last one has a delay of its own".to_string(),
        RayServeStep::Gangs { size } => format!("whole gangs of {size}"),
        RayServeStep::Capacity { least, most } => {
            format!("{least} to {most} at the target capacity")
        }
    };
    (String::new(), String::new(), rule)
}
