//! No text makes reading an objective or the axis of a sweep panic; an objective that is read can be
//! written, and an axis can be set on a policy or says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_engine::PolicySpec;
use trimtab_sim::Objective;
use trimtab_sim::sweep::{Axis, set_field};

fuzz_target!(|text: &str| {
    if let Ok(objective) = text.parse::<Objective>() {
        let again: Objective = objective.to_string().parse().expect("what is written reads back");
        assert_eq!(again.measure, objective.measure);
    }
    if let Ok(axis) = text.parse::<Axis>() {
        let spec = PolicySpec { max_replicas: 3, ..PolicySpec::default() };
        for value in axis.values().iter().take(16) {
            let _either = set_field(&spec, axis.field(), value);
        }
    }
});
