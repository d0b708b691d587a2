//! A small file that is read again when it changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// What tells whether a file changed: when it was written, and its length. A link is followed, as Kubernetes changes secrets by
/// pointing it elsewhere.
pub(super) type Stamp = Option<(SystemTime, u64)>;

/// The stamp of a file as it is now.
pub(super) fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// A text in a file.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    last: Mutex<Option<(Stamp, String)>>,
}

impl Watched {
    /// The most bytes that a token or password has.
    const MOST_BYTES: u64 = 64 << 10;

    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: Mutex::new(None) }
    }

    /// What stands in the file, without white space around it.
    pub(super) fn text(&self) -> Result<String, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        if let Some((before, text)) = last.as_ref()
            && now.is_some()
            && *before == now
        {
            return Ok(text.clone());
        }
        let text = self.read()?;
        *last = Some((now, text.clone()));
        Ok(text)
    }

    fn read(&self) -> Result<String, String> {
        let file = self.path.display();
        let length = fs::metadata(&self.path).map(|metadata| metadata.len());
        if length.is_ok_and(|length| length > Self::MOST_BYTES) {
            return Err(format!("`{file}` has more than {} bytes", Self::MOST_BYTES));
        }
        let text = fs::read_to_string(&self.path)
            .map_err(|error| format!("`{file}` can't be read: {error}"))?;
        let text = text.trim();
        if text.is_empty() { Err(format!("`{file}` is empty")) } else { Ok(String::from(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let watched = Watched::new(&path);
        assert!(watched.text().is_err());
        fs::write(&path, "one\n").unwrap();
        assert_eq!(watched.text().unwrap(), "one");
        fs::write(&path, "other\n").unwrap();
        assert_eq!(watched.text().unwrap(), "other");
        fs::write(&path, " \n").unwrap();
        assert!(watched.text().is_err(), "an empty token is none");
        fs::remove_file(&path).unwrap();
        assert!(watched.text().is_err(), "a token that was taken away is not used on");
    }
}
