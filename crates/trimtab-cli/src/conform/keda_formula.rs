//! Family `keda_formula`: formulas of `scalingModifiers`, and the metric that KEDA makes of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use trimtab_engine::strategy::keda::{Formula, to_milli};

use super::case::Checks;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(rename = "id")]
    _id: String,
    #[serde(default, rename = "family")]
    _family: Option<String>,
    #[serde(default, rename = "tags")]
    _tags: Option<serde::de::IgnoredAny>,
    formula: String,
    values: BTreeMap<String, Option<f64>>,
    target: f64,
    activation_target: f64,
    fallback_replicas: i64,
    out: Output,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    #[serde(default)]
    compile_error: bool,
    #[serde(default)]
    run_error: bool,
    #[serde(default)]
    formula_nil: bool,
    #[serde(default)]
    value: Option<f64>,
    #[serde(default)]
    milli: Option<i64>,
    #[serde(default)]
    active: Option<bool>,
}

pub(super) fn check(case: &Case, checks: &mut Checks) {
    let expected = &case.out;
    let names: Vec<&str> = case.values.keys().map(String::as_str).collect();
    let values: Vec<_> = case.values.values().copied().collect();
    let parsed = Formula::parse(&case.formula, &names);
    checks.equal("compile_error", &expected.compile_error, &parsed.is_err());
    let Ok(formula) = parsed else { return };
    let evaluated = formula.evaluate(&values);
    checks.equal("run_error", &expected.run_error, &evaluated.is_err());
    let Ok(value) = evaluated else { return };
    checks.equal("formula_nil", &expected.formula_nil, &value.is_none());
    #[expect(clippy::cast_precision_loss, reason = "a count of replicas is far below 2^53")]
    let value = value.unwrap_or(case.fallback_replicas as f64 * case.target);
    checks.equal("value", &expected.value, &Some(value));
    let milli = to_milli(value);
    checks.equal("milli", &expected.milli, &milli);
    #[expect(clippy::cast_precision_loss, reason = "as Kubernetes makes a float of an amount")]
    let active = milli.map(|milli| milli as f64 / 1000.0 > case.activation_target);
    checks.equal("active", &expected.active, &active);
}
