//! A recording as a file that is written piece by piece, and goes on where it was interrupted.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use trimtab_engine::ObservationRecord;
use trimtab_metric::{Span, Timestamp};
use trimtab_runtime::SourceError;

use super::frames::says_something;
use super::{RecordError, Recorder, STEPS_AT_ONCE};

/// How far a recording is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Times that were asked about.
    pub done: u64,
    /// Times in all.
    pub total: u64,
    /// Observations that were written.
    pub records: u64,
    /// Up to when.
    pub at: Timestamp,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Observations in the file.
    pub records: u64,
    /// The first time that was asked about.
    pub start: Timestamp,
    /// The last.
    pub end: Timestamp,
    /// It went on with a file that was begun before.
    pub resumed: bool,
}

/// How far a file is: what stands beside it until it is finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resume {
    /// What it is made of.
    fingerprint: String,
    step_seconds: Span,
    start: Timestamp,
    end: Timestamp,
    /// The first time that is not in it.
    next: Timestamp,
    records: u64,
    /// Bytes that are right; what stands after them is a piece that was interrupted.
    bytes: u64,
}

struct Files {
    path: PathBuf,
    resume: PathBuf,
    packed: bool,
}

impl Recorder {
    /// Writes what was seen into a file, an observation a line; gzipped if its name ends in `.gz`.
    ///
    /// It is written piece by piece. When it is interrupted, `FILE.resume` says how far it is, and the same call goes on from there,
    /// over the range that it began with. Times before the first value are left out.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; what was recorded up to then is kept.
    pub async fn to_file(
        &self,
        path: &Path,
        start: Timestamp,
        end: Timestamp,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Recorded, RecordError> {
        let files = Files::of(path);
        let (mut state, resumed) = self.begin(&files, start, end)?;
        let mut file = files.open(&state)?;
        let step = self.step.as_millis().max(1);
        let count = |from: Timestamp, to: Timestamp| {
            u64::try_from(to.since(from).as_millis() / step).unwrap_or(0)
        };
        let total = count(state.start, state.end).saturating_add(1);
        let mut steps = STEPS_AT_ONCE;
        while state.next <= state.end {
            let reach = Span::from_millis(step.saturating_mul(steps.saturating_sub(1)));
            let until = state.next.saturating_add(reach).min(state.end);
            let observations = match self.observations(state.next, until).await {
                Err(RecordError::Query { error, .. }) if is_too_much(&error, steps) => {
                    steps = (steps / 2).max(1);
                    continue;
                }
                other => other?,
            };
            let lines = lines(&observations, state.records > 0);
            files.append(&mut file, &lines, &mut state)?;
            state.next = until.saturating_add(self.step);
            files.save(&state)?;
            let done = count(state.start, state.next).min(total);
            progress(Progress { done, total, records: state.records, at: until });
        }
        fs::remove_file(&files.resume).map_err(|error| files.wrong(&files.resume, error))?;
        let Resume { records, start, end, .. } = state;
        Ok(Recorded { records, start, end, resumed })
    }

    /// Where to go on, or a new beginning.
    fn begin(
        &self,
        files: &Files,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<(Resume, bool), RecordError> {
        if let Some(state) = files.load()? {
            let same = state.fingerprint == self.fingerprint && state.step_seconds == self.step;
            return if same {
                Ok((state, true))
            } else {
                let (file, resume) = (files.path.clone(), files.resume.clone());
                Err(RecordError::Different { file, resume })
            };
        }
        if files.path.exists() {
            return Err(RecordError::Exists(files.path.clone()));
        }
        // Times at which every recording looks, so that two of them go together.
        let step = self.step.as_millis().max(1);
        let first = start.as_millis().div_euclid(step).saturating_mul(step);
        let first = if first < start.as_millis() { first.saturating_add(step) } else { first };
        let first = Timestamp::from_millis(first);
        if first > end {
            return Err(RecordError::NoRange { start, end });
        }
        let state = Resume {
            fingerprint: self.fingerprint.clone(),
            step_seconds: self.step,
            start: first,
            end,
            next: first,
            records: 0,
            bytes: 0,
        };
        files.save(&state)?;
        Ok((state, false))
    }
}

/// Whether less at once may go better.
fn is_too_much(error: &SourceError, steps: i64) -> bool {
    match error {
        SourceError::TooLarge { .. } => steps > 1,
        SourceError::Refused(why) => steps > 1 && why.contains("too many samples"),
        SourceError::TimedOut(_) => steps > STEPS_AT_ONCE / 10,
        _ => false,
    }
}

/// The lines that are worth writing, and how many they are.
fn lines(observations: &[ObservationRecord], begun: bool) -> (Vec<u8>, u64) {
    let (mut text, mut count, mut begun) = (Vec::new(), 0, begun);
    for observation in observations {
        begun |= says_something(observation);
        if begun && serde_json::to_writer(&mut text, observation).is_ok() {
            text.push(b'\n');
            count += 1;
        }
    }
    (text, count)
}

impl Files {
    fn of(path: &Path) -> Self {
        let mut resume = OsString::from(path);
        resume.push(".resume");
        let packed = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
        Self { path: path.to_owned(), resume: resume.into(), packed }
    }

    fn wrong(&self, file: &Path, error: io::Error) -> RecordError {
        RecordError::File { file: file.to_owned(), error }
    }

    fn load(&self) -> Result<Option<Resume>, RecordError> {
        match fs::read(&self.resume) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| self.wrong(&self.resume, error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(&self.resume, error)),
        }
    }

    /// Replaces as a whole what says how far the file is.
    fn save(&self, state: &Resume) -> Result<(), RecordError> {
        let mut new = OsString::from(&self.resume);
        new.push(".new");
        let new = PathBuf::from(new);
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(state)?)?;
            file.sync_all()?;
            fs::rename(&new, &self.resume)
        };
        write().map_err(|error| self.wrong(&self.resume, error))
    }

    /// The file at the end of what is right of it.
    fn open(&self, state: &Resume) -> Result<File, RecordError> {
        let open = || -> io::Result<File> {
            let mut file =
                OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
            if file.metadata()?.len() < state.bytes {
                let message = "it is shorter than it was: remove it and what says how far it is";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            file.set_len(state.bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        open().map_err(|error| self.wrong(&self.path, error))
    }

    /// Adds a piece, which is a gzip member of its own: those after one another are one file.
    fn append(
        &self,
        file: &mut File,
        (text, count): &(Vec<u8>, u64),
        state: &mut Resume,
    ) -> Result<(), RecordError> {
        let mut write = || -> io::Result<u64> {
            if text.is_empty() {
                return Ok(0);
            }
            let packed;
            let bytes = if self.packed {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text)?;
                packed = encoder.finish()?;
                &packed
            } else {
                text
            };
            file.write_all(bytes)?;
            file.sync_data()?;
            Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
        };
        let bytes = write().map_err(|error| self.wrong(&self.path, error))?;
        state.bytes = state.bytes.saturating_add(bytes);
        state.records = state.records.saturating_add(*count);
        Ok(())
    }
}
