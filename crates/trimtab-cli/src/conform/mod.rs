//! `trimtab conform`: recorded decisions of real autoscalers, made again by the engine.
//!
//! A file of vectors is JSON lines, optionally gzipped. What a line is about stands in the line
//! (`family`, or the fields that only its family has), so a file may have any name.

mod behavior;
mod case;
mod keda_formula;
mod knative;
mod quantity;
mod ray_serve;
mod reconcile;
mod replica_calc;
mod time;
mod validation;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;
use trimtab_engine::LogEntry;

use case::{Checks, Mismatch, Verdict};

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// Why a file can't be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConformError {
    /// The file can't be read.
    #[error("`{}` can't be read: {error}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A line is not a vector.
    #[error("`{}` line {line} is not a vector: {message}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A file has no line.
    #[error("`{}` holds no vectors", .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The report can't be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// What came of a run.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that agree.
    pub passed: usize,
    /// Lines that do not.
    pub failed: usize,
    /// Lines that agree, with a value that the recorded platform (amd64) defined.
    pub platform_defined: usize,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: String,
    #[serde(default)]
    family: Option<String>,
    /// Fields by which a line without a family tells what it is about.
    #[serde(default)]
    formula: Option<IgnoredAny>,
    #[serde(default)]
    gang_size: Option<IgnoredAny>,
    #[serde(default)]
    start_ready: Option<IgnoredAny>,
    #[serde(default, rename = "in")]
    input: Option<IgnoredAny>,
}

impl Line {
    fn family(&self) -> &str {
        let marks = [
            (&self.formula, "keda_formula"),
            (&self.gang_size, "ray_serve"),
            (&self.start_ready, "knative_kpa"),
            (&self.input, "knative_scale_to_zero"),
        ];
        let marked = || marks.iter().find(|(mark, _)| mark.is_some()).map(|(_, family)| *family);
        self.family.as_deref().or_else(marked).unwrap_or_default()
    }
}

/// Who gets the decisions that were made, as a log has them.
pub type Log<'a> = &'a mut dyn FnMut(LogEntry) -> io::Result<()>;

/// Checks the files and reports on each: a line of counts, then the first `show` failures. The decisions
/// that are whole ones, from an observation to a state, go to `log`, each behind its policy.
///
/// # Errors
///
/// [`ConformError`], for what can't be read as vectors.
pub fn run(
    files: &[PathBuf],
    show: usize,
    mut log: Option<Log<'_>>,
    out: &mut dyn Write,
) -> Result<Counts, ConformError> {
    let mut total = Counts::default();
    for file in files {
        let (counts, failures) = check_file(file, show, &mut log)?;
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        write!(out, "{name}: {} passed, {} failed", counts.passed, counts.failed)?;
        if counts.platform_defined > 0 {
            write!(out, ", {} platform-defined", counts.platform_defined)?;
        }
        writeln!(out)?;
        for (line, id, mismatch) in &failures {
            writeln!(out, "  line {line} {id}: {mismatch}")?;
        }
        let hidden = counts.failed.saturating_sub(failures.len());
        if hidden > 0 {
            writeln!(out, "  and {hidden} more")?;
        }
        total.passed += counts.passed;
        total.failed += counts.failed;
        total.platform_defined += counts.platform_defined;
    }
    Ok(total)
}

type Failure = (usize, String, Mismatch);

fn check_file(
    file: &Path,
    show: usize,
    log: &mut Option<Log<'_>>,
) -> Result<(Counts, Vec<Failure>), ConformError> {
    let unreadable = |error| ConformError::Read { file: file.to_owned(), error };
    let mut reader = open(file).map_err(unreadable)?;
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    let mut text = Vec::new();
    let mut number = 0;
    loop {
        text.clear();
        let read =
            reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        number += 1;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let wrong =
            |message: String| ConformError::Line { file: file.to_owned(), line: number, message };
        if text.len() as u64 == LONGEST_LINE {
            return Err(wrong(format!("it is longer than {} MiB", LONGEST_LINE >> 20)));
        }
        let line: Line = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let mut checks = Checks::logging(log.is_some());
        check_line(line.family(), &text, &mut checks).map_err(wrong)?;
        if let Some(log) = log {
            checks.take_log().into_iter().try_for_each(&mut **log)?;
        }
        match checks.verdict() {
            Verdict { mismatch: None, platform_defined: false } => counts.passed += 1,
            Verdict { mismatch: None, platform_defined: true } => counts.platform_defined += 1,
            Verdict { mismatch: Some(mismatch), .. } => {
                counts.failed += 1;
                if failures.len() < show {
                    failures.push((number, line.id, mismatch));
                }
            }
        }
    }
    if number == 0 {
        return Err(ConformError::Empty { file: file.to_owned() });
    }
    Ok((counts, failures))
}

/// Opens a file, unpacking it if it begins as gzip does.
fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut reader = BufReader::new(File::open(file)?);
    if reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(BufReader::new(MultiGzDecoder::new(reader))))
    } else {
        Ok(Box::new(reader))
    }
}

fn check_line(family: &str, text: &[u8], checks: &mut Checks) -> Result<(), String> {
    match family {
        "quantity" => quantity::check(&case::parse(text)?, checks),
        "validation" => validation::check(&case::parse(text)?, checks),
        "replica_calc" => replica_calc::check(&case::parse(text)?, checks)?,
        "behavior" => behavior::check(&case::parse(text)?, checks)?,
        "reconcile" => reconcile::check(&case::parse(text)?, checks)?,
        "keda_formula" => keda_formula::check(&case::parse(text)?, checks),
        "knative_kpa" => knative::kpa::check(&case::parse(text)?, checks)?,
        "knative_scale_to_zero" => {
            knative::scale_to_zero::check(&case::parse(text)?, checks);
        }
        "ray_serve" => ray_serve::check(&case::parse(text)?, checks)?,
        other => {
            return Err(format!(
                "family `{other}` is not known; known are `quantity`, `validation`, \
                 `replica_calc`, `behavior`, `reconcile`, `keda_formula`, `knative_kpa`, \
                 `knative_scale_to_zero` and `ray_serve`"
            ));
        }
    }
    Ok(())
}
