//! Decisions as a log that `trimtab replay` reads.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use trimtab_engine::{Digest, LogEntry};

use super::{DecisionSink, SinkError, Tick};

/// Writes each decision as a line of JSON to a file, which is renamed when it has grown.
///
/// A line is handed to the operating system as a whole when it is written, so a process that is killed loses none,
/// and a machine that stops loses at most the last ones. Opening a log cuts off a line that was not
/// finished. Each file has the policies before the decisions that were made by them, and replays by itself.
#[derive(Clone)]
pub struct JsonlSink {
    log: Arc<Mutex<Log>>,
}

/// When a log begins a new file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A file that has as many bytes takes no more. Default 64 MiB.
    pub bytes: u64,
    /// So many old files are kept, `NAME.1` the newest. Default 8.
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes: 64 << 20, keep: 8 }
    }
}

struct Log {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    bytes: u64,
    /// The policies that the present file has.
    policies: BTreeSet<Digest>,
}

impl JsonlSink {
    /// Goes on with the log at `path`, or begins it; its directory is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when it can't be opened.
    pub fn open(path: impl Into<PathBuf>, rotation: Rotation) -> Result<Self, SinkError> {
        let path = path.into();
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let made = directory.map_or(Ok(()), fs::create_dir_all);
        let opened = made.and_then(|()| reopen(&path));
        let (file, bytes) = opened.map_err(|error| failed("open", &path, &error))?;
        let log = Log { path, rotation, file, bytes, policies: BTreeSet::new() };
        Ok(Self { log: Arc::new(Mutex::new(log)) })
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Log) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let log = Arc::clone(&self.log);
        let done =
            spawn_blocking(move || work(&mut log.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.map_err(|error| SinkError(format!("the log was not written: {error}")))?
    }
}

#[async_trait]
impl DecisionSink for JsonlSink {
    fn name(&self) -> &str {
        "log"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        let tick = Arc::clone(tick);
        self.with(move |log| {
            let lines = log.lines(&tick).map_err(|error| SinkError(error.to_string()))?;
            log.write(&lines).map_err(|error| failed("write", &log.path, &error))?;
            log.policies.insert(tick.record.policy);
            Ok(())
        })
        .await
    }

    async fn flush(&self) -> Result<(), SinkError> {
        self.with(|log| log.file.sync_all().map_err(|error| failed("flush", &log.path, &error)))
            .await
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> SinkError {
    SinkError(format!("can't {what} `{}`: {error}", path.display()))
}

impl Log {
    /// The lines of a decision, with its policy before it where the file has not got it yet.
    fn lines(&mut self, tick: &Tick) -> serde_json::Result<Vec<u8>> {
        if self.bytes >= self.rotation.bytes {
            match self.rotate() {
                Ok(()) => self.policies.clear(),
                // It goes on growing, which is better than to be lost.
                Err(error) => tracing::warn!(target: "trimtab", %error, "the log is not renamed"),
            }
        }
        let mut lines = Vec::new();
        if !self.policies.contains(&tick.record.policy) {
            line(&mut lines, &LogEntry::Policy(tick.policy.spec().clone()))?;
        }
        line(&mut lines, &LogEntry::Decision(tick.record.clone()))?;
        Ok(lines)
    }

    /// Writes the lines, or nothing.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines);
        if written.is_err() {
            // Half a line would spoil the next one.
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::End(0))?;
        } else {
            self.bytes += lines.len() as u64;
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        let old = |number: u32| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.rotation.keep).rev() {
            match fs::rename(old(number), old(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.rotation.keep > 0 {
            fs::rename(&self.path, old(1))?;
        } else {
            fs::remove_file(&self.path)?;
        }
        (self.file, self.bytes) = reopen(&self.path)?;
        Ok(())
    }
}

fn line(lines: &mut Vec<u8>, entry: &LogEntry) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *lines, entry)?;
    lines.push(b'\n');
    Ok(())
}

/// Opens a log behind its last whole line.
fn reopen(path: &Path) -> io::Result<(File, u64)> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let bytes = file.metadata()?.len();
    let whole = whole_lines(&mut file, bytes)?;
    if whole < bytes {
        file.set_len(whole)?;
    }
    file.seek(SeekFrom::Start(whole))?;
    Ok((file, whole))
}

/// Where the last line that was finished ends.
fn whole_lines(file: &mut File, bytes: u64) -> io::Result<u64> {
    let mut block = [0; 8192];
    let mut end = bytes;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = block.get_mut(..usize::try_from(end - start).unwrap_or(0)).unwrap_or_default();
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_not_finished_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for (text, whole) in [
            (String::new(), 0),
            (String::from("{}\n"), 3),
            (String::from("{}\n{"), 3),
            (String::from("{"), 0),
            (format!("{{}}\n{}", "x".repeat(20_000)), 3),
            (format!("{}\n{}", "x".repeat(20_000), "y".repeat(20_000)), 20_001),
        ] {
            fs::write(&path, &text).unwrap();
            let (mut file, bytes) = reopen(&path).unwrap();
            assert_eq!(bytes, whole, "{} bytes", text.len());
            file.write_all(b"z").unwrap();
            assert_eq!(fs::read(&path).unwrap().len() as u64, whole + 1);
        }
    }

    #[test]
    fn its_directory_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs").join("decisions.jsonl");
        assert!(JsonlSink::open(&path, Rotation::default()).is_ok());
        assert!(path.exists());
    }

    #[test]
    fn old_files_move_up_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let rotation = Rotation { bytes: 1, keep: 2 };
        let (file, bytes) = reopen(&path).unwrap();
        let mut log = Log { path: path.clone(), rotation, file, bytes, policies: BTreeSet::new() };
        for text in ["a\n", "b\n", "c\n", "d\n"] {
            if log.bytes > 0 {
                log.rotate().unwrap();
            }
            log.write(text.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).ok();
        assert_eq!(read("log").as_deref(), Some("d\n"));
        assert_eq!(read("log.1").as_deref(), Some("c\n"));
        assert_eq!(read("log.2").as_deref(), Some("b\n"));
        assert_eq!(read("log.3"), None);
    }
}
