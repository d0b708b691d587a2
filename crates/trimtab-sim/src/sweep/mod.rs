//! Which tunings of a policy to try, and what comes of them.

mod axis;
mod field;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use trimtab_engine::{InvalidPolicy, Policy, PolicySpec};

use crate::Random;

pub use axis::{Axis, ParseAxisError};
pub use field::{FieldError, read_field, set_field};

/// Values for fields of a policy: every combination of them, or so many by chance.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
/// use trimtab_sim::sweep::Sweep;
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10}"#,
/// )?)?;
/// let axes = vec!["spec.minReplicas=1,2".parse()?, "maxReplicas=4..16/3".parse()?];
/// let sweep = Sweep { axes, random: None, seed: 1 };
///
/// let tuned = sweep.tune("llm", &policy)?;
/// assert_eq!(tuned.len(), 6);
/// assert_eq!(tuned[5].tuning["maxReplicas"], "16");
/// assert_eq!(tuned[5].policy.bounds().max, 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The fields and their values. Those that name another policy are passed over.
    pub axes: Vec<Axis>,
    /// So many different combinations by chance, instead of all of them.
    pub random: Option<usize>,
    /// Where that chance comes from.
    pub seed: u64,
}

/// A policy with some of its fields set.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The fields by path, as in [`Axis::field`], with their values.
    pub tuning: BTreeMap<String, String>,
    /// The policy.
    pub policy: Policy,
}

/// Why a policy can't be swept.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SweepError {
    /// A field is not there, or does not take a value.
    #[error("`{policy}`: {error}")]
    Field {
        /// The policy.
        policy: String,
        /// What is wrong.
        error: FieldError,
    },
    /// A field has values twice.
    #[error("`{field}` of `{policy}` is given values twice: give all of them at once")]
    Twice {
        /// The policy.
        policy: String,
        /// The field.
        field: String,
    },
    /// Values that do not go together.
    #[error("`{policy}` with {tuning}: {rules}")]
    Rules {
        /// The policy.
        policy: String,
        /// The fields that were set.
        tuning: String,
        /// What is wrong.
        rules: InvalidPolicy,
    },
    /// More combinations than are tried.
    #[error(
        "`{policy}` would be tried with {combinations} combinations, more than {}: give fewer values, or take some by chance",
        Sweep::MOST
    )]
    TooMany {
        /// The policy.
        policy: String,
        /// How many.
        combinations: u64,
    },
}

impl Sweep {
    /// The most combinations of one policy that are tried.
    pub const MOST: usize = 10_000;

    /// The combinations for the policy of this name, the last axis fastest; of those by chance, in the
    /// same order. A policy that no axis is for comes back as it is.
    ///
    /// # Errors
    ///
    /// [`SweepError`], before which nothing was simulated.
    pub fn tune(&self, name: &str, policy: &Policy) -> Result<Vec<Tuned>, SweepError> {
        let axes = self.resolve(name, policy.spec())?;
        let combinations =
            axes.iter().fold(1_u64, |product, axis| product.saturating_mul(axis.len() as u64));
        let tried = self.random.map_or(combinations, |count| combinations.min(count as u64));
        if tried > Self::MOST as u64 {
            return Err(SweepError::TooMany { policy: name.to_owned(), combinations: tried });
        }
        let combine = |index| combination(name, policy, &axes, index);
        if tried == combinations {
            return (0..combinations).map(combine).collect();
        }
        let mut random = Random::new(self.seed, &format!("sweep of {name}"));
        chosen(tried, combinations, &mut random).into_iter().map(combine).collect()
    }

    /// The values of each axis as the policy takes them.
    fn resolve(&self, name: &str, spec: &PolicySpec) -> Result<Vec<Values>, SweepError> {
        let mut fields = BTreeSet::new();
        let axes = self.axes.iter().filter(|axis| axis.is_for(name));
        axes.map(|axis| {
            let policy = || name.to_owned();
            if !fields.insert(axis.field()) {
                let field = axis.field().to_owned();
                return Err(SweepError::Twice { policy: policy(), field });
            }
            let values = axis.values_for(spec);
            let values = values.map_err(|error| SweepError::Field { policy: policy(), error })?;
            Ok(Values { field: axis.field().to_owned(), values })
        })
        .collect()
    }
}

/// A field with the values that it takes.
struct Values {
    field: String,
    values: Vec<String>,
}

impl Values {
    fn len(&self) -> usize {
        self.values.len()
    }
}

/// The combination of this index: its digits, each in the base of its axis.
fn combination(
    name: &str,
    policy: &Policy,
    axes: &[Values],
    index: u64,
) -> Result<Tuned, SweepError> {
    let mut rest = index;
    let mut tuning = BTreeMap::new();
    for axis in axes.iter().rev() {
        let base = axis.len() as u64;
        let digit = usize::try_from(rest % base).unwrap_or(0);
        rest /= base;
        if let Some(value) = axis.values.get(digit) {
            tuning.insert(axis.field.clone(), value.clone());
        }
    }
    let mut spec = policy.spec().clone();
    for (field, value) in &tuning {
        spec = set_field(&spec, field, value)
            .map_err(|error| SweepError::Field { policy: name.to_owned(), error })?;
    }
    match Policy::new(spec) {
        Ok(policy) => Ok(Tuned { tuning, policy }),
        Err(rules) => {
            let pairs: Vec<String> =
                tuning.iter().map(|(field, value)| format!("`{field}={value}`")).collect();
            let tuning = pairs.join(", ");
            Err(SweepError::Rules { policy: name.to_owned(), tuning, rules })
        }
    }
}

/// `count` different numbers below `total`, each set of them as likely (Floyd's sample).
fn chosen(count: u64, total: u64, random: &mut Random) -> BTreeSet<u64> {
    let mut chosen = BTreeSet::new();
    for last in total - count..total {
        let drawn = random.below(last + 1);
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> Policy {
        let text = r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "minReplicas": 2, "maxReplicas": 20,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": "requests_waiting"},
                "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#;
        Policy::new(serde_json::from_str(text).unwrap()).unwrap()
    }

    fn sweep(axes: &[&str], random: Option<usize>, seed: u64) -> Sweep {
        Sweep { axes: axes.iter().map(|axis| axis.parse().unwrap()).collect(), random, seed }
    }

    const TARGET: &str = "spec.metrics[0].pods.target.averageValue";

    #[test]
    fn the_last_axis_is_the_fastest() {
        let target = format!("{TARGET}=2,4");
        let tuned = sweep(&[&target, "maxReplicas=8,9"], None, 1).tune("llm", &policy()).unwrap();
        let pairs: Vec<String> = tuned
            .iter()
            .map(|tuned| tuned.tuning.values().map(String::as_str).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(pairs, ["8 2", "9 2", "8 4", "9 4"]);
    }

    #[test]
    fn a_policy_without_an_axis_stays_as_it_is() {
        let tuned = sweep(&["other:maxReplicas=3"], None, 1).tune("llm", &policy()).unwrap();
        assert_eq!(tuned, [Tuned { tuning: BTreeMap::new(), policy: policy() }]);
        let tuned = sweep(&["llm:maxReplicas=3"], None, 1).tune("llm", &policy()).unwrap();
        assert_eq!(tuned[0].policy.bounds().max, 3);
    }

    #[test]
    fn what_can_not_be_swept_says_why() {
        let message =
            |axes: &[&str]| sweep(axes, None, 1).tune("llm", &policy()).unwrap_err().to_string();
        let errors = [
            message(&["spec.maxReplica=3"]),
            message(&["maxReplicas=3", "spec.maxReplicas=4"]),
            message(&["minReplicas=2,5", "maxReplicas=3"]),
            message(&["minReplicas=1..200/200", "maxReplicas=200..300/101"]),
        ];
        insta::assert_snapshot!(errors.join("\n"), @"
        `llm`: `maxReplica` can't be set: unknown field `maxReplica` (did you mean `maxReplicas`?)
        `maxReplicas` of `llm` is given values twice: give all of them at once
        `llm` with `maxReplicas=3`, `minReplicas=5`: the policy breaks a rule
          spec.maxReplicas is 3 and has to be at least `minReplicas`, 5
        `llm` would be tried with 20200 combinations, more than 10000: give fewer values, or take some by chance
        ");
    }

    #[test]
    fn chance_takes_a_few_of_a_grid_that_is_too_large() {
        let axes = ["minReplicas=1..200/200", "maxReplicas=200..300/101"];
        assert_eq!(sweep(&axes, Some(7), 1).tune("llm", &policy()).unwrap().len(), 7);
        assert!(sweep(&axes, Some(10_001), 1).tune("llm", &policy()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_grid_has_every_combination_once(
            least in 1_usize..5, most in 1_usize..5, windows in 2_usize..5
        ) {
            let list = |from: usize, count: usize| {
                (from..from + count).map(|value| value.to_string()).collect::<Vec<_>>().join(",")
            };
            let axes = [
                format!("minReplicas={}", list(1, least)),
                format!("maxReplicas={}", list(10, most)),
                format!("{TARGET}=log:1..64/{windows}"),
            ];
            let axes: Vec<&str> = axes.iter().map(String::as_str).collect();
            let tuned = sweep(&axes, None, 1).tune("llm", &policy()).unwrap();
            let different: BTreeSet<_> = tuned.iter().map(|tuned| tuned.tuning.clone()).collect();
            prop_assert_eq!(tuned.len(), least * most * windows);
            prop_assert_eq!(different.len(), tuned.len());
            for tuned in &tuned {
                for (field, value) in &tuned.tuning {
                    let read = read_field(tuned.policy.spec(), field).unwrap();
                    let same = set_field(tuned.policy.spec(), field, value).unwrap();
                    prop_assert_eq!(&same, tuned.policy.spec());
                    prop_assert!(read.is_some());
                }
            }
        }

        #[test]
        fn points_by_chance_are_of_the_grid_and_of_the_seed(seed: u64, count in 1_usize..40) {
            let axes = ["minReplicas=1..6/6", "maxReplicas=10,20,30,40,50"];
            let grid = sweep(&axes, None, seed).tune("llm", &policy()).unwrap();
            let some = sweep(&axes, Some(count), seed).tune("llm", &policy()).unwrap();
            prop_assert_eq!(some.len(), count.min(30));
            let mut grid = grid.iter();
            prop_assert!(some.iter().all(|point| grid.any(|other| other == point)));
            prop_assert_eq!(some, sweep(&axes, Some(count), seed).tune("llm", &policy()).unwrap());
        }
    }
}
