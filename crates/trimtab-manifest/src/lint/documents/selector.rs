//! Label selectors, as Kubernetes matches them against the labels of pods.

use crate::lint::field::Field;

/// The labels or annotations of an object.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Labels<'n>(pub(in crate::lint) Option<Field<'n>>);

impl<'n> Labels<'n> {
    pub(in crate::lint) fn get(&self, key: &str) -> Option<&'n str> {
        self.field(key)?.text()
    }

    pub(in crate::lint) fn field(&self, key: &str) -> Option<Field<'n>> {
        self.0?.get(key)
    }

    /// All of them, with their places.
    pub(in crate::lint) fn all(&self) -> impl Iterator<Item = (&'n str, Field<'n>)> + use<'n> {
        self.0.into_iter().flat_map(|field| field.entries())
    }
}

/// A selector of pods: `matchLabels` and `matchExpressions`, all of which have to match.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct LabelSelector<'n> {
    pub(in crate::lint) field: Field<'n>,
}

impl<'n> LabelSelector<'n> {
    /// What `matchLabels` asks for.
    pub(in crate::lint) fn labels(&self) -> Labels<'n> {
        Labels(self.field.get("matchLabels"))
    }

    /// Whether it selects pods with these labels. One that says nothing selects all.
    ///
    /// An expression that the API server would refuse counts as matched, so that nothing is
    /// concluded from it.
    pub(in crate::lint) fn matches(&self, labels: Labels<'_>) -> bool {
        let equal = |(key, wanted): (&str, Field<'_>)| labels.get(key) == wanted.text();
        self.labels().all().all(equal)
            && self
                .field
                .list("matchExpressions")
                .all(|expression| holds(expression, labels).unwrap_or(true))
    }

    /// Whether it says nothing, and so selects every pod of its namespace.
    pub(in crate::lint) fn is_empty(&self) -> bool {
        self.labels().all().next().is_none() && self.field.list("matchExpressions").next().is_none()
    }
}

/// Whether an expression of a selector holds; nothing if it is none.
fn holds(expression: Field<'_>, labels: Labels<'_>) -> Option<bool> {
    let value = labels.get(expression.text_of("key")?);
    let named = |value: &str| expression.list("values").any(|one| one.text() == Some(value));
    Some(match expression.text_of("operator")? {
        "In" => value.is_some_and(named),
        // Kubernetes takes a label that is not there for one that is not in the list.
        "NotIn" => !value.is_some_and(named),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => return None,
    })
}

/// What the plain map of a `Service` or `nodeSelector` asks for: every pair, and no pair selects nothing.
pub(in crate::lint) fn map_matches(wanted: Labels<'_>, labels: Labels<'_>) -> bool {
    let mut wanted = wanted.all().peekable();
    wanted.peek().is_some()
        && wanted.all(|(key, value)| value.text().is_some() && labels.get(key) == value.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    fn matches(selector: &str, labels: &str) -> bool {
        let text = format!("selector: {selector}\nlabels: {labels}\n");
        let document = document(&text);
        let root = Field::root(&document);
        let selector = LabelSelector { field: root.get("selector").unwrap() };
        selector.matches(Labels(root.get("labels")))
    }

    #[test]
    fn all_parts_have_to_match() {
        let labels = "{app: llm, tier: gpu}";
        for (selector, expected) in [
            ("{}", true),
            ("{matchLabels: {app: llm}}", true),
            ("{matchLabels: {app: llm, tier: gpu}}", true),
            ("{matchLabels: {app: llm, tier: cpu}}", false),
            ("{matchLabels: {other: llm}}", false),
            ("{matchExpressions: [{key: app, operator: In, values: [a, llm]}]}", true),
            ("{matchExpressions: [{key: app, operator: In, values: [a]}]}", false),
            ("{matchExpressions: [{key: none, operator: In, values: [a]}]}", false),
            ("{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}", true),
            ("{matchExpressions: [{key: app, operator: NotIn, values: [llm]}]}", false),
            ("{matchExpressions: [{key: none, operator: NotIn, values: [llm]}]}", true),
            ("{matchExpressions: [{key: app, operator: Exists}]}", true),
            ("{matchExpressions: [{key: none, operator: Exists}]}", false),
            ("{matchExpressions: [{key: none, operator: DoesNotExist}]}", true),
            ("{matchExpressions: [{key: app, operator: DoesNotExist}]}", false),
            (
                "{matchLabels: {app: llm}, matchExpressions: [{key: app, operator: DoesNotExist}]}",
                false,
            ),
            ("{matchExpressions: [{key: app, operator: Like, values: [a]}]}", true),
        ] {
            assert_eq!(matches(selector, labels), expected, "{selector}");
        }
    }

    #[test]
    fn a_map_without_pairs_selects_nothing() {
        let document = document("none: {}\nwanted: {app: llm}\nlabels: {app: llm, tier: gpu}\n");
        let root = Field::root(&document);
        let labels = Labels(root.get("labels"));
        assert!(map_matches(Labels(root.get("wanted")), labels));
        assert!(!map_matches(Labels(root.get("none")), labels));
        assert!(!map_matches(Labels(None), labels));
    }
}
