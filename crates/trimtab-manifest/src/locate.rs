//! Where in the text a field is, or would be.

use crate::Span;
use crate::node::{Node, Value};

/// The place of a field.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The field's value; where the field is absent or a collection, the key that it belongs under.
    pub(crate) span: Span,
    /// Whether the field itself is there, and not null.
    pub(crate) present: bool,
}

/// Finds a field such as `spec.metrics[0].pods.target.averageValue`.
///
/// What is absent is shown at the nearest field around it that is there.
pub(crate) fn locate(root: &Node, field: &str) -> Place {
    let mut node = root;
    let mut head = root.span;
    for segment in segments(field) {
        let next = match (&node.value, segment) {
            (Value::Mapping(_), Segment::Key(key)) => {
                node.entry(key).map(|entry| (&*entry.value, entry.key_span))
            }
            (Value::Sequence(items), Segment::Index(index)) => {
                items.get(index).map(|item| (&**item, item.span))
            }
            _ => None,
        };
        match next {
            Some((next, span)) => (node, head) = (next, span),
            None => {
                return Place { span: head, present: false };
            }
        }
    }
    if node.is_null() {
        return Place { span: head, present: false };
    }
    let span = match &node.value {
        Value::Scalar(_) => node.span,
        _ => head,
    };
    Place { span, present: true }
}

enum Segment<'f> {
    Key(&'f str),
    Index(usize),
}

fn segments(field: &str) -> impl Iterator<Item = Segment<'_>> {
    field.split(['.', '[']).map(|part| match part.strip_suffix(']') {
        Some(index) => index.parse().map_or(Segment::Key(part), Segment::Index),
        None => Segment::Key(part),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Source, yaml};

    #[test]
    fn fields_are_found_or_the_one_around_them() {
        let text =
            "spec:\n  metrics:\n  - type: Pods\n    pods: {target: {averageValue: 4}}\n  - x\n";
        let (documents, problems) = yaml::documents(&Source::new("x", text), &Limits::default());
        assert_eq!(problems, []);
        for (field, at, present) in [
            ("spec.metrics[0].type", "Pods", true),
            ("spec.metrics[0].pods.target.averageValue", "4", true),
            ("spec.metrics[0].pods.target.value", "target", false),
            ("spec.metrics[0].pods", "pods", true),
            ("spec.metrics[0].resource", "type: Pods", false),
            ("spec.metrics[1]", "x", true),
            ("spec.metrics[7].type", "metrics", false),
            ("spec.maxReplicas", "spec", false),
            ("metadata.name", "spec:", false),
        ] {
            let place = locate(&documents[0], field);
            let shown = text[place.span.start..place.span.end].lines().next();
            assert_eq!(shown, Some(at), "{field}");
            assert_eq!(place.present, present, "{field}");
        }
    }
}
