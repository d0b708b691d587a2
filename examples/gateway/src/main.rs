//! `trimtab-gateway CONFIG`: serves until it is told to end.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;
use trimtab_gateway::config::{Loaded, seconds};
use trimtab_gateway::gateway::Running;
use trimtab_gateway::launcher::LocalProcesses;
use trimtab_gateway::serve::serve;

/// A gateway in front of inference servers, which it scales by a trimtab policy.
#[derive(Debug, Parser)]
#[command(name = "trimtab-gateway", version)]
struct Arguments {
    /// What it is told: where it listens, its policy, how a replica is started.
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where this can't be told, nothing can.
            let _told = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let loaded = Loaded::read(&arguments.config)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(drive(&loaded));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn drive(loaded: &Loaded) -> Result<(), Box<dyn Error>> {
    let config = &loaded.config;
    let listener = TcpListener::bind(config.listen).await?;
    let launcher = Arc::new(LocalProcesses::new(&config.replicas));
    let running = Running::start(loaded, launcher)?;
    info!(address = %listener.local_addr()?, workload = loaded.workload.as_str(), "listening");
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let fleet = Arc::clone(&running.gateway.fleet);
    let (begin_to_end, told) = tokio::sync::oneshot::channel();
    let end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("ending: what has begun is finished");
        fleet.close();
        let _heard = begin_to_end.send(());
    };
    let gateway = Arc::clone(&running.gateway);
    let drain = seconds(config.replicas.drain_seconds);
    tokio::select! {
        () = serve(listener, &gateway, end) => {}
        // Streams that take longer are cut.
        () = async { let _ended = told.await; tokio::time::sleep(drain).await } => {}
    }
    running.shutdown().await;
    Ok(())
}
