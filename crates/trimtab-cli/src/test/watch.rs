//! `--watch`: again, whenever a file has changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::args::TestArgs;
use super::{discover, once};
use crate::Exit;
use crate::error::CommandError;
use crate::process::Interrupt;

/// How often files are looked at. It costs a question per file, and works on every file system.
const PERIOD: Duration = Duration::from_millis(300);

/// When a file was last written, and how long it is; nothing where there is none.
type Stamp = Option<(SystemTime, u64)>;

/// Runs the tests until it is interrupted, which is how it ends.
pub(super) fn run(
    args: &TestArgs,
    interrupt: &Interrupt,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    loop {
        let (exit, read) = match once(args, interrupt, out, err) {
            Ok(ran) => ran,
            Err(CommandError::Interrupted) => return Ok(Exit::Done),
            Err(error) => return Err(error),
        };
        out.flush()?;
        let seen = stamps(&args.files, &read);
        writeln!(err, "watching {} files; an interrupt ends it", seen.len())?;
        err.flush()?;
        loop {
            if interrupt.is_noted() {
                return Ok(exit);
            }
            sleep(PERIOD);
            if stamps(&args.files, &read) != seen {
                break;
            }
        }
        writeln!(out)?;
    }
}

/// The files that were read, and those that would be found now.
fn stamps(files: &[PathBuf], read: &[PathBuf]) -> BTreeMap<PathBuf, Stamp> {
    let found = discover::find(files).unwrap_or_default();
    let all = found.into_iter().chain(read.iter().cloned());
    all.map(|path| (path.clone(), stamp(&path))).collect()
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_or_comes_up_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let test = directory.path().join("a_test.yaml");
        fs::write(&test, "tests: []").unwrap();
        let files = [directory.path().to_owned()];
        let policy = directory.path().join("policy.yaml");
        let read = [test.clone(), policy.clone()];
        let before = stamps(&files, &read);
        assert_eq!(before, stamps(&files, &read));
        fs::write(&policy, "kind: x").unwrap();
        let with_policy = stamps(&files, &read);
        assert_ne!(before, with_policy);
        fs::write(directory.path().join("b_test.yml"), "tests: []").unwrap();
        assert_ne!(with_policy, stamps(&files, &read));
    }
}
