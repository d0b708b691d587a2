//! YAML inside a string of YAML, with places in the outer text.

use std::rc::Rc;

use super::block::Field;
use crate::node::{Entry, Node, Value};
use crate::{Limits, Problem, ProblemKind, Source, Span, yaml};

/// Reads the one document that a string holds. Its places are those of the outer text where the
/// string is a literal block (`|`), whose lines stand there as they are; else they are the
/// string's.
pub(super) fn document(
    source: &Source,
    field: &Field<'_>,
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Option<Rc<Node>> {
    let Some(text) = field.text() else {
        let message = format!("expected a string, found {}", field.node.describe());
        problems.push(field.problem(ProblemKind::WrongType, message));
        return None;
    };
    let inner = Source::new(field.key(), text);
    let (documents, found) = yaml::documents(&inner, limits);
    let lines = Lines::new(source, field, text);
    if !found.is_empty() {
        problems.extend(found.into_iter().map(|problem| {
            let span = lines.outside(problem.span());
            let path = problem.field().map(|inner| format!("{}.{inner}", field.path));
            problem.moved_to(span, path.unwrap_or_else(|| field.path.clone()))
        }));
        return None;
    }
    match documents.as_slice() {
        [document] => Some(moved(document, &lines)),
        documents => {
            let message = format!("expected one document, found {}", documents.len());
            problems.push(field.problem(ProblemKind::DocumentCount, message));
            None
        }
    }
}

/// Where the lines of a literal block stand in the outer text.
struct Lines {
    /// Per line: where it starts inside, and where the same letter stands outside.
    starts: Vec<(usize, usize)>,
    /// Where everything is if the lines do not stand there as they are.
    whole: Span,
}

impl Lines {
    fn new(source: &Source, field: &Field<'_>, text: &str) -> Self {
        let starts = Self::starts(source, field, text).unwrap_or_default();
        Self { starts, whole: field.span }
    }

    fn starts(source: &Source, field: &Field<'_>, text: &str) -> Option<Vec<(usize, usize)>> {
        let outer = source.text();
        // The span of a block starts at its indicator or at its first line.
        let line_start = outer.get(..field.node.span.start)?.rfind('\n').map_or(0, |at| at + 1);
        let mut outside = line_start;
        let mut outer_lines = outer.get(line_start..)?.split_inclusive('\n');
        let mut starts = Vec::new();
        let mut inside = 0_usize;
        let mut indent = None;
        for line in text.split_inclusive('\n') {
            let content = line.trim_end();
            if !content.is_empty() {
                loop {
                    let outer_line = outer_lines.next()?;
                    let trimmed = outer_line.trim_end();
                    let at = trimmed.len().checked_sub(content.len());
                    let found = at.filter(|at| {
                        trimmed.ends_with(content)
                            && trimmed.get(..*at).is_some_and(|space| space.trim().is_empty())
                            && indent.is_none_or(|indent| indent == *at)
                    });
                    let start = outside;
                    outside = outside.saturating_add(outer_line.len());
                    if let Some(at) = found {
                        indent = Some(at);
                        starts.push((inside, start.saturating_add(at)));
                        break;
                    }
                    // Once begun, every line has to be where it is expected.
                    if indent.is_some() && !trimmed.is_empty() {
                        return None;
                    }
                }
            }
            inside = inside.saturating_add(line.len());
        }
        Some(starts)
    }

    fn outside(&self, span: Span) -> Span {
        let line = self.starts.partition_point(|(inside, _)| *inside <= span.start);
        match line.checked_sub(1).and_then(|line| self.starts.get(line)) {
            Some((inside, outside)) => {
                let start = span.start.saturating_sub(*inside).saturating_add(*outside);
                let length = span.end.saturating_sub(span.start);
                Span { start, end: start.saturating_add(length) }
            }
            None => self.whole,
        }
    }
}

/// The same tree with places in the outer text. Aliases are written out; the limits have counted
/// them as that.
fn moved(node: &Node, lines: &Lines) -> Rc<Node> {
    let value = match &node.value {
        Value::Scalar(scalar) => Value::Scalar(scalar.clone()),
        Value::Sequence(items) => {
            Value::Sequence(items.iter().map(|item| moved(item, lines)).collect())
        }
        Value::Mapping(entries) => Value::Mapping(
            entries
                .iter()
                .map(|entry| Entry {
                    key: entry.key.clone(),
                    key_span: lines.outside(entry.key_span),
                    value: moved(&entry.value, lines),
                })
                .collect(),
        ),
    };
    Rc::new(Node::new(lines.outside(node.span), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let source = Source::new("x", text);
        let (documents, _) = yaml::documents(&source, &Limits::default());
        let root = Field::root(&documents[0]);
        let field = root.child(documents[0].entry("inner").unwrap());
        let inner = document(&source, &field, &Limits::default(), &mut Vec::new()).unwrap();
        let entries = inner.entries().unwrap().iter();
        entries.map(|entry| text[entry.key_span.start..entry.key_span.end].to_owned()).collect()
    }

    #[test]
    fn a_literal_block_has_its_lines_where_they_stand() {
        assert_eq!(shown("inner: |\n  é: 1\n\n  b:\n    c: 2\n  d: 3\n"), ["é", "b", "d"]);
        assert_eq!(shown("inner: |2-\n   a: 1\n   b: 2"), ["a", "b"]);
        assert_eq!(shown("inner:\n  |+\n  # a\n  a: 1\n\nlast: 1\n"), ["a"]);
    }

    #[test]
    fn any_other_string_is_one_place() {
        assert_eq!(shown("inner: \"a: 1\\nb: 2\"\n").len(), 2);
        assert_eq!(shown("inner: >\n  a: 1\n\n  b: 2\n").len(), 2);
    }
}
