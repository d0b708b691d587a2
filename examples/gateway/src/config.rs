//! What the gateway is told: where it listens, by which policy it scales, how a replica is started, what may wait.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use trimtab::admission::Limits;
use trimtab::manifest::{self, ManifestError, Source, read_policies};
use trimtab::{Policy, Strategy};
use trimtab_runtime::WorkloadId;

/// The file as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// The policy's file, from this file's directory.
    pub policy: PathBuf,
    /// The models that `/v1/models` names while no replica can be asked.
    #[serde(default)]
    pub models: Vec<String>,
    /// How replicas are started, asked and stopped.
    pub replicas: ReplicaConfig,
    /// What may wait.
    #[serde(default)]
    pub queue: QueueConfig,
    /// What a request may take.
    #[serde(default)]
    pub requests: RequestConfig,
    /// Over which time rates and quantiles are told, in seconds.
    #[serde(default = "a_minute")]
    pub window_seconds: f64,
    /// Where each decision is written as a line of JSON, for `trimtab replay`; from this file's directory.
    #[serde(default)]
    pub decisions: Option<PathBuf>,
}

/// How replicas are started, asked and stopped.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplicaConfig {
    /// The program and its arguments; `{port}` and `{name}` are filled in.
    pub command: Vec<String>,
    /// Variables besides those of the gateway.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The first and the last port for them. Absent: any that is free.
    #[serde(default)]
    pub ports: Option<(u16, u16)>,
    /// How many requests one serves at once.
    pub slots: u32,
    /// What a replica is asked for to see whether it is ready.
    #[serde(default = "health_path")]
    pub health_path: String,
    /// How often it is asked, in seconds.
    #[serde(default = "a_second")]
    pub health_period_seconds: f64,
    /// So many times without an answer, and one that was ready is not.
    #[serde(default = "three")]
    pub health_failures: u32,
    /// From starting one until it serves, in seconds. Default: the policy's lead time. What starts really took
    /// counts once there was one.
    #[serde(default)]
    pub lead_time_seconds: Option<f64>,
    /// How long one that goes without having drained, since the policy has no `retire`, may keep its requests.
    #[serde(default = "five_minutes")]
    pub drain_seconds: f64,
    /// How long one that was told to end may take, in seconds.
    #[serde(default = "ten_seconds")]
    pub stop_grace_seconds: f64,
}

/// What may wait: [`Limits`] of [`trimtab::admission`], and over which time the pace of replicas is looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct QueueConfig {
    /// The longest that a request is to wait while a replica is ready, in seconds.
    pub wait_seconds: f64,
    /// The longest that one is held at all, in seconds.
    pub hold_seconds: f64,
    /// How many may wait before anything was served.
    pub unknown: u32,
    /// How many may wait at most.
    pub most: u32,
    /// The longest `Retry-After`, in seconds.
    pub most_retry_seconds: u32,
    /// What happened so long ago counts about a third of what happens now, in seconds.
    pub pace_seconds: f64,
}

/// What a request may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RequestConfig {
    /// The longest body, in bytes. It is kept until a replica has it.
    pub body_bytes: usize,
    /// How long a client may take for the head of a request, for its body, and for what waits to be sent to it, each in
    /// seconds.
    pub client_seconds: f64,
    /// How long a replica may take to accept a connection, in seconds.
    pub connect_seconds: f64,
    /// How many replicas are tried before a request is given up.
    pub attempts: u32,
}

fn a_second() -> f64 {
    1.0
}

fn ten_seconds() -> f64 {
    10.0
}

fn a_minute() -> f64 {
    60.0
}

fn five_minutes() -> f64 {
    300.0
}

fn three() -> u32 {
    3
}

fn health_path() -> String {
    String::from("/health")
}

impl Default for QueueConfig {
    fn default() -> Self {
        let Limits { wait_seconds, hold_seconds, unknown, most, most_retry_seconds } =
            Limits::default();
        let pace_seconds = a_minute();
        Self { wait_seconds, hold_seconds, unknown, most, most_retry_seconds, pace_seconds }
    }
}

impl QueueConfig {
    /// As admission takes it.
    pub fn limits(&self) -> Limits {
        Limits {
            wait_seconds: self.wait_seconds,
            hold_seconds: self.hold_seconds,
            unknown: self.unknown,
            most: self.most,
            most_retry_seconds: self.most_retry_seconds,
        }
    }

    /// The longest that anybody waits, whatever was foreseen.
    pub fn longest(&self) -> Duration {
        seconds(self.hold_seconds).max(seconds(self.wait_seconds))
    }
}

impl Default for RequestConfig {
    fn default() -> Self {
        Self { body_bytes: 16 << 20, client_seconds: 30.0, connect_seconds: 2.0, attempts: 3 }
    }
}

/// Seconds as a time; what can't be one is none. A config that was read has only such that can.
pub fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

/// The gateway can't be run as it is told to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file can't be read.
    #[error("`{path}` can't be read: {error}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What stands in a file can't be used; the message has the place.
    #[error("{0}")]
    Document(#[from] ManifestError),
    /// A value can't be used.
    #[error("`{field}` can't be {value}: {instead}")]
    Value {
        /// The field, from the document's root.
        field: &'static str,
        /// What it is.
        value: String,
        /// What would be right.
        instead: &'static str,
    },
}

/// A config with its policy.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The policy that decides.
    pub policy: Policy,
    /// What the workload is called: the policy's namespace and name.
    pub workload: WorkloadId,
}

impl Loaded {
    /// Reads a config and its policy.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with the place where there is one.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let config: Config = manifest::from_str(&source(path)?, &manifest::Limits::default())?;
        config.check()?;
        let beside = path.parent().unwrap_or(Path::new(""));
        let decisions = config.decisions.as_ref().map(|decisions| beside.join(decisions));
        let source = source(&beside.join(&config.policy))?;
        let mut policies = read_policies(&source)?.policies;
        let document = if policies.len() == 1 { policies.pop() } else { None };
        let Some(document) = document else {
            return Err(ConfigError::Value {
                field: "policy",
                value: format!("a file with {} policies", policies.len()),
                instead: "a gateway scales one workload, by one policy",
            });
        };
        let metadata = &document.metadata;
        let name = match &metadata.namespace {
            Some(namespace) => format!("{namespace}/{}", metadata.name),
            None => metadata.name.clone(),
        };
        let workload = name.parse().map_err(|_| ConfigError::Value {
            field: "metadata.name",
            value: name,
            instead: "a name of letters, digits and `-`",
        })?;
        Ok(Self { config: Config { decisions, ..config }, policy: document.policy, workload })
    }

    /// How long a start is expected to take while none was seen.
    pub fn lead_time(&self) -> Duration {
        let of_policy = match self.policy.strategy() {
            Strategy::Slo(slo) => slo.lead_time.as_secs_f64(),
            _ => 180.0,
        };
        seconds(self.config.replicas.lead_time_seconds.unwrap_or(of_policy))
    }
}

fn source(path: &Path) -> Result<Source, ConfigError> {
    let bytes = std::fs::read(path)
        .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    Ok(Source::from_bytes(path.display().to_string(), &bytes)?)
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let (replicas, queue, requests) = (&self.replicas, &self.queue, &self.requests);
        let times = [
            ("replicas.healthPeriodSeconds", replicas.health_period_seconds, true),
            ("replicas.leadTimeSeconds", replicas.lead_time_seconds.unwrap_or(0.0), false),
            ("replicas.drainSeconds", replicas.drain_seconds, false),
            ("replicas.stopGraceSeconds", replicas.stop_grace_seconds, false),
            ("queue.waitSeconds", queue.wait_seconds, false),
            ("queue.holdSeconds", queue.hold_seconds, false),
            ("queue.paceSeconds", queue.pace_seconds, true),
            ("requests.clientSeconds", requests.client_seconds, true),
            ("requests.connectSeconds", requests.connect_seconds, true),
            ("windowSeconds", self.window_seconds, true),
        ];
        for (field, value, positive) in times {
            if !(0.0..=604_800.0).contains(&value) || (positive && value == 0.0) {
                let instead = if positive {
                    "use seconds, above 0 to 604800"
                } else {
                    "use seconds, 0 to 604800"
                };
                return Err(ConfigError::Value { field, value: value.to_string(), instead });
            }
        }
        let ports = replicas.ports.unwrap_or((1, 1));
        let wrong = if replicas.command.first().is_none_or(String::is_empty) {
            (
                "replicas.command",
                String::from("empty"),
                "give the program and its arguments as a list",
            )
        } else if replicas.slots == 0 {
            ("replicas.slots", String::from("0"), "one replica serves at least 1 request at once")
        } else if ports.0 == 0 || ports.0 > ports.1 {
            let value = format!("[{}, {}]", ports.0, ports.1);
            ("replicas.ports", value, "give the first and the last port, such as [9000, 9099]")
        } else if requests.attempts == 0 {
            ("requests.attempts", String::from("0"), "at least 1 replica has to be tried")
        } else if !replicas.health_path.starts_with('/') {
            ("replicas.healthPath", format!("`{}`", replicas.health_path), "it begins with `/`")
        } else {
            return Ok(());
        };
        let (field, value, instead) = wrong;
        Err(ConfigError::Value { field, value, instead })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(more: &str) -> Result<(), ConfigError> {
        let text = format!("listen: 127.0.0.1:80\npolicy: policy.yaml\n{more}");
        let source = Source::new("gateway.yaml", text);
        manifest::from_str::<Config>(&source, &manifest::Limits::default())?.check()
    }

    #[test]
    fn the_example_can_be_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.yaml");
        let loaded = Loaded::read(&path).unwrap();
        assert_eq!(loaded.workload.as_str(), "inference/mock");
        assert_eq!(loaded.lead_time(), Duration::from_secs(5));
        assert_eq!(loaded.config.queue.unknown, Limits::default().unknown);
    }

    #[test]
    fn what_cannot_be_is_refused_and_what_would_be_right_is_said() {
        let refused = [
            ("replicas: {command: [], slots: 1}", "`replicas.command` can't be empty"),
            ("replicas: {command: [a], slots: 0}", "`replicas.slots` can't be 0"),
            (
                "replicas: {command: [a], slots: 1, ports: [9, 2]}",
                "`replicas.ports` can't be [9, 2]: give the first and the last port, such as [9000, 9099]",
            ),
            (
                "replicas: {command: [a], slots: 1, healthPeriodSeconds: 0}",
                "`replicas.healthPeriodSeconds` can't be 0: use seconds, above 0 to 604800",
            ),
            (
                "replicas: {command: [a], slots: 1}\nqueue: {waitSeconds: -1}",
                "`queue.waitSeconds` can't be -1: use seconds, 0 to 604800",
            ),
            ("replicas: {command: [a], slots: 1, slot: 2}", "did you mean `slots`?"),
        ];
        for (text, said) in refused {
            let error = checked(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(checked("replicas: {command: [a], slots: 1}").is_ok());
    }
}
