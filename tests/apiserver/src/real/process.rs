//! A process that never outlives the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input, which comes when whoever holds the other end dies by whatever means, and then ends
/// the process that it became beside it.
const TIED: &str = r#"exec 3<&0 </dev/null
(cat <&3 >/dev/null 2>&1; kill -9 $$ 2>/dev/null) &
exec 3<&-
exec "$@""#;

/// A running process. It is killed when dropped.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Process {
    pub(super) fn start(binary: &Path, flags: &[String], log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new("sh")
            .args(["-c", TIED, "sh"])
            .arg(binary)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { child, log: log.into(), name }
    }

    /// Panics, with what it logged, if it has ended.
    pub(super) fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended ({status}): {}", self.name, self.log());
        }
    }

    /// The end of its log.
    pub(super) fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
