//! `trimtab controller`: the autoscaler of a cluster, by its `ScalingPolicy` resources.

pub(crate) mod args;
mod config;
mod sources;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use trimtab_kube::connect;
use trimtab_kube::controller::run as drive;
use trimtab_manifest::{Limits, from_str};

use crate::Exit;
use crate::error::CommandError;
use crate::input::read_source;
use crate::run::{listener, log_to_stderr, logged};
use args::ControllerArgs;
use config::ControllerConfig;
use sources::Servers;

/// Where the pages are, unless the file says it.
const LISTEN: &str = "127.0.0.1:9464";

pub(crate) fn run(args: &ControllerArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let config = read(&args.config)?;
    let servers = Servers::new(&config.servers)?;
    config.settings("default", None).check().map_err(|error| refused(&error))?;
    if args.check {
        writeln!(out, "{}: it can be used", args.config.display())?;
        return Ok(Exit::Done);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::argument(format!("no threads can be had: {error}")))?;
    runtime.block_on(until_told(config, servers))
}

fn read(path: &Path) -> Result<ControllerConfig, CommandError> {
    let source = read_source(path, Limits::default().max_bytes)?;
    let mut config: ControllerConfig = from_str(&source, &Limits::default())?;
    let directory = crate::run::directory(path);
    config.kubeconfig.iter_mut().for_each(|file| *file = directory.join(&*file));
    config.log.iter_mut().for_each(|log| log.file = directory.join(&log.file));
    for server in config.servers.values_mut() {
        server.connect.make_relative_to(&directory);
    }
    Ok(config)
}

async fn until_told(config: ControllerConfig, servers: Servers) -> Result<Exit, CommandError> {
    log_to_stderr();
    let client = connect(&config.connection()).await.map_err(|error| refused(&error))?;
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let namespace =
        variable("POD_NAMESPACE").unwrap_or_else(|| client.default_namespace().to_owned());
    let mut settings = config.settings(&namespace, variable("POD_NAME").as_deref());
    let listen = config.listen.as_deref().unwrap_or(LISTEN);
    settings.listener = Some(listener("listen", listen).await?);
    // Another connection: renewals don't wait behind what policies ask.
    settings.lease_client = connect(&config.connection()).await.ok();
    if let Some(log) = &config.log {
        settings.sinks.push(Arc::new(logged(log)?));
    }
    let stop = CancellationToken::new();
    tokio::spawn(told(stop.clone())?);
    drive(client, settings, Arc::new(servers), stop).await.map_err(|error| refused(&error))?;
    Ok(Exit::Done)
}

/// Waits for SIGTERM or SIGINT.
fn told(stop: CancellationToken) -> Result<impl Future<Output = ()>, CommandError> {
    let no_signals = |error| CommandError::argument(format!("signals can't be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    })
}

fn refused(error: &dyn std::error::Error) -> CommandError {
    CommandError::argument(error.to_string())
}
