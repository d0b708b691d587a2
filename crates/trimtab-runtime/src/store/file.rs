//! States as files, one a workload.
//!
//! A file is one line that says what it is and how long, with a checksum, and the state as JSON. It is written beside
//! the one that it replaces, flushed to the disk, and renamed over it; the one before is kept. So whenever
//! the machine stops, one of the two is whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::{StateStore, StoreError, Stored};
use crate::WorkloadId;

/// Keeps states in a directory, each in a file of its own, safe against a crash at any moment.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use trimtab_engine::State;
/// use trimtab_metric::Timestamp;
/// use trimtab_runtime::{FileStore, StateStore, Stored};
///
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("state");
/// let store = FileStore::open(&directory)?;
/// let id = "inference/llm".parse()?;
/// let stored = Stored { at: Timestamp::from_secs(0), state: State::default(), pending: None };
/// store.save(&id, &stored).await?;
/// assert_eq!(store.load(&id).await?, Some(stored));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileStore {
    directory: PathBuf,
}

/// No state is as large; a file that is was not written by us.
const LARGEST: u64 = 64 << 20;

/// What a file begins with.
const MAGIC: &str = "trimtab-state 1";

impl FileStore {
    /// Opens a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when it can't be made or written to.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(failed("make the directory", &directory))?;
        let tried = tempfile::Builder::new().prefix(".try-").tempfile_in(&directory);
        tried.map_err(failed("write to the directory", &directory))?;
        Ok(Self { directory })
    }

    /// Where the state of a workload is. The one before it has `.previous` at its end.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let directory = directory.path();
    /// let store = trimtab_runtime::FileStore::open(directory)?;
    /// let id = "inference/llm".parse()?;
    /// assert_eq!(store.path(&id), directory.join("inference%2Fllm.state"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self, workload: &WorkloadId) -> PathBuf {
        // `%` is in no name, so no two workloads have one file.
        self.directory.join(format!("{}.state", workload.as_str().replace('/', "%2F")))
    }
}

#[async_trait]
impl StateStore for FileStore {
    async fn load(&self, workload: &WorkloadId) -> Result<Option<Stored>, StoreError> {
        let path = self.path(workload);
        blocking(move || load(&path)).await
    }

    async fn save(&self, workload: &WorkloadId, stored: &Stored) -> Result<(), StoreError> {
        let path = self.path(workload);
        let text = encode(stored).map_err(|error| StoreError::Other(error.to_string()))?;
        blocking(move || save(&path, &text)).await
    }

    async fn remove(&self, workload: &WorkloadId) -> Result<(), StoreError> {
        let path = self.path(workload);
        blocking(move || {
            for path in [previous(&path), path] {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed("remove", &path)(error));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Other(format!("the file system was not asked: {error}"))),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |error| StoreError::Io { what, path, error: plain(error) }
}

/// What the system said, without the name of the file beside it that was tried: that differs each time.
fn plain(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path \"") {
        Some((said, _)) => io::Error::new(error.kind(), said),
        None => error,
    }
}

fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    PathBuf::from(name)
}

fn encode(stored: &Stored) -> serde_json::Result<Vec<u8>> {
    let body = serde_json::to_vec(stored)?;
    let mut text = format!("{MAGIC} {} {:08x}\n", body.len(), crc32fast::hash(&body)).into_bytes();
    text.extend_from_slice(&body);
    text.push(b'\n');
    Ok(text)
}

fn save(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new()
        .prefix(".state-")
        .tempfile_in(directory)
        .map_err(failed("write to the directory", directory))?;
    let written = new.write_all(text).and_then(|()| new.as_file().sync_all());
    written.map_err(failed("write", path))?;
    if path.exists() {
        fs::rename(path, previous(path)).map_err(failed("keep a copy of", path))?;
    }
    new.persist(path).map_err(|error| failed("replace", path)(error.error))?;
    // The names are safe as well only when the directory is.
    File::open(directory).and_then(|open| open.sync_all()).map_err(failed("flush", directory))
}

/// The last state that is whole. Damage is an error only where nothing whole is left.
fn load(path: &Path) -> Result<Option<Stored>, StoreError> {
    let before = previous(path);
    match (read(path), read(&before)) {
        (Ok(Some(stored)), _) => Ok(Some(stored)),
        // Stopped between the two renames.
        (Ok(None), earlier) => earlier,
        (Err(error), Ok(Some(stored))) => {
            tracing::warn!(target: "trimtab", %error, "going on from the state before");
            Ok(Some(stored))
        }
        (Err(error), _) => Err(error),
    }
}

fn read(path: &Path) -> Result<Option<Stored>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text).map_err(failed("read", path))?;
    decode(&text).map(Some).map_err(|reason| StoreError::Damaged { path: path.to_owned(), reason })
}

fn decode(text: &[u8]) -> Result<Stored, String> {
    let newline = text.iter().position(|byte| *byte == b'\n').ok_or("it has no first line")?;
    let (first, rest) = text.split_at_checked(newline).ok_or("it has no first line")?;
    let first = std::str::from_utf8(first).map_err(|_| "its first line is not text")?;
    let counts = first
        .strip_prefix(MAGIC)
        .ok_or_else(|| format!("its first line does not begin with `{MAGIC}`"))?;
    let (length, sum) = counts.trim_start().split_once(' ').ok_or("its first line is cut off")?;
    let length: usize = length.parse().map_err(|_| "its first line has no length")?;
    let body = rest.get(1..).unwrap_or_default();
    let whole = body.get(..length).filter(|_| body.get(length..) == Some(b"\n".as_slice()));
    let whole =
        whole.ok_or_else(|| format!("it should have {length} bytes and has {}", body.len()))?;
    if format!("{:08x}", crc32fast::hash(whole)) != sum {
        return Err(String::from("its checksum does not fit"));
    }
    serde_json::from_slice(whole).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_engine::State;
    use trimtab_metric::Timestamp;

    use super::*;

    fn stored(seconds: i64) -> Stored {
        Stored { at: Timestamp::from_secs(seconds), state: State::default(), pending: None }
    }

    /// A store with what was saved at the seconds 1 and 2.
    fn twice() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("llm.state");
        for second in [1, 2] {
            save(&path, &encode(&stored(second)).unwrap()).unwrap();
        }
        (directory, path)
    }

    #[test]
    fn wherever_a_write_stops_a_whole_state_is_left() {
        let (directory, path) = twice();
        // Before the first rename.
        fs::write(directory.path().join(".state-xyz"), "half").unwrap();
        assert_eq!(load(&path).unwrap(), Some(stored(2)));
        // Between the two.
        fs::rename(&path, previous(&path)).unwrap();
        assert_eq!(load(&path).unwrap(), Some(stored(2)));
    }

    #[test]
    fn what_fails_in_the_same_way_is_told_in_the_same_words() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("absent").join("llm.state");
        let tell = || save(&path, b"x").unwrap_err().to_string();
        let told = tell();
        assert_eq!(told, tell());
        assert!(told.ends_with("absent`: No such file or directory (os error 2)"), "{told}");
    }

    #[test]
    fn a_damaged_file_gives_way_to_the_one_before() {
        let (_directory, path) = twice();
        fs::write(&path, "").unwrap();
        assert_eq!(load(&path).unwrap(), Some(stored(1)));
    }

    #[test]
    fn damage_without_another_is_told_and_left() {
        let (_directory, path) = twice();
        fs::remove_file(previous(&path)).unwrap();
        let text = fs::read_to_string(&path).unwrap().replace("1970", "2970");
        fs::write(&path, &text).unwrap();
        let told = load(&path).unwrap_err().to_string();
        assert!(told.contains("llm.state` is damaged: its checksum does not fit"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    proptest! {
        #[test]
        fn any_byte_that_is_changed_is_noticed(at in 0_usize..400, change in 1_u8..) {
            let mut text = encode(&stored(3)).unwrap();
            let at = at % text.len();
            text[at] ^= change;
            if let Ok(read) = decode(&text) {
                // White space between the parts of the first line, and the case of letters in the sum.
                prop_assert_eq!(read, stored(3));
            }
        }

        #[test]
        fn any_cut_is_noticed(at in 0_usize..400) {
            let text = encode(&stored(3)).unwrap();
            prop_assert!(decode(&text[..at % text.len()]).is_err());
        }
    }
}
