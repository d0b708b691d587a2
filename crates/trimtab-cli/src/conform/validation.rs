//! Family `validation`: which HPA specs the API server accepts, and what it says of the others.

use serde::Deserialize;
use trimtab_engine::{FeatureGatesSpec, HpaSpec, Policy, PolicySpec};

use super::case::Checks;

#[derive(Deserialize)]
pub(super) struct Case {
    spec: PolicySpec,
    scale_to_zero: bool,
    errors: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Problem {
    field: String,
    #[serde(rename = "type")]
    type_: String,
}

pub(super) fn check(case: &Case, checks: &mut Checks) {
    let gates = FeatureGatesSpec {
        hpa_scale_to_zero: Some(case.scale_to_zero),
        ..FeatureGatesSpec::default()
    };
    let hpa = HpaSpec { feature_gates: Some(gates), ..HpaSpec::default() };
    let spec = PolicySpec { hpa: Some(hpa), ..case.spec.clone() };
    let mut got: Vec<Problem> = match Policy::new(spec) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid
            .errors()
            .iter()
            .map(|error| Problem {
                field: error.field().to_string(),
                type_: error.kind().api_type().to_owned(),
            })
            .collect(),
    };
    got.sort();
    got.dedup();
    checks.equal("errors", &case.errors, &got);
}
