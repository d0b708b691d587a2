//! What can go wrong, and how it is said: what, where, and what would be right.

use std::io::{self, Write};
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use thiserror::Error;
use trimtab_manifest::{Colour, ManifestError};

use crate::conform::ConformError;

const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const PLACE: Style = AnsiColor::BrightBlue.on_default().bold();

/// Why the command could not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// A document is refused; shown with the lines in question.
    #[error(transparent)]
    Document(#[from] Box<ManifestError>),
    /// A file can't be opened or read.
    #[error("`{file}` can't be read: {error}")]
    Read { file: String, error: io::Error },
    /// A path names a directory.
    #[error("`{file}` is a directory")]
    Directory { file: String },
    /// A file is larger than any of its kind.
    #[error("`{file}` has {bytes} bytes, more than the {limit} that such a file may have")]
    TooLarge { file: String, bytes: Size, limit: u64 },
    /// Standard input is asked for twice.
    #[error("standard input can be read only once, and `{first}` and `{second}` both ask for it")]
    StdinTwice { first: &'static str, second: &'static str },
    /// Something is wrong with a file.
    #[error("{message}")]
    File { file: String, message: String, help: Option<String> },
    /// Something is wrong at a line.
    #[error("{message}")]
    Line { file: String, line: u64, message: String, help: Option<String> },
    /// The arguments do not fit what they point at.
    #[error("{message}")]
    Argument { message: String, help: Option<String> },
    /// It was told to end.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// A file can't be written.
    #[error("`{}` can't be written: {error}", .file.display())]
    Save { file: PathBuf, error: io::Error },
    /// A file can't be checked for conformance.
    #[error(transparent)]
    Conform(ConformError),
    /// What the command has to say can't be written.
    #[error("the output can't be written: {0}")]
    Write(#[from] io::Error),
}

/// How large a file is, as far as it is known.
#[derive(Debug)]
pub(crate) enum Size {
    Known(u64),
    Beyond(u64),
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(bytes) => write!(f, "{bytes}"),
            Self::Beyond(bytes) => write!(f, "over {bytes}"),
        }
    }
}

impl From<ManifestError> for CommandError {
    fn from(error: ManifestError) -> Self {
        Self::Document(Box::new(error))
    }
}

impl From<ConformError> for CommandError {
    fn from(error: ConformError) -> Self {
        match error {
            ConformError::Write(error) => Self::Write(error),
            other => Self::Conform(other),
        }
    }
}

impl From<serde_json::Error> for CommandError {
    /// Only writing makes these: what is written can always be written as JSON.
    fn from(error: serde_json::Error) -> Self {
        Self::Write(error.into())
    }
}

impl CommandError {
    /// An error at a line of a file.
    pub(crate) fn at(file: &str, line: u64, message: impl Into<String>) -> Self {
        Self::Line { file: file.to_owned(), line, message: message.into(), help: None }
    }

    /// An error in a file as a whole.
    pub(crate) fn in_file(file: &str, message: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), message: message.into(), help: None }
    }

    /// An error in how the command was called.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::Argument { message: message.into(), help: None }
    }

    /// The same with what would be right.
    #[must_use]
    pub(crate) fn with_help(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            Self::File { help, .. } | Self::Line { help, .. } | Self::Argument { help, .. } => {
                *help = Some(text.into());
            }
            _ => {}
        }
        self
    }

    fn place(&self) -> Option<String> {
        match self {
            Self::File { file, .. } => Some(file.clone()),
            Self::Line { file, line, .. } => Some(format!("{file}:{line}")),
            _ => None,
        }
    }

    /// What would be right, where that is known.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::File { help, .. } | Self::Line { help, .. } | Self::Argument { help, .. } => {
                help.clone()
            }
            Self::Read { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                Some(String::from("check the path; `-` reads standard input"))
            }
            Self::Directory { .. } => Some(String::from("name a file in it")),
            Self::StdinTwice { .. } => Some(String::from("give one of them as a file")),
            _ => None,
        }
    }

    /// Says it, with colours.
    pub(crate) fn show(&self, err: &mut dyn Write) -> io::Result<()> {
        if let Self::Document(error) = self {
            return writeln!(err, "{}", error.render(Colour::Always));
        }
        writeln!(err, "{ERROR}error{ERROR:#}: {self}")?;
        if let Some(place) = self.place() {
            writeln!(err, " {PLACE}-->{PLACE:#} {place}")?;
        }
        if let Some(help) = self.help() {
            // Further lines stand below the first.
            let help = help.replace('\n', "\n          ");
            writeln!(err, "  {PLACE}={PLACE:#} help: {help}")?;
        }
        Ok(())
    }
}
