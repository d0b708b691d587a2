//! A target that is read and written by commands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::template::{Template, TemplateError};
use super::{Change, ScaleTarget, TargetError, TargetStatus};
use crate::WorkloadId;

/// What can be filled into the words of a command.
const PLACES: &[&str] = &["workload", "from", "replicas", "drain", "retire", "takeBack"];
/// No answer is longer.
const LONGEST: u64 = 64 << 10;

/// The commands of an [`ExecTarget`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecSpec {
    /// Prints the count: a number, or JSON `{"replicas": 3, "statusReplicas": 2, "version": "…"}`. Absent: the
    /// count is what was written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<String>>,
    /// Sets the count. It exits with 0 if it is set, with 75 (`EX_TEMPFAIL`) if it may be tried again at once, and with
    /// anything else if not.
    pub write: Vec<String>,
    /// Without `read`: the count to begin with. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_replicas: Option<i32>,
    /// Variables for both, besides those of this process.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where both run. Default: where this process runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
}

/// Scales whatever a command can scale.
///
/// Commands are lists of words and no shell reads them. `{workload}`, `{from}`, `{replicas}`, and with `retire` in the
/// policy `{drain}`, `{retire}` and `{takeBack}` (names with commas between), are filled in; the same is in the
/// variables `TRIMTAB_WORKLOAD`, `TRIMTAB_FROM`, `TRIMTAB_REPLICAS`, `TRIMTAB_DRAIN`, `TRIMTAB_RETIRE` and
/// `TRIMTAB_TAKE_BACK`. A command that takes too long is killed.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use trimtab_runtime::{Change, ExecSpec, ExecTarget, ScaleTarget};
///
/// let spec = ExecSpec {
///     read: Some(vec!["echo".into(), "3".into()]),
///     write: vec!["test".into(), "{replicas}".into(), "-le".into(), "8".into()],
///     ..ExecSpec::default()
/// };
/// let target = ExecTarget::new(spec)?;
/// let id = "inference/llm".parse()?;
/// assert_eq!(target.read(&id).await?.replicas, 3);
/// assert!(target.write(&id, &Change::of(3, 5)).await.is_ok());
/// assert!(target.write(&id, &Change::of(3, 9)).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ExecTarget {
    name: String,
    read: Option<Template>,
    write: Template,
    spec: ExecSpec,
    written: AtomicI32,
}

impl ExecTarget {
    /// Takes the commands.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for a command that can't be run as it is written.
    pub fn new(spec: ExecSpec) -> Result<Self, TemplateError> {
        let read = spec.read.clone().map(|words| Template::new(words, PLACES)).transpose()?;
        let write = Template::new(spec.write.clone(), PLACES)?;
        let name = format!("exec {}", spec.write.first().map_or("", String::as_str));
        let written = AtomicI32::new(spec.initial_replicas.unwrap_or(0));
        Ok(Self { name, read, write, spec, written })
    }

    async fn run(
        &self,
        template: &Template,
        workload: &WorkloadId,
        change: &Change,
    ) -> Result<String, TargetError> {
        let values = values(workload, change);
        let (program, arguments) = template.fill(&values);
        let mut command = Command::new(&program);
        command.args(arguments).envs(&self.spec.env);
        for (place, value) in &values {
            command.env(variable(place), value);
        }
        if let Some(directory) = &self.spec.directory {
            command.current_dir(directory);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let failed = |error: std::io::Error| {
            TargetError::Refused(format!("`{program}` can't be run: {error}"))
        };
        let mut child = command.spawn().map_err(failed)?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = {
            let pipes = (child.stdout.take(), child.stderr.take());
            let texts = async { tokio::join!(read(pipes.0, &mut out), read(pipes.1, &mut err)) };
            let mut texts = std::pin::pin!(texts);
            tokio::select! {
                _ = &mut texts => child.wait().await,
                status = child.wait() => {
                    // One that it started, and that runs on, may hold the pipes for ever.
                    let _longer = timeout(LINGER, texts).await;
                    status
                }
            }
        };
        let status = status.map_err(failed)?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&out).into_owned());
        }
        let err = String::from_utf8_lossy(&err);
        let said = err.trim().lines().last().unwrap_or("it said nothing").to_owned();
        let message = format!("`{program}` ended with {status}: {said}");
        Err(if status.code() == Some(EX_TEMPFAIL) {
            TargetError::Unreachable(message)
        } else {
            TargetError::Refused(message)
        })
    }
}

/// So long a command that has ended may have more to read.
const LINGER: Duration = Duration::from_millis(200);

/// What `sysexits.h` has for *try again*.
const EX_TEMPFAIL: i32 = 75;

fn values(workload: &WorkloadId, change: &Change) -> Vec<(&'static str, String)> {
    vec![
        ("workload", workload.to_string()),
        ("from", change.from.to_string()),
        ("replicas", change.replicas.to_string()),
        ("drain", change.drain.join(",")),
        ("retire", change.retire.join(",")),
        ("takeBack", change.take_back.join(",")),
    ]
}

fn variable(place: &str) -> String {
    let snake = place.chars().flat_map(|char| {
        char.is_ascii_uppercase().then_some('_').into_iter().chain([char.to_ascii_uppercase()])
    });
    "TRIMTAB_".chars().chain(snake).collect()
}

/// Takes what is written to a pipe, up to a limit; the rest is read and dropped, so that the writer ends.
async fn read(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) {
    if let Some(mut pipe) = pipe {
        // What was read before a failure counts.
        let _partly = (&mut pipe).take(LONGEST).read_to_end(bytes).await;
        let _rest = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
}

/// What a `read` command may print besides a number.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Printed {
    replicas: i32,
    #[serde(default)]
    status_replicas: Option<i32>,
    #[serde(default)]
    version: Option<String>,
}

fn printed(text: &str) -> Result<TargetStatus, TargetError> {
    let text = text.trim();
    if let Ok(replicas) = text.parse::<i32>() {
        return Ok(TargetStatus::steady(replicas));
    }
    let Printed { replicas, status_replicas, version } =
        serde_json::from_str(text).map_err(|error| {
            let start: String = text.chars().take(80).collect();
            TargetError::Malformed(format!(
                "expected a number, or JSON with `replicas`, found `{start}`: {error}"
            ))
        })?;
    let status_replicas = status_replicas.unwrap_or(replicas);
    Ok(TargetStatus { replicas, status_replicas, version, ..TargetStatus::default() })
}

#[async_trait]
impl ScaleTarget for ExecTarget {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        let written = self.written.load(Ordering::Relaxed);
        match &self.read {
            Some(read) => printed(&self.run(read, workload, &Change::of(written, written)).await?),
            None => Ok(TargetStatus::steady(written)),
        }
    }

    async fn write(&self, workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        self.run(&self.write, workload, change).await?;
        self.written.store(change.replicas, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().copied().map(String::from).collect()
    }

    fn target(read: &[&str], write: &[&str]) -> ExecTarget {
        let read = (!read.is_empty()).then(|| words(read));
        ExecTarget::new(ExecSpec { read, write: words(write), ..ExecSpec::default() }).unwrap()
    }

    fn id() -> WorkloadId {
        "inference/llm".parse().unwrap()
    }

    #[tokio::test]
    async fn it_tells_the_command_everything() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("told");
        let script = r#"echo "$1 $TRIMTAB_FROM $TRIMTAB_DRAIN $TRIMTAB_TAKE_BACK" > "$FILE""#;
        let spec = ExecSpec {
            write: words(&["sh", "-c", script, "sh", "{workload}={replicas}"]),
            env: [(String::from("FILE"), file.display().to_string())].into(),
            ..ExecSpec::default()
        };
        let target = ExecTarget::new(spec).unwrap();
        let drain = words(&["a", "b"]);
        target.write(&id(), &Change { drain, ..Change::of(4, 2) }).await.unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "inference/llm=2 4 a,b \n");
        assert_eq!(target.read(&id()).await.unwrap(), TargetStatus::steady(2));
    }

    #[tokio::test]
    async fn what_it_prints_is_read_or_refused() {
        let read = async |text: &str| target(&["echo", text], &["true"]).read(&id()).await;
        assert_eq!(read(" 7 ").await.unwrap(), TargetStatus::steady(7));
        let status = read(r#"{"replicas": 3, "statusReplicas": 2, "version": "9"}"#).await.unwrap();
        assert_eq!((status.replicas, status.status_replicas), (3, 2));
        assert_eq!(status.version.as_deref(), Some("9"));
        let error = read("three").await.unwrap_err().to_string();
        assert!(error.contains("found `three`"), "{error}");
    }

    #[tokio::test]
    async fn what_it_says_last_is_the_error() {
        let fails = |code: &str| {
            target(&[], &["sh", "-c", &format!("echo hm >&2; echo no quota >&2; exit {code}")])
        };
        let refused = fails("1").write(&id(), &Change::of(1, 2)).await.unwrap_err();
        assert_eq!(refused.cause(), "refused");
        assert!(refused.to_string().ends_with("exit status: 1: no quota"), "{refused}");
        let passing = fails("75").write(&id(), &Change::of(1, 2)).await.unwrap_err();
        assert!(passing.is_passing());
        let absent = target(&[], &["no-such-program"]).write(&id(), &Change::of(1, 2)).await;
        assert!(absent.unwrap_err().to_string().contains("can't be run"));
    }

    #[tokio::test]
    async fn who_leaves_a_process_behind_is_done_when_it_ends_itself() {
        let leaves =
            target(&["sh", "-c", "echo 3; sleep 30 &"], &["sh", "-c", "sleep 30 & exit 1"]);
        let start = std::time::Instant::now();
        assert_eq!(leaves.read(&id()).await.unwrap(), TargetStatus::steady(3));
        let error = leaves.write(&id(), &Change::of(1, 2)).await.unwrap_err();
        assert_eq!(error.cause(), "refused");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_flood_is_cut_and_a_command_that_is_given_up_is_killed() {
        let flood = target(&["sh", "-c", "yes 1 | head -c 10000000"], &["true"]);
        assert_eq!(flood.read(&id()).await.unwrap_err().cause(), "malformed");

        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ran on");
        let script = format!("sleep 1; touch '{}'", file.display());
        let slow = target(&[], &["sh", "-c", &script]);
        let (id, change) = (id(), Change::of(1, 2));
        let given_up =
            tokio::time::timeout(Duration::from_millis(50), slow.write(&id, &change)).await;
        assert!(given_up.is_err());
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!file.exists());
    }
}
