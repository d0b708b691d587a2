//! Files to read: standard input, gzip, and limits on their size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use trimtab_manifest::Source;

use crate::error::{CommandError, Size};

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An open file: what errors call it, and its bytes, unpacked.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) reader: Box<dyn BufRead>,
    /// The size, where it is known before reading.
    size: Option<u64>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Input {
    /// Bytes of any origin, not packed.
    pub(crate) fn plain(name: String, reader: Box<dyn BufRead>) -> Self {
        Self { name, reader, size: None }
    }

    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandError> {
        if is_stdin(path) {
            let name = String::from("standard input");
            let reader = unpack(io::stdin().lock())
                .map_err(|error| CommandError::Read { file: name.clone(), error })?;
            return Ok(Self { name, reader: reader.0, size: None });
        }
        let name = path.display().to_string();
        let unreadable = |error| CommandError::Read { file: name.clone(), error };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(CommandError::Directory { file: name });
        }
        let (reader, packed) = unpack(BufReader::new(file)).map_err(unreadable)?;
        let size = Some(metadata.len()).filter(|_| metadata.is_file() && !packed);
        Ok(Self { name, reader, size })
    }

    /// The next line with its line feed, if it has one; empty at the end. A line longer than
    /// `limit` bytes is given up on.
    pub(crate) fn read_line(&mut self, line: &mut Vec<u8>, limit: u64) -> io::Result<()> {
        line.clear();
        self.reader.by_ref().take(limit + 1).read_until(b'\n', line)?;
        if line.len() as u64 > limit {
            let message = format!("it has a line of more than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(())
    }

    /// An error of the reader.
    pub(crate) fn unreadable(&self, error: io::Error) -> CommandError {
        CommandError::Read { file: self.name.clone(), error }
    }
}

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Refuses two arguments that both mean standard input.
pub(crate) fn stdin_once(arguments: &[(&'static str, Option<&Path>)]) -> Result<(), CommandError> {
    let asking: Vec<&'static str> = arguments
        .iter()
        .filter(|(_, path)| path.is_some_and(is_stdin))
        .map(|(argument, _)| *argument)
        .collect();
    match asking.as_slice() {
        [first, second, ..] => Err(CommandError::StdinTwice { first, second }),
        _ => Ok(()),
    }
}

/// Reads a document of at most `limit` bytes. A larger file is refused before it is read.
pub(crate) fn read_source(path: &Path, limit: usize) -> Result<Source, CommandError> {
    let mut input = Input::open(path)?;
    let limit = limit as u64;
    let too_large = |bytes| CommandError::TooLarge { file: input.name.clone(), bytes, limit };
    if let Some(size) = input.size.filter(|size| *size > limit) {
        return Err(too_large(Size::Known(size)));
    }
    let mut bytes = Vec::new();
    let read = (&mut input.reader).take(limit + 1).read_to_end(&mut bytes);
    if let Err(error) = read {
        return Err(input.unreadable(error));
    }
    if bytes.len() as u64 > limit {
        return Err(CommandError::TooLarge { file: input.name, bytes: Size::Beyond(limit), limit });
    }
    Ok(Source::from_bytes(input.name, &bytes)?)
}

/// The bytes, unpacked if they begin as gzip does, and whether they did.
fn unpack(mut reader: impl BufRead + 'static) -> io::Result<(Box<dyn BufRead>, bool)> {
    if reader.fill_buf()?.starts_with(&GZIP) {
        Ok((Box::new(BufReader::new(MultiGzDecoder::new(reader))), true))
    } else {
        Ok((Box::new(reader), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_is_read_once() {
        let (stdin, file) = (Path::new("-"), Path::new("x"));
        assert!(stdin_once(&[("--policy", Some(stdin)), ("--state", None)]).is_ok());
        assert!(stdin_once(&[("--policy", Some(stdin)), ("--state", Some(file))]).is_ok());
        assert!(stdin_once(&[("--policy", Some(stdin)), ("--state", Some(stdin))]).is_err());
    }

    #[test]
    fn lines_have_a_limit() {
        let reader = |text: &'static str| Input {
            name: String::from("x"),
            reader: Box::new(text.as_bytes()),
            size: None,
        };
        let mut line = Vec::new();
        assert!(reader("12345\n").read_line(&mut line, 6).is_ok());
        assert_eq!(line, b"12345\n");
        assert!(reader("123456\n").read_line(&mut line, 6).is_err());
    }
}
