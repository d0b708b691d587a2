//! A document as YAML that people read, with comments beside what they are about.

mod scalar;
mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

pub(crate) use self::scalar::harmless;
use self::scalar::scalar_text;
pub use self::tree::WriteError;
pub(crate) use self::tree::{Tree, tree};

/// Columns that a comment may fill.
const WIDTH: usize = 100;
/// A comment deep inside keeps this many columns, however deep.
const LEAST_WIDTH: usize = 40;

/// Comments for [`to_yaml`]: at the head of the document, and before single fields.
///
/// ```
/// use std::collections::BTreeMap;
/// use trimtab_manifest::{Comments, to_yaml};
///
/// let mut comments = Comments::default();
/// comments.at_head("made by hand");
/// comments.before("spec.replicas", "as many as there are cards");
/// let document = BTreeMap::from([("spec", BTreeMap::from([("replicas", 4)]))]);
/// let text = to_yaml(&document, &comments)?;
/// let lines: Vec<&str> = text.lines().collect();
/// assert_eq!(lines[0..2], ["# made by hand", "spec:"]);
/// assert_eq!(lines[2..4], ["  # as many as there are cards", "  replicas: 4"]);
/// # Ok::<(), trimtab_manifest::WriteError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    head: Vec<String>,
    fields: BTreeMap<String, Vec<String>>,
}

impl Comments {
    /// Adds a comment before everything else. Each line of it is a line of the document.
    pub fn at_head(&mut self, comment: impl Into<String>) {
        self.head.push(comment.into());
    }

    /// Adds a comment before a field such as `spec.metrics[0].type`. Where the document has no such
    /// field, the comment stands before the nearest one around it; where it has none of these
    /// either, at the head.
    pub fn before(&mut self, field: &str, comment: impl Into<String>) {
        self.fields.entry(field.to_owned()).or_default().push(comment.into());
    }

    /// The comments at the head, as text of their own.
    pub(crate) fn alone(&self) -> String {
        let mut writer = Writer { text: String::new(), path: String::new(), comments: self };
        self.head.iter().for_each(|comment| writer.comment(comment, 0));
        writer.text
    }

    /// Every comment at a field that `tree` has.
    fn placed(&self, tree: &Tree) -> Self {
        let mut placed = Self { head: self.head.clone(), fields: BTreeMap::new() };
        for (field, comments) in &self.fields {
            let target = match tree.nearest(field) {
                "" => &mut placed.head,
                nearest => placed.fields.entry(nearest.to_owned()).or_default(),
            };
            target.extend(comments.iter().cloned());
        }
        placed
    }
}

/// Writes anything that serde can take apart as one YAML document.
///
/// Fields have the order in which they are serialized. Long comments are broken into lines, a
/// longer word excepted. What is written reads back by [`from_str`](crate::from_str) as the same
/// value.
///
/// # Errors
///
/// Keys that are no text, and numbers that are infinite or none.
///
/// ```
/// use trimtab_manifest::{Comments, to_yaml};
///
/// let text = to_yaml(&[("yes", 1), ("no", 2)], &Comments::default())?;
/// assert_eq!(text, "- - \"yes\"\n  - 1\n- - \"no\"\n  - 2\n");
/// # Ok::<(), trimtab_manifest::WriteError>(())
/// ```
pub fn to_yaml<T: Serialize + ?Sized>(
    value: &T,
    comments: &Comments,
) -> Result<String, WriteError> {
    Ok(write(&tree(value)?, comments))
}

/// The tree as text.
pub(crate) fn write(tree: &Tree, comments: &Comments) -> String {
    let comments = comments.placed(tree);
    let mut writer = Writer { text: String::new(), path: String::new(), comments: &comments };
    for comment in &comments.head {
        writer.comment(comment, 0);
    }
    match tree {
        Tree::Mapping(entries) if !entries.is_empty() => writer.entries(entries, 0, false),
        Tree::List(items) if !items.is_empty() => writer.items(items, 0),
        other => {
            let _ = writeln!(writer.text, "{}", scalar(other));
        }
    }
    writer.text
}

struct Writer<'c> {
    text: String,
    /// Of the field that is being written.
    path: String,
    comments: &'c Comments,
}

impl Writer<'_> {
    /// `key: value`, indented by so many columns; what does not fit a line follows below. Before
    /// the first entry of an item its comments are there already.
    fn entries(&mut self, entries: &[(String, Tree)], indent: usize, in_item: bool) {
        for (index, (key, value)) in entries.iter().enumerate() {
            let length = self.enter_key(key);
            if index > 0 || !in_item {
                self.comments_here(indent);
            }
            let pad = if index > 0 || !in_item { indent } else { 0 };
            let _ = write!(self.text, "{:pad$}{}:", "", scalar_text(key));
            match value {
                Tree::Mapping(entries) if !entries.is_empty() => {
                    self.text.push('\n');
                    self.entries(entries, indent.saturating_add(2), false);
                }
                Tree::List(items) if !items.is_empty() => {
                    self.text.push('\n');
                    self.items(items, indent);
                }
                other => {
                    let _ = writeln!(self.text, " {}", scalar(other));
                }
            }
            self.path.truncate(length);
        }
    }

    /// `- value`, where the first field of a mapping stands behind the dash.
    fn items(&mut self, items: &[Tree], indent: usize) {
        for (index, item) in items.iter().enumerate() {
            let length = self.path.len();
            let _ = write!(self.path, "[{index}]");
            self.comments_here(indent);
            self.item(item, indent);
            self.path.truncate(length);
        }
    }

    fn item(&mut self, item: &Tree, indent: usize) {
        let inner = indent.saturating_add(2);
        match item {
            Tree::Mapping(entries) if !entries.is_empty() => {
                if let Some((key, _)) = entries.first() {
                    let length = self.enter_key(key);
                    self.comments_here(indent);
                    self.path.truncate(length);
                }
                let _ = write!(self.text, "{:indent$}- ", "");
                self.entries(entries, inner, true);
            }
            Tree::List(items) if !items.is_empty() => {
                // The first item stands behind the dash, as the text of one that is alone would.
                let start = self.text.len();
                self.items(items, inner);
                let dash = format!("{:indent$}- ", "");
                let end = start.saturating_add(inner);
                match self.text.get(start..end) {
                    Some(space) if space.trim().is_empty() => {
                        self.text.replace_range(start..end, &dash);
                    }
                    _ => self.text.insert_str(start, &format!("{:indent$}-\n", "")),
                }
            }
            other => {
                let _ = writeln!(self.text, "{:indent$}- {}", "", scalar(other));
            }
        }
    }

    /// Goes into a key, and says how long the path was before.
    fn enter_key(&mut self, key: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        length
    }

    fn comments_here(&mut self, indent: usize) {
        let comments = self.comments;
        for comment in comments.fields.get(&self.path).into_iter().flatten() {
            self.comment(comment, indent);
        }
    }

    /// A comment in lines, broken at spaces.
    fn comment(&mut self, comment: &str, indent: usize) {
        let width = WIDTH.saturating_sub(indent.saturating_add(2)).max(LEAST_WIDTH);
        for line in comment.lines() {
            let line = harmless(line.trim_end());
            let space = line.len().saturating_sub(line.trim_start().len());
            let mut room = width;
            let _ = write!(self.text, "{:indent$}#{:space$}", "", "");
            for word in line.split_whitespace() {
                let length = word.chars().count();
                if room < width && length >= room {
                    let _ = write!(self.text, "\n{:indent$}#{:space$}", "", "");
                    room = width;
                }
                let _ = write!(self.text, " {word}");
                room = room.saturating_sub(length.saturating_add(1));
            }
            self.text.push('\n');
        }
    }
}

/// What fits a line.
fn scalar(tree: &Tree) -> String {
    match tree {
        Tree::Plain(text) => text.clone(),
        Tree::Text(text) => scalar_text(text),
        Tree::List(_) => String::from("[]"),
        Tree::Mapping(_) => String::from("{}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Tree {
        let one = |key: &str, value| (key.to_owned(), value);
        let item = |name: &str| {
            Tree::Mapping(vec![
                one("name", Tree::Text(name.to_owned())),
                one("value", Tree::Plain(String::from("1"))),
            ])
        };
        let list =
            Tree::List(vec![item("a"), item("b"), Tree::List(vec![]), Tree::Mapping(vec![])]);
        Tree::Mapping(vec![one("spec", Tree::Mapping(vec![one("list", list)]))])
    }

    #[test]
    fn comments_stand_before_what_they_are_about() {
        let mut comments = Comments::default();
        comments.at_head("head");
        comments.before("spec.list[0]", "the first item");
        comments.before("spec.list[1].name", "its first field");
        comments.before("spec.list[1].value", "its second\n  in two lines");
        comments.before("spec.list[2].none", "inside the empty list");
        comments.before("spec.gone.field", "around");
        comments.before("elsewhere", "nowhere");
        insta::assert_snapshot!(write(&document(), &comments), @r"
        # head
        # nowhere
        # around
        spec:
          list:
          # the first item
          - name: a
            value: 1
          # its first field
          - name: b
            # its second
            #   in two lines
            value: 1
          # inside the empty list
          - []
          - {}
        ");
    }

    #[test]
    fn long_comments_are_broken_and_words_are_not() {
        let mut comments = Comments::default();
        comments.at_head(format!("{} {} {}", "a ".repeat(60).trim(), "w".repeat(150), "end"));
        let text = write(&Tree::Mapping(vec![]), &comments);
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [99, 23, 152, 5, 2], "{text}");
    }

    #[test]
    fn a_comment_is_never_more_than_a_comment() {
        let mut comments = Comments::default();
        comments.at_head("a\u{85}kind: x\u{2028}kind: y\rkind: z\n\u{7}\u{202e}");
        let text = write(&Tree::Mapping(vec![]), &comments);
        assert!(text.lines().all(|line| line.starts_with('#') || line == "{}"), "{text:?}");
        assert!(text.chars().all(|char| char == '\n' || !char.is_control()), "{text:?}");
    }
}
