//! How a pod is put to sleep and woken.

use serde::{Deserialize, Serialize};
use trimtab_engine::FieldError;

use crate::host::invalid;

/// How pods are put to sleep and woken: a server in each of them that takes a `POST` for both.
///
/// The defaults are those of vLLM, which needs `--enable-sleep-mode` and, since these endpoints are
/// none for users, `VLLM_SERVER_DEV_MODE=1`. SGLang with `--enable-memory-saver` has
/// `/release_memory_occupation`, `/resume_memory_occupation` and no path for the state.
///
/// ```
/// use trimtab_manifest::SleepSpec;
///
/// let vllm: SleepSpec = serde_json::from_str("{}")?;
/// assert_eq!((vllm.port, vllm.wake_path.as_str()), (8000, "/wake_up"));
/// assert!(vllm.check("sleep").is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SleepSpec {
    /// The port of each pod's server, 1 to 65535. Default 8000.
    pub port: i32,
    /// A `POST` to this path puts it to sleep; it is answered when that is done. Default
    /// `/sleep?level=1`.
    pub sleep_path: String,
    /// A `POST` to this path wakes it. Default `/wake_up`.
    pub wake_path: String,
    /// A `GET` of this path says whether it sleeps, as `{"is_sleeping": true}` or `true`. Default
    /// `/is_sleeping`; empty: it can't be asked, and sleeps as long as it was told to and did not start
    /// anew.
    pub state_path: String,
    /// A sleep or a wake-up may take so long, in seconds, 1 to 300. Default 30.
    pub timeout_seconds: i32,
}

impl Default for SleepSpec {
    fn default() -> Self {
        Self {
            port: 8000,
            sleep_path: String::from("/sleep?level=1"),
            wake_path: String::from("/wake_up"),
            state_path: String::from("/is_sleeping"),
            timeout_seconds: 30,
        }
    }
}

impl SleepSpec {
    /// What is wrong with it, where it stands at `field`; empty if nothing is.
    pub fn check(&self, field: &str) -> Vec<FieldError> {
        let Self { port, sleep_path, wake_path, state_path, timeout_seconds } = self;
        let mut errors = Vec::new();
        if !(1..=65_535).contains(port) {
            let detail = format!("is {port}: a port is 1 to 65535, such as 8000");
            errors.push(invalid(format!("{field}.port"), detail));
        }
        let paths = [
            ("sleepPath", sleep_path, false),
            ("wakePath", wake_path, false),
            ("statePath", state_path, true),
        ];
        for (name, path, may_be_empty) in paths {
            if !(is_path(path) || may_be_empty && path.is_empty()) {
                let detail = format!("is `{path}`: a path begins with `/` and has no spaces");
                errors.push(invalid(format!("{field}.{name}"), detail));
            }
        }
        if sleep_path == wake_path {
            let detail = "is the `sleepPath`, too: what wakes a pod is another path";
            errors.push(invalid(format!("{field}.wakePath"), detail));
        }
        if !(1..=300).contains(timeout_seconds) {
            let detail = format!("is {timeout_seconds}: it has to be 1 to 300, such as 30");
            errors.push(invalid(format!("{field}.timeoutSeconds"), detail));
        }
        errors
    }
}

/// A path of this very server, with a query if it has one.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= 1024
        && text.chars().all(|char| char.is_ascii_graphic() && char != '#')
}
