//! The engine decides as the real autoscalers did, on every recorded line.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use trimtab_cli::conform;

/// The recordings in this tree.
#[test]
fn the_checked_in_recordings_are_reproduced() -> io::Result<()> {
    let files = recordings(&root().join("conformance"))?;
    assert_eq!(files.len(), 9, "{files:?}");
    reproduced(&files)
}

/// The full recordings, of which the tree holds a part; a clone has none.
#[test]
fn the_full_recordings_are_reproduced() -> io::Result<()> {
    let shared =
        env::var_os("TRIMTAB_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let folder = shared.join("conformance");
    if !folder.is_dir() {
        writeln!(io::stdout(), "skipped: no full recordings (set TRIMTAB_SHARED to their folder)")?;
        return Ok(());
    }
    let files = recordings(&folder)?;
    assert!(files.len() >= 9, "{} lacks recordings: {files:?}", folder.display());
    reproduced(&files)
}

#[test]
fn a_wrong_recording_is_told_with_its_field() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("wrong.jsonl");
    fs::write(
        &file,
        r#"{"id":"q-0","family":"quantity","s":"1500m","milli":"1501","approx_f64":1.5,"canonical":"1500m","canonical_milli":"1500","canonical_approx_f64":1.5,"sign":1}"#,
    )?;
    let mut report = Vec::new();
    let counts = conform::run(&[file], 5, None, &mut report).map_err(io::Error::other)?;
    assert_eq!((counts.passed, counts.failed), (0, 1));
    assert_eq!(
        String::from_utf8_lossy(&report),
        "wrong.jsonl: 0 passed, 1 failed\n  line 1 q-0: milli: expected \"1501\", got \"1500\"\n"
    );
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn recordings(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn reproduced(files: &[PathBuf]) -> io::Result<()> {
    let mut report = Vec::new();
    let counts = conform::run(files, 5, None, &mut report).map_err(io::Error::other)?;
    assert!(counts.failed == 0 && counts.passed > 0, "{}", String::from_utf8_lossy(&report));
    Ok(())
}
