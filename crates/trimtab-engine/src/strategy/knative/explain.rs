//! Knative's steps in words.

use alloc::format;
use alloc::string::{String, ToString};

use super::scale_to_zero::Fate;
use super::step::KnativeStep;

/// Subject, measure and rule of a step.
pub(crate) fn words(step: &KnativeStep) -> (String, String, String) {
    let rule = match step {
        KnativeStep::Averages { by_panic, panic, panic_window, panicking, ready, .. } => {
            let panic = format!("{:.3} over {panic_window} asks for {by_panic}", panic.get());
            let ready = format!("{ready} ready");
            match panicking {
                true => format!("panic, the larger one counts: {panic}, {ready}"),
                false => format!("calm: {panic}, {ready}"),
            }
        }
        KnativeStep::Rates { least, most } => format!("{least} to {most} at these rates"),
        KnativeStep::ActivationScale { scale } => format!("any load is worth {scale}"),
        KnativeStep::Panic { until } => format!("nothing falls in panic, until {until} or later"),
        KnativeStep::Delay { until: None } => "no higher count within the delay".to_string(),
        KnativeStep::Delay { until: Some(until) } => {
            format!("a higher count holds within the delay, until {until}")
        }
        KnativeStep::InitialScale { scale } => format!("the initial scale, {scale}, comes first"),
        KnativeStep::ScaleToZero { fate, again } => match again {
            Some(again) => format!("{}, see {again}", fate_words(*fate)),
            None => fate_words(*fate).to_string(),
        },
        KnativeStep::Activator { in_path, excess_burst_capacity, activators } => {
            let path = match in_path {
                true => format!("requests pass {activators} activators"),
                false => "requests pass no activator".to_string(),
            };
            format!("{path}: excess burst capacity {excess_burst_capacity}")
        }
    };
    (String::new(), String::new(), rule)
}

fn fate_words(fate: Fate) -> &'static str {
    match fate {
        Fate::Wanted => "wanted",
        Fate::NeverZero => "scale to zero is off",
        Fate::StillActive => "active for less than the stable window",
        Fate::Deactivated => "inactive from now on",
        Fate::StillActivating => "still starting",
        Fate::TimedOut => "it did not start in time",
        Fate::NotProxied => "requests may not pass the activator yet",
        Fate::Retained => "the last replica is retained",
        Fate::InGrace => "in the grace period",
        Fate::Zero => "nothing is wanted, and requests pass the activator",
    }
}
