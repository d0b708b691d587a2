//! The programs: servers in a Python environment, Prometheus, and `trimtab run`.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Something that has to be on the machine is not.
#[derive(Debug)]
pub(crate) struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Missing {}

/// Everything that runs.
pub(crate) struct Stack {
    directory: PathBuf,
    prometheus: Child,
    trimtab: Child,
}

/// Where Prometheus listens, as `trimtab.yaml` has it.
const PROMETHEUS: &str = "127.0.0.1:18490";
/// Where `trimtab run` does.
const TRIMTAB: &str = "127.0.0.1:18464";

const FILES: [(&str, &str); 3] = [
    ("trimtab.yaml", include_str!("../trimtab.yaml")),
    ("policy.yaml", include_str!("../policy.yaml")),
    ("prometheus.yml", include_str!("../prometheus.yml")),
];

impl Stack {
    /// Starts it in a directory that is emptied first, and waits until the first replica serves.
    pub(crate) async fn start(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let directory = std::path::absolute(directory)?;
        fs::create_dir_all(&directory)?;
        let programs = install_server(&directory).await?;
        let work = directory.join("run");
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        fs::create_dir_all(&work)?;
        for (name, text) in FILES {
            fs::write(work.join(name), text)?;
        }
        fs::write(work.join("targets.json"), "[]")?;
        let prometheus = Command::new("prometheus")
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=prometheus")
            .arg(format!("--web.listen-address={PROMETHEUS}"))
            .current_dir(&work)
            .stdout(Stdio::null())
            .stderr(File::create(work.join("prometheus.log"))?)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let message = format!(
                    "`prometheus` can't be run ({error}); on Debian: apt-get install prometheus"
                );
                Missing(message)
            })?;
        let path = std::env::join_paths(
            std::iter::once(programs)
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        )?;
        let trimtab = Command::new(std::env::current_exe()?)
            .args(["trimtab", "run", "--config", "trimtab.yaml"])
            .env("PATH", path)
            .current_dir(&work)
            .stdout(Stdio::null())
            .stderr(File::create(work.join("trimtab.log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let mut stack = Self { directory: work, prometheus, trimtab };
        stack.until_it_serves().await?;
        Ok(stack)
    }

    async fn until_it_serves(&mut self) -> Result<(), Box<dyn Error>> {
        let http = reqwest::Client::new();
        for url in [format!("http://{PROMETHEUS}/-/ready"), format!("http://{TRIMTAB}/readyz")] {
            let start = Instant::now();
            loop {
                let answer = http.get(&url).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                if let Some(ended) = self.ended()? {
                    return Err(ended.into());
                }
                if start.elapsed() > Duration::from_secs(60) {
                    return Err(
                        format!("{url} does not answer; see {}", self.directory.display()).into()
                    );
                }
                sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }

    /// Waits for a program to end that should not.
    pub(crate) async fn watch(&mut self) -> String {
        loop {
            match self.ended() {
                Ok(Some(ended)) => return ended,
                Ok(None) => sleep(Duration::from_millis(500)).await,
                Err(error) => return error.to_string(),
            }
        }
    }

    fn ended(&mut self) -> std::io::Result<Option<String>> {
        for (name, child) in [("prometheus", &mut self.prometheus), ("trimtab", &mut self.trimtab)]
        {
            if let Some(status) = child.try_wait()? {
                let log = self.directory.join(format!("{name}.log"));
                return Ok(Some(format!("{name} ended with {status}; see {}", log.display())));
            }
        }
        Ok(None)
    }

    /// The file that lists the replicas.
    pub(crate) fn targets(&self) -> PathBuf {
        self.directory.join("targets.json")
    }

    /// The log of decisions.
    pub(crate) fn decisions(&self) -> PathBuf {
        self.directory.join("decisions.jsonl")
    }

    /// Ends it in peace: `trimtab run` ends its servers.
    pub(crate) async fn end(&mut self) -> Result<(), Box<dyn Error>> {
        let id = self.trimtab.id().ok_or("trimtab has ended before")?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        let ended = timeout(Duration::from_secs(70), self.trimtab.wait()).await;
        let is_good = told.success() && matches!(ended, Ok(Ok(status)) if status.success());
        self.prometheus.kill().await?;
        if is_good { Ok(()) } else { Err("trimtab did not end in peace".into()) }
    }
}

/// Installs the server into an environment of its own, and returns where its programs are.
async fn install_server(directory: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../llm-inference/server");
    let environment = directory.join("python");
    let programs = environment.join("bin");
    if programs.join("inference-server").exists() {
        return Ok(programs);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&environment).output().await;
    if !made.is_ok_and(|output| output.status.success()) {
        return Err(Missing(String::from("`python3 -m venv` can't be run")).into());
    }
    let pip = Command::new(programs.join("pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "--constraint"])
        .arg(server.join("constraints.txt"))
        .arg(&server)
        .output()
        .await?;
    if !pip.status.success() {
        let said = String::from_utf8_lossy(&pip.stderr).into_owned();
        return Err(Missing(format!("the server can't be installed: {said}")).into());
    }
    Ok(programs)
}
