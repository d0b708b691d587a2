//! Which files are tests, and the files beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use trimtab_manifest::{Limits, Source};
use trimtab_test::{TestFile, TestLimits, read_within};

use crate::error::CommandError;
use crate::input::{is_stdin, read_source};

/// How deep directories are looked into.
const DEEPEST: usize = 64;

/// The test files that paths name or hold, in order, each once.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut inside = BTreeSet::new();
            walk(path, 0, &mut inside)?;
            found.extend(inside);
        } else {
            found.push(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

fn walk(directory: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> Result<(), CommandError> {
    let unreadable = |error| CommandError::Read { file: directory.display().to_string(), error };
    if depth > DEEPEST {
        return Ok(());
    }
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Links are not followed, so that a directory is not looked into twice.
        let kind = entry.file_type().map_err(unreadable)?;
        if name.starts_with('.') {
            continue;
        }
        let path = if directory == Path::new(".") { PathBuf::from(&name) } else { entry.path() };
        if kind.is_dir() {
            walk(&path, depth + 1, found)?;
        } else if name.ends_with("_test.yaml") || name.ends_with("_test.yml") {
            found.insert(path);
        }
    }
    Ok(())
}

/// Reads a test file and the policies that it names.
pub(super) fn load(path: &Path, read: &mut Vec<PathBuf>) -> Result<TestFile, CommandError> {
    let limits = TestLimits::default();
    read.push(path.to_owned());
    let source = read_source(path, limits.text.max_bytes)?;
    let mut beside = |name: &str| -> Result<Source, String> {
        let file = neighbour(path, name);
        read.push(file.clone());
        match read_source(&file, Limits::default().max_bytes) {
            Ok(source) => Ok(source),
            Err(CommandError::Read { error, .. }) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    Ok(read_within(&source, &mut beside, &limits)?)
}

/// A path from a test file.
pub(super) fn neighbour(test: &Path, name: &str) -> PathBuf {
    match test.parent() {
        Some(directory) if !is_stdin(test) => directory.join(name),
        _ => PathBuf::from(name),
    }
}
