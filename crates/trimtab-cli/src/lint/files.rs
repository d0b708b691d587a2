//! Which files are meant, and their text.

use std::io;
use std::path::{Path, PathBuf};

use trimtab_manifest::{Source, lint_limits};

use crate::error::CommandError;
use crate::input::{is_stdin, read_source, stdin_once};

/// Files in folders, and bytes of all files: what exceeds them is not meant to be linted at once.
const MOST_FILES: usize = 20_000;
const MOST_BYTES: usize = 256 << 20;

/// The sources in the order of the arguments, those of a folder in the order of their names; and what
/// could not be read.
pub(super) fn read(paths: &[PathBuf]) -> Result<(Vec<Source>, Vec<CommandError>), CommandError> {
    let given: Vec<_> = paths.iter().map(|path| ("PATH", Some(path.as_path()))).collect();
    stdin_once(&given)?;
    let (mut sources, mut unread) = (Vec::new(), Vec::new());
    let mut bytes = 0_usize;
    for path in paths {
        let is_folder = !is_stdin(path) && path.is_dir();
        let files = if is_folder { search(path)? } else { vec![path.clone()] };
        if is_folder && files.is_empty() {
            let message = format!("`{}` holds no *.yaml, *.yml or *.json", path.display());
            return Err(
                CommandError::argument(message).with_help("name a folder with manifests, or files")
            );
        }
        for file in files {
            match read_source(&file, lint_limits().max_bytes) {
                // Beside manifests there is much else in folders.
                Ok(source) if is_folder && !may_be_manifest(source.text()) => {}
                Ok(source) => {
                    bytes = bytes.saturating_add(source.text().len());
                    sources.push(source);
                }
                Err(CommandError::TooLarge { .. }) if is_folder => {}
                Err(error) => unread.push(error),
            }
            if bytes > MOST_BYTES {
                let message = format!("the files have more than {MOST_BYTES} bytes together");
                return Err(CommandError::argument(message).with_help("lint them in parts"));
            }
        }
    }
    Ok((sources, unread))
}

/// The manifests below a folder, without what is hidden; links are not followed.
fn search(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let unreadable =
        |path: &Path, error| CommandError::Read { file: path.display().to_string(), error };
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), error))?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if is_manifest(&entry.path()) && (kind.is_file() || entry.path().is_file()) {
                found.push(entry.path());
            }
            if found.len().max(folders.len()) > MOST_FILES {
                let error = io::Error::other(format!("it holds more than {MOST_FILES} manifests"));
                return Err(unreadable(&folder, error));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether a text could hold one: each has an `apiVersion`, but for Ray Serve's configs.
fn may_be_manifest(text: &str) -> bool {
    text.contains("apiVersion") || text.contains("applications")
}
