//! PodDisruptionBudgets: which pods they guard, and how many of them may be away.

use super::selector::LabelSelector;
use super::workload::{Kind, Workload};
use crate::lint::document::Document;
use crate::lint::field::Field;
use crate::lint::set::Set;

/// A PodDisruptionBudget.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Budget<'n> {
    pub(in crate::lint) document: &'n Document,
    pub(in crate::lint) spec: Field<'n>,
}

/// A number of pods, or a share of them in percent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::lint) enum Share {
    Pods(i64),
    Percent(i64),
}

impl Share {
    /// A field of Kubernetes' type `IntOrString`.
    pub(in crate::lint) fn of(field: Field<'_>) -> Option<Self> {
        if let Some(pods) = field.int() {
            return (pods >= 0).then_some(Self::Pods(pods));
        }
        let percent = field.text()?.strip_suffix('%')?.parse().ok()?;
        (0..=100).contains(&percent).then_some(Self::Percent(percent))
    }

    /// Of so many pods, rounded up.
    pub(in crate::lint) fn up(self, pods: i64) -> i64 {
        self.of_pods(pods, 99)
    }

    /// Of so many pods, rounded down.
    pub(in crate::lint) fn down(self, pods: i64) -> i64 {
        self.of_pods(pods, 0)
    }

    /// Whether it is a number of pods.
    pub(in crate::lint) fn is_pods(self) -> bool {
        matches!(self, Self::Pods(_))
    }

    fn of_pods(self, pods: i64, add: i64) -> i64 {
        match self {
            Self::Pods(pods) => pods,
            Self::Percent(percent) => pods.saturating_mul(percent).saturating_add(add) / 100,
        }
    }
}

impl<'n> Budget<'n> {
    /// All budgets of the set.
    pub(in crate::lint) fn among(set: &Set<'n>) -> Vec<Self> {
        let documents = set.of_kind("policy", "PodDisruptionBudget");
        documents.filter_map(|document| Some(Self { document, spec: document.spec()? })).collect()
    }

    /// Which pods it guards; nothing if it does not say, which guards none.
    pub(in crate::lint) fn selector(&self) -> Option<LabelSelector<'n>> {
        self.spec.key_of("selector").map(|field| LabelSelector { field })
    }

    /// Whether it guards the pods of a workload.
    pub(in crate::lint) fn guards(&self, set: &Set<'_>, workload: &Workload<'_>) -> bool {
        let selects = |selector: LabelSelector<'_>| {
            selector.matches(workload.pod.labels())
                && (!selector.is_empty() || self.document.version != "v1beta1")
        };
        workload.kind != Kind::KServe
            && workload.is_in(self.document.namespace.as_deref())
            && self.selector().is_some_and(selects)
            && !set.are_apart(self.document, workload.document)
    }

    /// `minAvailable` or `maxUnavailable`, where it is written.
    pub(in crate::lint) fn field(&self, key: &str) -> Option<(Share, Field<'n>)> {
        let field = self.spec.get(key)?;
        Some((Share::of(field)?, field))
    }

    /// How many of so many pods it lets go at once, all being ready, and the field that says so. The API
    /// rounds both of its shares up.
    pub(in crate::lint) fn allows(&self, pods: i64) -> Option<(i64, Field<'n>)> {
        if let Some((share, field)) = self.field("minAvailable") {
            return Some((pods.saturating_sub(share.up(pods)).max(0), field));
        }
        let (share, field) = self.field("maxUnavailable")?;
        Some((share.up(pods).min(pods), field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    #[test]
    fn what_may_go() {
        let allows = |spec: &str, pods| {
            let text = format!("apiVersion: policy/v1\nkind: PodDisruptionBudget\nspec: {spec}\n");
            let document = document(&text);
            let budget = Budget { document: &document, spec: document.spec().unwrap() };
            budget.allows(pods).map(|(allowed, _)| allowed)
        };
        for (spec, pods, expected) in [
            ("{minAvailable: 1}", 2, Some(1)),
            ("{minAvailable: 2}", 2, Some(0)),
            ("{minAvailable: 3}", 2, Some(0)),
            ("{minAvailable: 50%}", 2, Some(1)),
            ("{minAvailable: 51%}", 2, Some(0)),
            ("{minAvailable: 100%}", 9, Some(0)),
            ("{maxUnavailable: 0}", 4, Some(0)),
            ("{maxUnavailable: 0%}", 4, Some(0)),
            ("{maxUnavailable: 1%}", 4, Some(1)),
            ("{maxUnavailable: 25%}", 4, Some(1)),
            ("{maxUnavailable: 30%}", 4, Some(2)),
            ("{maxUnavailable: 9}", 4, Some(4)),
            ("{maxUnavailable: half}", 4, None),
            ("{maxUnavailable: 200%}", 4, None),
            ("{maxUnavailable: -1}", 4, None),
            ("{}", 4, None),
        ] {
            assert_eq!(allows(spec, pods), expected, "{spec} of {pods}");
        }
    }
}
