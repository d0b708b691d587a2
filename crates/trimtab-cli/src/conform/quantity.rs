//! Family `quantity`: how Kubernetes reads and writes amounts.

use serde::Deserialize;
use trimtab_metric::Quantity;

use super::case::Checks;

#[derive(Deserialize)]
pub(super) struct Case {
    s: String,
    #[serde(default)]
    error: bool,
    milli: String,
    approx_f64: f64,
    canonical: String,
    canonical_milli: String,
    canonical_approx_f64: f64,
    sign: i32,
}

pub(super) fn check(case: &Case, checks: &mut Checks) {
    let parsed = case.s.parse::<Quantity>();
    checks.equal("error", &case.error, &parsed.is_err());
    let (false, Ok(quantity)) = (case.error, parsed) else {
        return;
    };
    checks.equal("milli", &case.milli, &quantity.milli().to_string());
    checks.equal("approx_f64", &case.approx_f64.to_bits(), &quantity.approx_f64().to_bits());
    checks.equal("canonical", &case.canonical, &quantity.to_string());
    let canonical = quantity.canonical();
    checks.equal("canonical_milli", &case.canonical_milli, &canonical.milli().to_string());
    checks.equal(
        "canonical_approx_f64",
        &case.canonical_approx_f64.to_bits(),
        &canonical.approx_f64().to_bits(),
    );
    checks.equal("sign", &case.sign, &quantity.signum());
}
