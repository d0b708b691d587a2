//! Who is there, in a file that others read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tracing::warn;

use super::LocalReplica;

/// A file in the form of Prometheus' file-based service discovery, replaced as a whole when it changes.
pub(super) struct Discovery {
    path: PathBuf,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    written: Option<String>,
    /// Why it could not be written, as it was told.
    failed: Option<std::io::ErrorKind>,
}

impl Discovery {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::default() }
    }

    pub(super) fn publish(&self, replicas: &[LocalReplica]) {
        let groups: Vec<_> = replicas.iter().map(group).collect();
        let text = json!(groups).to_string();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.written.as_ref() == Some(&text) {
            return;
        }
        match replace(&self.path, &text) {
            Ok(()) => *last = Last { written: Some(text), failed: None },
            Err(error) => {
                // It is tried again at each round.
                let (file, why) = (self.path.display(), error.kind());
                if last.failed != Some(why) {
                    warn!(target: "trimtab", %file, %error, "who is there can't be written");
                }
                last.failed = Some(why);
            }
        }
    }
}

fn group(replica: &LocalReplica) -> serde_json::Value {
    json!({
        "targets": [replica.address.to_string()],
        "labels": {
            "replica": replica.name,
            "__meta_trimtab_ready": replica.is_ready.to_string(),
            "__meta_trimtab_draining": replica.is_draining.to_string(),
        },
    })
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut new = tempfile::Builder::new().prefix(".targets-").tempfile_in(directory)?;
    new.write_all(text.as_bytes())?;
    #[cfg(unix)]
    new.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    new.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_directory_is_made_and_what_fails_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("targets").join("llm.json");
        let discovery = Discovery::new(path.clone());
        discovery.publish(&[]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[]");

        // A file is no directory.
        let inside = Discovery::new(path.join("llm.json"));
        inside.publish(&[]);
        let failed = inside.last.lock().unwrap().failed;
        assert!(failed.is_some());
        inside.publish(&[]);
        assert_eq!(inside.last.lock().unwrap().failed, failed);
    }
}
