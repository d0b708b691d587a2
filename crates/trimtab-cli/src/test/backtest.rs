//! A test's backtest, run as `trimtab backtest` runs one.

use std::collections::BTreeMap;
use std::path::Path;

use trimtab_engine::Policy;
use trimtab_sim::metrics::Bindings;
use trimtab_sim::{Candidate, Quiet, Run};
use trimtab_test::{BacktestCase, BacktestFigure, BacktestLoad};

use super::discover::neighbour;
use crate::backtest::args::{FleetArgs, LoadArgs, SettingArgs};
use crate::backtest::failure::backtest_error;
use crate::backtest::setting;
use crate::error::CommandError;
use crate::process::Interrupt;

/// What a policy is promised to users by, unless a test says otherwise.
const OBJECTIVE: &str = "ttft<=2s@99%";
/// What serves, unless a test says otherwise.
const PROFILE: &str = "llama-3.1-8b-a100";

/// Runs the backtests of a test file.
pub(super) struct Backtester<'a> {
    pub(super) test_file: &'a Path,
    pub(super) interrupt: &'a Interrupt,
}

impl Backtester<'_> {
    /// The figures that a case asks for, in its order.
    pub(super) fn run(&self, policy: &Policy, case: &BacktestCase) -> Result<Vec<f64>, String> {
        let objective = case.objective.as_deref().unwrap_or(OBJECTIVE);
        let objective = objective.parse().map_err(|error| format!("{error}"))?;
        let settings = SettingArgs {
            metrics: Vec::new(),
            objectives: vec![objective],
            seed: case.seed,
            jobs: None,
            load: self.load(case),
            fleet: FleetArgs {
                profile: case.profile.clone().unwrap_or_else(|| PROFILE.to_owned()),
                profile_file: None,
                cluster: case.cluster.as_deref().map(|path| neighbour(self.test_file, path)),
                lead_times: case.lead_time.into_iter().collect(),
                grace_period: None,
            },
        };
        let told = |error: CommandError| error.to_string();
        let (mut plan, _notes) = setting::read(&settings, self.interrupt).map_err(told)?;
        let bindings = Bindings::new(policy, &[]).map_err(|error| error.to_string())?;
        let name = String::from("tested");
        plan.candidates = vec![Candidate {
            name,
            tuning: BTreeMap::new(),
            policy: policy.clone(),
            bindings,
            to_beat: None,
        }];
        let backtest =
            plan.run(0, &Quiet).map_err(|error| told(backtest_error(error, self.interrupt)))?;
        let runs = backtest.comparisons.iter().flat_map(|comparison| &comparison.runs);
        let run = runs.into_iter().next().ok_or("nothing came of it")?;
        let figures = case.figures.iter().map(|(figure, _)| {
            figure_of(run, *figure).ok_or_else(|| format!("`{}` is not measured", figure.name()))
        });
        figures.collect()
    }

    fn load(&self, case: &BacktestCase) -> LoadArgs {
        let (traces, scenarios) = match &case.load {
            BacktestLoad::Scenario(name) => (Vec::new(), vec![name.clone()]),
            BacktestLoad::Trace(path) => (vec![neighbour(self.test_file, path)], Vec::new()),
        };
        LoadArgs {
            traces,
            scenarios,
            rate_scale: case.rate_scale,
            time_scale: 1.0,
            duration: case.duration,
            interarrival_cv: None,
            input_tokens: None,
            output_tokens: None,
            skip_zero_tokens: false,
            spread: None,
        }
    }
}

fn figure_of(run: &Run, figure: BacktestFigure) -> Option<f64> {
    Some(match figure {
        BacktestFigure::Attainment => run.attainment.first()?.share,
        BacktestFigure::Cost => run.cost,
        BacktestFigure::GpuHours => run.pools.iter().map(|pool| pool.gpu_hours).sum(),
        BacktestFigure::Starts => run.starts as f64,
        BacktestFigure::Stops => run.stops as f64,
        BacktestFigure::Efficiency => run.efficiency,
        _ => return None,
    })
}
