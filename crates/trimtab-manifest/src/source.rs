//! A text with a name, places in it, and how much of it is read at most.

use std::sync::Arc;

use crate::{ManifestError, Problem, ProblemKind};

/// A document to be read: its text, and the name that errors call it by.
///
/// Clones are cheap and share the text.
///
/// ```
/// use trimtab_manifest::Source;
///
/// let source = Source::new("hpa.yaml", "kind: HorizontalPodAutoscaler\n");
/// assert_eq!(source.name(), "hpa.yaml");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

impl Source {
    /// A source from text. A byte order mark at its start is dropped.
    pub fn new(name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { name: name.into(), text: Arc::from(text) }
    }

    /// A source from bytes, as files hold them.
    ///
    /// # Errors
    ///
    /// Bytes that are not UTF-8, with the place of the first of them.
    ///
    /// ```
    /// use trimtab_manifest::{ProblemKind, Source};
    ///
    /// let error = Source::from_bytes("hpa.yaml", b"name: caf\xe9\n").unwrap_err();
    /// let problem = &error.problems()[0];
    /// assert_eq!(problem.kind(), ProblemKind::NotUtf8);
    /// assert_eq!(problem.span().start, 9); // the byte offset
    /// assert_eq!((problem.position().line, problem.position().column), (1, 10));
    /// ```
    pub fn from_bytes(name: impl Into<Arc<str>>, bytes: &[u8]) -> Result<Self, ManifestError> {
        /// How much of the text after the fault an error shows.
        const SHOWN: usize = 120;
        let name = name.into();
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => {
                let offset = error.valid_up_to();
                let shown = bytes.get(..offset.saturating_add(SHOWN)).unwrap_or(bytes);
                let source = Self { name, text: Arc::from(&*String::from_utf8_lossy(shown)) };
                let byte = bytes.get(offset).copied().unwrap_or_default();
                let problem = Problem::new(
                    ProblemKind::NotUtf8,
                    Span { start: offset, end: offset },
                    format!("byte {offset} is `{byte:#04x}`, which is not UTF-8"),
                )
                .with_help("save the file as UTF-8");
                Err(ManifestError::one(source, problem))
            }
        }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset; past the end it is the end's.
    ///
    /// ```
    /// use trimtab_manifest::{Position, Source};
    ///
    /// let source = Source::new("x", "é: 1\nb: 2\n");
    /// assert_eq!(source.position(3), Position { line: 1, column: 3 });
    /// assert_eq!(source.position(6), Position { line: 2, column: 1 });
    /// ```
    pub fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..self.floor(offset)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// The nearest offset, at or before this one, at which a character starts.
    pub(crate) fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// A range of bytes of a [`Source`]; `end` is not part of it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

/// A place as editors count it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// How much a source may ask of its reader. What exceeds a limit is refused early.
///
/// ```
/// use trimtab_manifest::{Limits, ProblemKind, Source, from_str};
///
/// let long = Source::new("long.yaml", "# ".repeat(1000));
/// let limits = Limits::default().with_max_bytes(1000);
/// let error = from_str::<String>(&long, &limits).unwrap_err();
/// assert_eq!(error.problems()[0].kind(), ProblemKind::TooLarge);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of text. Default 1 MiB.
    pub max_bytes: usize,
    /// Levels of nesting. Default 64.
    pub max_depth: usize,
    /// Values, each alias counted as the values that it stands for. Default 10 000.
    pub max_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_depth: 64, max_nodes: 10_000 }
    }
}

impl Limits {
    /// The deepest nesting that can be allowed: reading recurses once per level.
    pub const DEPTH_CEILING: usize = 250;

    /// With another limit on the bytes of text.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    /// With another limit on the levels of nesting, up to [`Limits::DEPTH_CEILING`].
    #[must_use]
    pub fn with_max_depth(self, max_depth: usize) -> Self {
        Self { max_depth, ..self }
    }

    /// With another limit on the number of values.
    #[must_use]
    pub fn with_max_nodes(self, max_nodes: usize) -> Self {
        Self { max_nodes, ..self }
    }

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(Self::DEPTH_CEILING)
    }
}
