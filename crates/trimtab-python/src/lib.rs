//! The part of the Python package `trimtab` that is written in Rust: `trimtab._core`.
//!
//! Values that decisions are made with are opaque objects around the engine's own; what people look at, and what is computed
//! once in a while, goes out as plain values, and `python/trimtab` makes dataclasses of it.
#![forbid(unsafe_code)]

mod admission;
mod again;
mod amount;
mod autoscaler;
mod batch;
mod column;
mod columns;
mod command;
mod decision;
mod decisions;
mod error;
mod evaluation;
mod load;
mod manifests;
mod observation;
mod plain;
mod policy;
mod policy_tests;
mod rows;
mod setting;
mod simulation;
mod state;
mod time;
mod tunings;
mod watched;

/// The module that the package imports.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::admission::{
        Admission, Limits, Server, admit, queue_bound, service_seconds, wait_seconds,
    };
    #[pymodule_export]
    use crate::autoscaler::{Autoscaler, decide, next_deadline, settle};
    #[pymodule_export]
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::column::{_floats, _integers, _times};
    #[pymodule_export]
    use crate::command::_main;
    #[pymodule_export]
    use crate::decision::{Condition, Decision};
    #[pymodule_export]
    use crate::decisions::Decisions;
    #[pymodule_export]
    use crate::evaluation::_evaluate;
    #[pymodule_export]
    use crate::load::{Scenario, Trace};
    #[pymodule_export]
    use crate::manifests::{_import, _lint};
    #[pymodule_export]
    use crate::observation::Observation;
    #[pymodule_export]
    use crate::policy::Policy;
    #[pymodule_export]
    use crate::policy_tests::{_list_tests, _run_tests};
    #[pymodule_export]
    use crate::simulation::{_backtest, _profiles, _signals, _sweep, Backtest};
    #[pymodule_export]
    use crate::state::State;
    #[pymodule_export]
    use crate::time::_milliseconds;
    #[pymodule_export]
    use crate::tunings::_tunings;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
