//! Which values of a node's label are allowed: the arithmetic behind `nodeSelector`, node affinity and
//! the requirements of a NodePool.

use std::collections::BTreeSet;

use crate::lint::field::Field;

/// The values that a label may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lint) struct Allowed<'n> {
    /// All but the values, instead of none but them.
    except: bool,
    values: BTreeSet<&'n str>,
    at_least: Option<i64>,
    at_most: Option<i64>,
}

impl<'n> Allowed<'n> {
    /// None but this value.
    pub(in crate::lint) fn only(value: &'n str) -> Self {
        Self { values: BTreeSet::from([value]), ..Self::none() }
    }

    /// The label may not be there.
    fn none() -> Self {
        Self { except: false, values: BTreeSet::new(), at_least: None, at_most: None }
    }

    /// Any value.
    fn any() -> Self {
        Self { except: true, ..Self::none() }
    }

    /// What an expression `{key, operator, values}` allows; nothing if it is none that Kubernetes or
    /// Karpenter knows.
    pub(in crate::lint) fn of(expression: Field<'n>) -> Option<(&'n str, Self)> {
        let key = expression.text_of("key")?;
        let values: BTreeSet<_> =
            expression.list("values").filter_map(|value| value.text()).collect();
        let bound = || values.first().and_then(|value| value.parse::<i64>().ok());
        let allowed = match expression.text_of("operator")? {
            "In" => Self { values, ..Self::none() },
            "NotIn" => Self { values, ..Self::any() },
            "Exists" => Self::any(),
            "DoesNotExist" => Self::none(),
            "Gt" => Self { at_least: Some(bound()?.checked_add(1)?), ..Self::any() },
            "Gte" => Self { at_least: Some(bound()?), ..Self::any() },
            "Lt" => Self { at_most: Some(bound()?.checked_sub(1)?), ..Self::any() },
            "Lte" => Self { at_most: Some(bound()?), ..Self::any() },
            _ => return None,
        };
        Some((key, allowed))
    }

    /// What both allow.
    pub(in crate::lint) fn and(&self, other: &Self) -> Self {
        let at_least = self.at_least.max(other.at_least);
        let at_most = match (self.at_most, other.at_most) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let (except, values) = match (self.except, other.except) {
            (true, true) => (true, self.values.union(&other.values).copied().collect()),
            (true, false) => (false, other.values.difference(&self.values).copied().collect()),
            (false, true) => (false, self.values.difference(&other.values).copied().collect()),
            (false, false) => (false, self.values.intersection(&other.values).copied().collect()),
        };
        let mut both = Self { except, values, at_least, at_most };
        if !both.except {
            let (at_least, at_most) = (both.at_least, both.at_most);
            both.values.retain(|value| within(value, at_least, at_most));
        }
        both
    }

    /// Whether it allows this value.
    pub(in crate::lint) fn contains(&self, value: &str) -> bool {
        self.values.contains(value) != self.except && within(value, self.at_least, self.at_most)
    }

    /// Whether it allows this value alone.
    pub(in crate::lint) fn is_only(&self, value: &str) -> bool {
        self.listed().is_some_and(|values| values.eq([value]))
    }

    /// Whether it allows no value at all.
    pub(in crate::lint) fn is_empty(&self) -> bool {
        let crossed = self.at_least.zip(self.at_most).is_some_and(|(least, most)| least > most);
        crossed || (!self.except && !self.values.iter().any(|value| self.contains(value)))
    }

    /// The values, where they are listed.
    pub(in crate::lint) fn listed(&self) -> Option<impl Iterator<Item = &'n str> + '_> {
        let values = self.values.iter().copied().filter(|value| self.contains(value));
        (!self.except).then_some(values)
    }

    /// The largest whole number that it allows, where that is bounded.
    pub(in crate::lint) fn largest(&self) -> Option<i64> {
        match self.listed() {
            Some(values) => {
                let numbers: Option<Vec<i64>> = values.map(|value| value.parse().ok()).collect();
                numbers?.into_iter().max()
            }
            None => self.at_most,
        }
    }

    /// Whether it is met where the label is not there: it only excludes.
    pub(in crate::lint) fn excludes(&self) -> bool {
        if self.except {
            !self.values.is_empty() && self.at_least.is_none() && self.at_most.is_none()
        } else {
            self.values.is_empty()
        }
    }
}

/// Whether a value is within bounds; with bounds only numbers are.
fn within(value: &str, at_least: Option<i64>, at_most: Option<i64>) -> bool {
    if at_least.is_none() && at_most.is_none() {
        return true;
    }
    value.parse::<i64>().is_ok_and(|number| {
        at_least.is_none_or(|least| number >= least) && at_most.is_none_or(|most| number <= most)
    })
}

/// The names that a label of nodes had before: Karpenter translates them.
pub(in crate::lint) fn current_name(key: &str) -> &str {
    match key {
        "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        "beta.kubernetes.io/arch" => "kubernetes.io/arch",
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        other => other,
    }
}

/// Whether Karpenter or its cloud sets the label itself, so that no NodePool has to name it.
pub(in crate::lint) fn is_well_known(key: &str) -> bool {
    const DOMAINS: [&str; 8] = [
        "karpenter.sh",
        "karpenter.k8s.aws",
        "eks.amazonaws.com",
        "karpenter.azure.com",
        "karpenter.k8s.gcp",
        "topology.kubernetes.io",
        "topology.k8s.aws",
        "node.kubernetes.io",
    ];
    let key = current_name(key);
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    DOMAINS.contains(&domain)
        || matches!(key, "kubernetes.io/arch" | "kubernetes.io/os" | "kubernetes.io/hostname")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    const EXPRESSIONS: [&str; 8] = [
        "{key: k, operator: In, values: [\"1\", \"4\"]}",
        "{key: k, operator: NotIn, values: [\"4\"]}",
        "{key: k, operator: Exists}",
        "{key: k, operator: DoesNotExist}",
        "{key: k, operator: Gt, values: [\"1\"]}",
        "{key: k, operator: Lte, values: [\"4\"]}",
        "{key: k, operator: Lt, values: [\"2\"]}",
        "{key: k, operator: In, values: [g5, \"2\"]}",
    ];

    #[test]
    fn what_both_allow_is_what_each_allows() {
        for one in EXPRESSIONS {
            for two in EXPRESSIONS {
                let (one_text, two_text) = (document(one), document(two));
                let (_, one) = Allowed::of(Field::root(&one_text)).unwrap();
                let (_, two) = Allowed::of(Field::root(&two_text)).unwrap();
                let both = one.and(&two);
                for value in ["0", "1", "2", "4", "5", "g5"] {
                    let each = one.contains(value) && two.contains(value);
                    assert_eq!(both.contains(value), each, "{one:?} {two:?} {value}");
                    assert!(!each || !both.is_empty(), "{one:?} {two:?}");
                }
                assert_eq!(both, two.and(&one));
            }
        }
    }

    #[test]
    fn emptiness_and_the_largest() {
        let allowed = |text: &str| {
            let document = document(text);
            let (_, allowed) = Allowed::of(Field::root(&document)).unwrap();
            (allowed.is_empty(), allowed.largest(), allowed.excludes())
        };
        assert_eq!(allowed(EXPRESSIONS[0]), (false, Some(4), false));
        assert_eq!(allowed(EXPRESSIONS[1]), (false, None, true));
        assert_eq!(allowed(EXPRESSIONS[2]), (false, None, false));
        assert_eq!(allowed(EXPRESSIONS[3]), (true, None, true));
        assert_eq!(allowed(EXPRESSIONS[5]), (false, Some(4), false));
        assert_eq!(allowed(EXPRESSIONS[7]), (false, None, false));
        let unknown = document("{key: k, operator: Like, values: [a]}");
        assert_eq!(Allowed::of(Field::root(&unknown)), None);
    }

    #[test]
    fn labels_that_the_cloud_sets() {
        assert!(is_well_known("karpenter.k8s.aws/instance-gpu-count"));
        assert!(is_well_known("beta.kubernetes.io/arch"));
        assert!(is_well_known("topology.kubernetes.io/zone"));
        assert!(!is_well_known("nvidia.com/gpu.product"));
        assert!(!is_well_known("accelerator"));
    }
}
