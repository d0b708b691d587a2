//! Why a backtest did not come to its end, as the command says it.

use trimtab_sim::{BacktestError, SimulationError, SurveyError, WorkloadError};

use crate::error::CommandError;
use crate::process::Interrupt;

/// Why it ended; whatever it says, an interrupt was the cause if there was one.
pub(crate) fn backtest_error(error: BacktestError, interrupt: &Interrupt) -> CommandError {
    match error {
        _ if interrupt.is_noted() => CommandError::Interrupted,
        BacktestError::Survey(SurveyError::Workload(error)) => workload_error(error),
        BacktestError::Survey(error) => CommandError::argument(error.to_string())
            .with_help("take a faster `--profile`, or an `--objective` that it can meet"),
        BacktestError::Simulation(error) => simulation_error(error),
        error => CommandError::argument(error.to_string()),
    }
}

fn simulation_error(error: SimulationError) -> CommandError {
    match error {
        SimulationError::Workload(error) => workload_error(error),
        SimulationError::Cancelled => CommandError::Interrupted,
        error => CommandError::argument(error.to_string()),
    }
}

pub(crate) fn workload_error(error: WorkloadError) -> CommandError {
    let refused = match error.line {
        Some(line) => CommandError::at(&error.source_name, line, error.message),
        None => CommandError::in_file(&error.source_name, error.message),
    };
    match error.help {
        Some(help) => refused.with_help(help),
        None => refused,
    }
}
