//! From files to what is to be driven: the config, and the policies that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use trimtab_engine::Policy;
use trimtab_manifest::{Limits, PolicyDocument, from_str};
use trimtab_runtime::WorkloadId;

use super::config::{CountConfig, RunConfig, SourceConfig, TargetConfig, WorkloadConfig};
use super::{host, scaler};
use crate::args::PolicyArgs;
use crate::error::CommandError;
use crate::input::read_source;
use crate::policy_file;

/// Room for ten thousand workloads in one file.
const MOST_BYTES: usize = 16 << 20;
const MOST_VALUES: usize = 1_000_000;

/// A config with its policies.
pub(super) struct Loaded {
    pub(super) config: RunConfig,
    pub(super) policies: BTreeMap<WorkloadId, Named>,
}

/// A policy, and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) policy: Policy,
}

/// Reads a config and all that it names. Nothing of it counts if anything of it is wrong.
pub(super) fn load(path: &Path) -> Result<Loaded, CommandError> {
    let limits = Limits::default().with_max_bytes(MOST_BYTES).with_max_nodes(MOST_VALUES);
    let source = read_source(path, limits.max_bytes)?;
    let mut config: RunConfig = from_str(&source, &limits)?;
    let directory = directory(path);
    make_absolute(&mut config, &directory);
    let mut names = BTreeSet::new();
    let mut policies = BTreeMap::new();
    let mut hosts = Vec::new();
    for workload in &config.workloads {
        if !names.insert(&workload.name) {
            let message = format!("workload `{}` is listed twice", workload.name);
            return Err(CommandError::in_file(source.name(), message)
                .with_help("give each a name of its own"));
        }
        let asked =
            PolicyArgs { policy: workload.policy.clone(), name: workload.policy_name.clone() };
        let PolicyDocument { metadata, policy, host, .. } = policy_file::load(&asked)?;
        scaler::check(workload, &policy)?;
        hosts.push(host);
        let named = Named { name: metadata.name, namespace: metadata.namespace, policy };
        policies.insert(workload.name.clone(), named);
    }
    for (workload, told) in config.workloads.iter_mut().zip(&hosts) {
        host::take_over(workload, told, path)?;
    }
    for workload in &config.workloads {
        for server in servers_of(workload) {
            known_server(&config, path, server)?;
        }
    }
    writable(&config, source.name())?;
    if let (None, Some(workload)) = (&config.grpc, config.workloads.iter().find(|it| is_keda(it))) {
        let message = format!("KEDA is to scale `{}`, and nothing answers it", workload.name);
        return Err(CommandError::in_file(source.name(), message)
            .with_help("say where: `grpc: {listen: 0.0.0.0:9465}`"));
    }
    Ok(Loaded { config, policies })
}

/// What is to be a directory may not be there yet, and is no file.
fn writable(config: &RunConfig, file: &str) -> Result<(), CommandError> {
    let state = config.state.iter().map(|state| ("state.directory", Some(&*state.directory)));
    let log = config.log.iter().map(|log| ("log.file", log.file.parent()));
    for (field, directory) in state.chain(log) {
        let wrong = |directory: &&Path| directory.exists() && !directory.is_dir();
        if let Some(directory) = directory.filter(wrong) {
            let message = format!("`{field}`: `{}` is no directory", directory.display());
            return Err(CommandError::in_file(file, message)
                .with_help("name one, or one that is not there yet and can be made"));
        }
    }
    Ok(())
}

/// Whether KEDA scales it.
pub(super) fn is_keda(workload: &WorkloadConfig) -> bool {
    matches!(workload.target, TargetConfig::Keda(_))
}

/// The servers that a workload names.
fn servers_of(workload: &WorkloadConfig) -> impl Iterator<Item = &str> {
    let sources = workload.sources.iter().filter_map(|source| match source {
        SourceConfig::Prometheus(prometheus) => Some(prometheus.server.as_str()),
        SourceConfig::Scrape(_) | SourceConfig::Kubernetes(_) => None,
    });
    let count = match &workload.target {
        TargetConfig::Keda(keda) => match &keda.count {
            CountConfig::Prometheus(prometheus) => Some(prometheus.server.as_str()),
            CountConfig::Kubernetes(_) | CountConfig::Assumed(_) => None,
        },
        _ => None,
    };
    sources.chain(count)
}

fn known_server(config: &RunConfig, path: &Path, server: &str) -> Result<(), CommandError> {
    if config.servers.contains_key(server) {
        return Ok(());
    }
    let known: Vec<String> = config.servers.keys().map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() { String::from("empty") } else { known.join(", ") };
    let message = format!("there is no server `{server}`");
    Err(CommandError::in_file(&path.display().to_string(), message)
        .with_help(format!("`servers` is {known}")))
}

pub(crate) fn directory(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned())
}

/// Paths are relative to the config's directory, wherever the command runs.
fn make_absolute(config: &mut RunConfig, directory: &Path) {
    let fix = |path: &mut PathBuf| *path = directory.join(&*path);
    config.state.iter_mut().for_each(|state| fix(&mut state.directory));
    config.log.iter_mut().for_each(|log| fix(&mut log.file));
    for tls in config.grpc.iter_mut().filter_map(|grpc| grpc.tls.as_mut()) {
        fix(&mut tls.certificate_file);
        fix(&mut tls.key_file);
        tls.client_ca_file.iter_mut().for_each(fix);
    }
    for server in config.servers.values_mut() {
        server.connect.make_relative_to(directory);
    }
    for workload in &mut config.workloads {
        fix(&mut workload.policy);
        for source in &mut workload.sources {
            if let SourceConfig::Scrape(scrape) = source {
                scrape.make_relative_to(directory);
            }
        }
        match &mut workload.target {
            TargetConfig::Exec(exec) => {
                let run_in = exec.directory.get_or_insert_default();
                fix(run_in);
            }
            TargetConfig::Local(local) => {
                let run_in = local.directory.get_or_insert_default();
                fix(run_in);
                local.log_directory.iter_mut().for_each(fix);
                local.targets_file.iter_mut().for_each(fix);
            }
            TargetConfig::Webhook(webhook) => webhook.secret_file.iter_mut().for_each(fix),
            TargetConfig::Kubernetes(_) => {}
            TargetConfig::Keda(_) => {}
        }
    }
}

/// What files looked like when they were read, to see when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Looks(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Looks {
    /// How the config and the policies of `loaded` look now.
    pub(super) fn now(path: &Path, loaded: &Loaded) -> Self {
        let files = loaded.config.workloads.iter().map(|workload| workload.policy.clone());
        Self(files.chain([path.to_owned()]).map(|file| (file.clone(), look(&file))).collect())
    }

    /// The same, but files that were looked at before they were read as they looked then: who writes one
    /// meanwhile is noticed.
    pub(super) fn since(mut self, before: &Self) -> Self {
        for (file, look) in &mut self.0 {
            if let Some(then) = before.0.get(file) {
                *look = *then;
            }
        }
        self
    }

    /// How the same files look now.
    pub(super) fn again(&self) -> Self {
        Self(self.0.keys().map(|file| (file.clone(), look(file))).collect())
    }
}

fn look(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
