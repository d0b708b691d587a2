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
    written: Mutex<Option<String>>,
}

impl Discovery {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, written: Mutex::default() }
    }

    pub(super) fn publish(&self, replicas: &[LocalReplica]) {
        let groups: Vec<_> = replicas.iter().map(group).collect();
        let text = json!(groups).to_string();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.as_ref() == Some(&text) {
            return;
        }
        match replace(&self.path, &text) {
            Ok(()) => *written = Some(text),
            Err(error) => {
                let file = self.path.display();
                warn!(target: "trimtab", %file, %error, "who is there can't be written");
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
    let mut new = tempfile::Builder::new()
        .prefix(".targets-")
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    #[cfg(unix)]
    new.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    new.persist(path)?;
    Ok(())
}
