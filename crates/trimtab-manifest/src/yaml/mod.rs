//! Text to trees. The only module that knows the YAML parser; JSON is YAML here.

mod syntax;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use self::syntax::{of_template, syntax_problem, too_deep};
use crate::node::{Entry, Node, Scalar, Value, shortened};
use crate::{Limits, Problem, ProblemKind, Source, Span};

/// The key that merges the keys of other mappings into its own, as YAML 1.1 and `kubectl` have it.
const MERGE_KEY: &str = "<<";

/// The documents of a text, and what stopped reading it or is wrong in them.
///
/// After a problem of syntax or a limit nothing further is read; the documents before it are there.
pub(crate) fn documents(source: &Source, limits: &Limits) -> (Vec<Rc<Node>>, Vec<Problem>) {
    let mut documents = Vec::new();
    if source.text().len() > limits.max_bytes {
        let (bytes, most) = (source.text().len(), limits.max_bytes);
        let message = format!("{} has {bytes} bytes, more than the {most} allowed", source.name());
        let problem = Problem::new(ProblemKind::TooLarge, Span::default(), message);
        return (documents, vec![problem]);
    }
    let mut composer = Composer::new(source, *limits);
    let outcome = composer.run(&mut documents);
    let mut problems = composer.problems;
    problems.extend(outcome.err().map(|problem| of_template(problem, source)));
    (documents, problems)
}

/// Where the comments of a text are, up to the first fault in it.
pub(crate) fn comments(source: &Source, limits: &Limits) -> Vec<Span> {
    let options = granit_parser::options! {
        emit_comments: true,
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: limits.depth(),
        block_nesting_limit: limits.depth(),
    };
    let composer = Composer::new(source, *limits);
    let events = Parser::new_from_str_with_options(source.text(), options);
    let events = events.map_while(Result::ok);
    let comments = events.filter(|(event, _)| matches!(event, Event::Comment(..)));
    comments.map(|(_, span)| composer.span(&span)).collect()
}

struct Composer<'s> {
    source: &'s Source,
    limits: Limits,
    nodes: usize,
    /// Bytes of text that aliases repeat.
    repeated: usize,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    problems: Vec<Problem>,
}

/// A collection that has not ended yet.
struct Open {
    start: usize,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Rc<Node>>),
    Mapping {
        entries: Vec<Entry>,
        keys: BTreeSet<String>,
        /// The key whose value comes next.
        key: Option<Key>,
        merged: Vec<Rc<Node>>,
    },
}

struct Key {
    text: String,
    span: Span,
    /// It is the merge key and no text.
    merges: bool,
}

impl<'s> Composer<'s> {
    fn new(source: &'s Source, limits: Limits) -> Self {
        Self {
            source,
            limits,
            nodes: 0,
            repeated: 0,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn run(&mut self, documents: &mut Vec<Rc<Node>>) -> Result<(), Problem> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: self.limits.depth(),
            block_nesting_limit: self.limits.depth(),
        };
        for event in Parser::new_from_str_with_options(self.source.text(), options) {
            let (event, span) =
                event.map_err(|error| syntax_problem(&error, self.source, &self.limits))?;
            let tag_span = span.tag_span().map(|span| self.span(&span));
            let span = self.span(&span);
            let finished = match event {
                Event::DocumentStart(..) => {
                    self.anchors.clear();
                    None
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, span)?;
                    let is_text = style != ScalarStyle::Plain || tagged_as_text(tag.as_deref());
                    self.check_tag(tag.as_deref(), tag_span.unwrap_or(span));
                    let value = Value::Scalar(Scalar { text: text.into_owned(), is_text });
                    let plain = style == ScalarStyle::Plain;
                    Some((self.node(value, span, anchor), plain))
                }
                Event::Alias(anchor) => Some((self.alias(anchor, span)?, false)),
                Event::SequenceStart(_, anchor, tag) => {
                    self.check_tag(tag.as_deref(), tag_span.unwrap_or(span));
                    self.begin(OpenKind::Sequence(Vec::new()), anchor, span)?;
                    None
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.check_tag(tag.as_deref(), tag_span.unwrap_or(span));
                    let (entries, keys) = (Vec::new(), BTreeSet::new());
                    let kind = OpenKind::Mapping { entries, keys, key: None, merged: Vec::new() };
                    self.begin(kind, anchor, span)?;
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span).map(|node| (node, false)),
                _ => None,
            };
            if let Some((node, plain)) = finished {
                self.place(node, plain, documents)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, kind: OpenKind, anchor: usize, span: Span) -> Result<(), Problem> {
        self.count(1, span)?;
        if self.open.len() >= self.limits.depth() {
            return Err(too_deep(&self.limits, span));
        }
        self.open.push(Open { start: span.start, anchor, kind });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Option<Rc<Node>> {
        let Open { start, anchor, kind } = self.open.pop()?;
        let value = match kind {
            OpenKind::Sequence(items) => Value::Sequence(items),
            OpenKind::Mapping { mut entries, mut keys, merged, .. } => {
                for source in merged {
                    for entry in source.entries().unwrap_or_default() {
                        if keys.insert(entry.key.clone()) {
                            entries.push(entry.clone());
                        }
                    }
                }
                Value::Mapping(entries)
            }
        };
        Some(self.node(value, Span { start, end: span.end.max(start) }, anchor))
    }

    fn node(&mut self, value: Value, span: Span, anchor: usize) -> Rc<Node> {
        let node = Rc::new(Node::new(span, value));
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        node
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Rc<Node>, Problem> {
        let Some(node) = self.anchors.get(&anchor).map(Rc::clone) else {
            let message = "an alias stands inside the value that it repeats";
            return Err(Problem::new(ProblemKind::Syntax, span, message));
        };
        self.count(node.size, span)?;
        self.repeat(node.bytes, span)?;
        // A scalar has height 1 and opens no level.
        if self.open.len() + node.height - 1 > self.limits.depth() {
            return Err(too_deep(&self.limits, span));
        }
        Ok(node)
    }

    /// Puts a finished value where it belongs: into the collection that is open, or in the list of
    /// documents.
    fn place(
        &mut self,
        node: Rc<Node>,
        plain: bool,
        documents: &mut Vec<Rc<Node>>,
    ) -> Result<(), Problem> {
        let Some(open) = self.open.last_mut() else {
            documents.push(node);
            return Ok(());
        };
        match &mut open.kind {
            OpenKind::Sequence(items) => items.push(node),
            OpenKind::Mapping { key: key @ None, .. } => {
                let Value::Scalar(scalar) = &node.value else {
                    let message = format!("a key has to be plain text and is {}", node.describe());
                    return Err(Problem::new(ProblemKind::Syntax, node.span, message));
                };
                let merges = plain && scalar.text == MERGE_KEY;
                *key = Some(Key { text: scalar.text.clone(), span: node.span, merges });
            }
            OpenKind::Mapping { entries, keys, key, merged } => {
                let Some(key) = key.take() else { return Ok(()) };
                if key.merges {
                    merged.extend(merge_sources(node, key.span)?);
                } else if keys.insert(key.text.clone()) {
                    entries.push(Entry { key: key.text, key_span: key.span, value: node });
                } else {
                    let first = entries.iter().find(|entry| entry.key == key.text);
                    self.problems.push(duplicate(self.source, &key, first));
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= self.limits.max_nodes {
            return Ok(());
        }
        let message = format!(
            "{} has more than {} values, aliases counted as what they repeat",
            self.source.name(),
            self.limits.max_nodes
        );
        Err(Problem::new(ProblemKind::TooManyNodes, span, message))
    }

    /// What aliases repeat is limited as what is written, so that no reader copies more than that.
    fn repeat(&mut self, bytes: usize, span: Span) -> Result<(), Problem> {
        self.repeated = self.repeated.saturating_add(bytes);
        if self.repeated <= self.limits.max_bytes {
            return Ok(());
        }
        let message = format!(
            "the aliases of {} stand for more than the {} bytes allowed",
            self.source.name(),
            self.limits.max_bytes
        );
        Err(Problem::new(ProblemKind::TooLarge, span, message))
    }

    /// Tags of YAML's own schema say what the parser sees anyway; others mean nothing here.
    fn check_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix().is_none() && !is_non_specific(tag)) {
            let message = format!("the tag `{}` has no meaning here", shortened(&tag.original()));
            let problem = Problem::new(ProblemKind::Syntax, span, message);
            self.problems.push(problem.with_help("leave it out"));
        }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or_default();
        let start = self.source.floor(range.start);
        let end = self.source.floor(range.end).max(start);
        let text = self.source.text().get(start..end).unwrap_or_default();
        Span { start, end: start + text.trim_end().len() }
    }
}

fn is_non_specific(tag: &Tag) -> bool {
    tag.original() == "!"
}

fn tagged_as_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str") || is_non_specific(tag))
}

/// What `<<` names: a mapping, or a list of them, of which the first with a key wins.
fn merge_sources(node: Rc<Node>, key_span: Span) -> Result<Vec<Rc<Node>>, Problem> {
    let sources = match &node.value {
        Value::Sequence(items) => items.clone(),
        _ => vec![Rc::clone(&node)],
    };
    if sources.iter().any(|source| source.entries().is_none()) {
        let message = format!("`<<` merges mappings and is given {}", node.describe());
        return Err(Problem::new(ProblemKind::Syntax, key_span, message));
    }
    Ok(sources)
}

fn duplicate(source: &Source, key: &Key, first: Option<&Entry>) -> Problem {
    let message = format!("the key `{}` is there twice", shortened(&key.text));
    let problem = Problem::new(ProblemKind::DuplicateKey, key.span, message);
    match first {
        Some(first) => {
            let line = source.position(first.key_span.start).line;
            problem.with_help(format!("the first one is in line {line}; keep one of them"))
        }
        None => problem,
    }
}
