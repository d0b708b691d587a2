//! The tunings of a sweep, for those who simulate them elsewhere.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use trimtab_sim::sweep::{Axis, Sweep};

use crate::error::{Fault, Kind};
use crate::policy::Policy;
use crate::simulation::unswept;

/// A policy's name, the fields that were set, and the policy with them.
type Tuning = (String, BTreeMap<String, String>, Policy);

/// All tunings of these policies, in the order in which a sweep runs them.
#[pyfunction]
#[pyo3(signature = (policies, axes, random, seed))]
pub(crate) fn _tunings(
    py: Python<'_>,
    policies: Vec<(String, Policy)>,
    axes: Vec<String>,
    random: Option<usize>,
    seed: u64,
) -> PyResult<Vec<Tuning>> {
    let sweep = swept(py, &policies, &axes, random, seed)?;
    let mut tunings = Vec::new();
    for (name, policy) in &policies {
        let all = sweep.tune(name, policy.engine()).map_err(|error| unswept(py, &error))?;
        tunings.extend(all.into_iter().map(|one| {
            let tuned = policy.with(one.policy);
            (name.clone(), one.tuning, tuned)
        }));
    }
    Ok(tunings)
}

/// The axes as texts; each that names a policy has to name one of these.
pub(crate) fn swept(
    py: Python<'_>,
    policies: &[(String, Policy)],
    axes: &[String],
    random: Option<usize>,
    seed: u64,
) -> PyResult<Sweep> {
    let fault = |message: String| Fault::new(message).raise(py, Kind::Simulation);
    let axes =
        axes.iter().map(|axis| axis.parse::<Axis>().map_err(|error| fault(error.to_string())));
    let sweep = Sweep { axes: axes.collect::<PyResult<_>>()?, random, seed };
    for axis in &sweep.axes {
        if let Some(name) = axis.policy()
            && policies.iter().all(|(other, _)| other != name)
        {
            return Err(fault(format!("there is no policy `{name}` to set fields of")));
        }
    }
    Ok(sweep)
}
