//! The questions that a running process answers.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use trimtab_runtime::{WorkloadStatus, use_ring};

use super::args::ServerArgs;
use crate::error::CommandError;

/// No answer is longer.
const LONGEST: usize = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `trimtab run`, or another host that serves the same pages.
pub(super) struct Client {
    server: String,
    http: reqwest::Client,
    runtime: Runtime,
}

impl Client {
    pub(super) fn new(args: &ServerArgs) -> Result<Self, CommandError> {
        let server = args.server.trim_end_matches('/').to_owned();
        use_ring();
        let wrong = |error: &dyn std::fmt::Display| {
            CommandError::argument(format!("HTTP can't be spoken: {error}"))
        };
        let http =
            reqwest::Client::builder().timeout(PATIENCE).build().map_err(|error| wrong(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Self { server, http, runtime })
    }

    /// What each workload is doing.
    pub(super) fn workloads(&self) -> Result<Vec<WorkloadStatus>, CommandError> {
        self.get("/api/v1/workloads")
    }

    /// What one is doing.
    pub(super) fn workload(&self, name: &str) -> Result<WorkloadStatus, CommandError> {
        self.get(&format!("/api/v1/workloads/{name}"))
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        let url = format!("{}{path}", self.server);
        let failed = |reason: String| {
            CommandError::argument(format!("`{}` can't be asked: {reason}", self.server))
                .with_help("`--server` has to be the `listen` address of a running `trimtab run`")
        };
        let answer = self.runtime.block_on(async {
            let mut response = self.http.get(&url).send().await.map_err(|error| cause(&error))?;
            let status = response.status();
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
                body.extend_from_slice(&chunk);
                if body.len() > LONGEST {
                    return Err(format!("its answer has more than {LONGEST} bytes"));
                }
            }
            if status.is_success() {
                return Ok(body);
            }
            let said = String::from_utf8_lossy(&body);
            Err(said.lines().next().map_or_else(|| status.to_string(), str::to_owned))
        });
        let body = answer.map_err(failed)?;
        serde_json::from_slice(&body)
            .map_err(|error| failed(format!("it does not answer as trimtab does: {error}")))
    }
}

/// The innermost reason, which is the one to act on.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
