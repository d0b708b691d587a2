//! A file to read from the start, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::WorkloadError;

/// How much is read at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// How much of a file is looked at to tell its format.
const HEAD_BYTES: u64 = 64 * 1024;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

type Reader = Box<dyn BufRead + Send>;

/// An open file.
pub(super) struct Source {
    name: Arc<str>,
    head: Vec<u8>,
    rest: Reader,
}

impl Source {
    /// Opens a file, decompresses it if it is gzip, and reads its beginning.
    pub(super) fn open(path: &Path, name: &Arc<str>) -> Result<Self, WorkloadError> {
        let file = File::open(path).map_err(|error| read_error(name, None, &error))?;
        Self::new(BufReader::with_capacity(BUFFER_BYTES, file), name)
    }

    /// The same from an open file, or from memory.
    pub(super) fn new(
        plain: impl BufRead + Send + 'static,
        name: &Arc<str>,
    ) -> Result<Self, WorkloadError> {
        let failed = |error: io::Error| read_error(name, None, &error);
        let (magic, plain) = split(plain, 2).map_err(failed)?;
        let is_gzip = magic == GZIP_MAGIC;
        let plain = Cursor::new(magic).chain(plain);
        let text: Reader = if is_gzip {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        let (mut head, rest) = split(text, HEAD_BYTES).map_err(failed)?;
        if head.starts_with(&BYTE_ORDER_MARK) {
            head.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Self { name: Arc::clone(name), head, rest })
    }

    /// What to call it.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Its first bytes.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// All of it.
    pub(super) fn into_reader(self) -> impl BufRead + Send + use<> {
        Cursor::new(self.head).chain(self.rest)
    }

    /// All of it, as CSV with a header.
    pub(super) fn into_csv(self) -> csv::Reader<impl Read + Send + use<>> {
        csv::ReaderBuilder::new()
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(self.into_reader())
    }
}

/// The first bytes, and the rest.
fn split<R: BufRead>(mut reader: R, count: u64) -> io::Result<(Vec<u8>, R)> {
    let mut head = Vec::new();
    reader.by_ref().take(count).read_to_end(&mut head)?;
    Ok((head, reader))
}

/// Why reading failed.
pub(super) fn read_error(name: &Arc<str>, line: Option<u64>, error: &io::Error) -> WorkloadError {
    let found = match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            String::from("the file ends in the middle of its gzip data")
        }
        _ => format!("can't be read: {error}"),
    };
    WorkloadError { line, ..WorkloadError::new(Arc::clone(name), found) }
}

/// Why reading CSV failed.
pub(super) fn csv_error(name: &Arc<str>, line: u64, error: csv::Error) -> WorkloadError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => read_error(name, Some(line), &error),
        _ => WorkloadError::new(Arc::clone(name), "is not CSV").at_line(line),
    }
}
