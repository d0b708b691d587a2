//! A process that never outlives the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Waits for the end of its input, which comes when whoever holds the other end dies by whatever means, and then ends
/// the process that it became beside it.
const TIED: &str = r#"exec 3<&0 </dev/null
(cat <&3 >/dev/null 2>&1; kill -9 $$ 2>/dev/null) &
exec 3<&-
exec "$@""#;

/// Removes a folder once its input ends, if it is still there.
const SWEEP: &str = r#"cat >/dev/null; sleep 1; rm -rf "$1""#;

/// A running process. It is killed when dropped.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    name: String,
    tied: bool,
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
        Self { child, log: log.into(), name, tied: true }
    }

    /// Removes a folder when this process is gone, by which a server that lives as long leaves nothing behind.
    pub(super) fn sweep(folder: &Path) -> Self {
        let child = Command::new("sh")
            .args(["-c", SWEEP, "sh"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, log: PathBuf::new(), name: "sh".into(), tied: false }
    }

    /// Panics, with what it logged, if it has ended.
    pub(super) fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended ({status}): {}", self.name, self.log());
        }
    }

    /// Whether it ended because somebody else was faster at its port.
    pub(super) fn lost_its_port(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some() && self.log().contains("address already in use")
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
        // What waits for the end of the input kills it, and has no number to kill by once nobody has that any more.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.tied && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
