//! One field and the values to try.

use std::str::FromStr;

use thiserror::Error;
use trimtab_engine::PolicySpec;

use super::field::{FieldError, set_field};

/// A field of a policy and the values to try, as written on a command line.
///
/// | text | values |
/// |---|---|
/// | `maxReplicas=8,12,20` | these |
/// | `spec.maxReplicas=8..20/4` | four from 8 to 20, evenly apart: 8, 12, 16, 20 |
/// | `metrics[0].pods.target.averageValue=log:1..64/4` | four from 1 to 64, each the same multiple of the one before: 1, 4, 16, 64 |
/// | `llm:maxReplicas=8,12` | these, for the policy `llm` alone |
///
/// The numbers of a range have four digits, or are whole where that is more; a field that takes whole
/// numbers gets whole ones.
///
/// ```
/// use trimtab_sim::sweep::Axis;
///
/// let axis: Axis = "spec.metrics[0].pods.target.averageValue=log:1..64/4".parse()?;
/// assert_eq!(axis.field(), "metrics[0].pods.target.averageValue");
/// assert_eq!(axis.values(), ["1", "4", "16", "64"]);
/// # Ok::<(), trimtab_sim::sweep::ParseAxisError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    policy: Option<String>,
    field: String,
    values: Vec<String>,
    /// Numbers between two others, which may be rounded.
    ranged: bool,
}

/// The text gives a field no values.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseAxisError {
    /// It has no `=` between a field and its values.
    #[error("`{0}` is no field with values: write FIELD=VALUES, such as `maxReplicas=8,12,20`")]
    Form(String),
    /// A value is missing between two commas.
    #[error("`{0}` has an empty value: write FIELD=VALUES, such as `maxReplicas=8,12,20`")]
    EmptyValue(String),
    /// It is no range.
    #[error(
        "`{0}` is no range: write LOW..HIGH/COUNT with LOW below HIGH and 2 to 10000 values, such as `1..64/7`; behind `log:`, LOW has to be above 0"
    )]
    Range(String),
}

impl Axis {
    /// The field by its path from the policy's `spec`, which is not named:
    /// `metrics[0].pods.target.averageValue`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The values as text.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// The one policy that it is for, if there is one.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    pub(super) fn is_for(&self, policy: &str) -> bool {
        self.policy.as_deref().is_none_or(|name| name == policy)
    }

    /// The values as the field of this policy takes them, each once.
    pub(super) fn values_for(&self, spec: &PolicySpec) -> Result<Vec<String>, FieldError> {
        let mut taken: Vec<String> = Vec::new();
        for value in &self.values {
            let value = match set_field(spec, &self.field, value) {
                Ok(_) => value.clone(),
                Err(error) => {
                    let rounded = self.ranged.then(|| rounded(value)).flatten();
                    let whole = rounded.filter(|whole| set_field(spec, &self.field, whole).is_ok());
                    whole.ok_or(error)?
                }
            };
            if !taken.contains(&value) {
                taken.push(value);
            }
        }
        Ok(taken)
    }
}

impl FromStr for Axis {
    type Err = ParseAxisError;

    fn from_str(text: &str) -> Result<Self, ParseAxisError> {
        let form = || ParseAxisError::Form(text.to_owned());
        let (place, values) = text.split_once('=').ok_or_else(form)?;
        let (policy, field) = match place.split_once(':') {
            Some((policy, field)) => (Some(policy.trim().to_owned()), field.trim()),
            None => (None, place.trim()),
        };
        let field = field.strip_prefix("spec.").unwrap_or(field);
        if field.is_empty() || policy.as_ref().is_some_and(String::is_empty) {
            return Err(form());
        }
        let field = field.to_owned();
        let values = values.trim();
        if let Some(range) = range(values) {
            let values = range.ok_or_else(|| ParseAxisError::Range(values.to_owned()))?;
            return Ok(Self { policy, field, values, ranged: true });
        }
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err(ParseAxisError::EmptyValue(text.to_owned()));
        }
        Ok(Self { policy, field, values, ranged: false })
    }
}

const MOST_STEPS: u32 = 10_000;

/// The values of a range, if it is sound; `None` for what is no range.
#[expect(clippy::option_option, reason = "no range, or an unsound one")]
fn range(text: &str) -> Option<Option<Vec<String>>> {
    let (geometric, bounds) = match text.strip_prefix("log:") {
        Some(bounds) => (true, bounds),
        None => (false, text),
    };
    if !geometric && !bounds.contains("..") {
        return None;
    }
    Some(points(bounds, geometric))
}

fn points(text: &str, geometric: bool) -> Option<Vec<String>> {
    let (bounds, steps) = text.split_once('/')?;
    let (low, high) = bounds.split_once("..")?;
    let (low, high): (f64, f64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    let steps: u32 = steps.trim().parse().ok()?;
    let sound = low.is_finite() && high.is_finite() && low < high && (!geometric || low > 0.0);
    if !sound || !(2..=MOST_STEPS).contains(&steps) {
        return None;
    }
    let last = steps - 1;
    let point = |step: u32| {
        let part = f64::from(step) / f64::from(last);
        match step {
            0 => low,
            _ if step == last => high,
            _ if geometric => low * libm::pow(high / low, part),
            _ => low + (high - low) * part,
        }
    };
    Some((0..steps).map(|step| number(point(step))).collect())
}

/// With four digits, or as a whole number where that has more.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 12")]
fn number(value: f64) -> String {
    if value == 0.0 {
        return String::from("0");
    }
    let decimals = (3.0 - libm::floor(libm::log10(libm::fabs(value)))).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

fn rounded(text: &str) -> Option<String> {
    let number: f64 = text.parse().ok()?;
    Some(format!("{:.0}", libm::rint(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        text.parse::<Axis>().unwrap().values
    }

    #[test]
    fn lists_and_ranges() {
        assert_eq!(values("a=2, 4 ,500m"), ["2", "4", "500m"]);
        assert_eq!(values("a=8..20/4"), ["8", "12", "16", "20"]);
        assert_eq!(values("a=0..1/4"), ["0", "0.3333", "0.6667", "1"]);
        assert_eq!(values("a=-1..1/3"), ["-1", "0", "1"]);
        assert_eq!(values("a=log:1..1000/4"), ["1", "10", "100", "1000"]);
        assert_eq!(values("a=log:0.001..0.1/3"), ["0.001", "0.01", "0.1"]);
        assert_eq!(values("a=10000..20001/4"), ["10000", "13334", "16667", "20001"]);
    }

    #[test]
    fn a_policy_may_stand_before_the_field() {
        let axis: Axis = "llm-1.x:spec.hpa.tolerance=0.1".parse().unwrap();
        assert_eq!((axis.policy(), axis.field()), (Some("llm-1.x"), "hpa.tolerance"));
        assert!(axis.is_for("llm-1.x") && !axis.is_for("llm"));
    }

    #[test]
    fn whole_numbers_where_the_field_takes_no_others() {
        let spec = PolicySpec::default();
        let axis: Axis = "maxReplicas=1..3/5".parse().unwrap();
        assert_eq!(axis.values_for(&spec).unwrap(), ["1", "2", "3"]);
        let axis: Axis = "maxReplicas=1.5".parse().unwrap();
        assert!(axis.values_for(&spec).is_err());
    }

    #[test]
    fn what_is_no_axis_is_refused() {
        let message = |text: &str| text.parse::<Axis>().unwrap_err().to_string();
        for text in ["maxReplicas", "=1", ":a=1", "a:=1"] {
            assert!(message(text).contains("is no field with values"), "{text}");
        }
        for text in ["a=", "a=1,", "a=,1"] {
            assert!(message(text).contains("has an empty value"), "{text}");
        }
        for text in [
            "a=1..2",
            "a=1..2/1",
            "a=2..1/3",
            "a=1..x/3",
            "a=log:0..1/3",
            "a=1..2/10001",
            "a=log:1,2",
            "a=1..inf/2",
            "a=nan..1/2",
            "a=../",
        ] {
            assert!(message(text).contains("is no range"), "{text}");
        }
    }
}
