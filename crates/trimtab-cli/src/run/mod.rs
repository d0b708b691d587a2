//! `trimtab run`: the autoscaler as one process, for any source and any target. `trimtab keda-scaler` is the same where KEDA is
//! the target.

pub(crate) mod args;
mod clusters;
mod config;
mod count;
mod fleet;
mod host;
mod load;
mod notes;
mod scaler;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;
use trimtab_runtime::{
    Clock, Controller, ControllerBuilder, FileStore, JsonlSink, MemoryStore, Rotation, Settings,
    StateStore, SystemClock, TracingSink, health,
};

use crate::Exit;
use crate::error::CommandError;
use args::RunArgs;
pub(crate) use config::LogConfig;
use config::RunConfig;
use fleet::Fleet;
pub(crate) use load::directory;
use load::{Loaded, Looks, is_keda, load};
use scaler::Scaler;

/// Drives workloads that KEDA scales, and nothing else.
pub(crate) fn keda_scaler(
    args: &RunArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let config = load(&args.config)?.config;
    if let Some(other) = config.workloads.iter().find(|workload| !is_keda(workload)) {
        let message = format!("workload `{}` is not scaled by KEDA", other.name);
        return Err(CommandError::in_file(&args.config.display().to_string(), message)
            .with_help("write `target: {keda: {}}`, or start it by `trimtab run`"));
    }
    run(args, out, err)
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

pub(crate) fn run(
    args: &RunArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let loaded = load(&args.config)?;
    if args.check {
        let count = loaded.policies.len();
        for note in Fleet::check(&loaded)? {
            writeln!(err, "note: {note}")?;
        }
        writeln!(out, "{}: {count} workloads, all of it can be used", args.config.display())?;
        return Ok(Exit::Done);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::argument(format!("no threads can be had: {error}")))?;
    runtime.block_on(drive(args, loaded))
}

async fn drive(args: &RunArgs, loaded: Loaded) -> Result<Exit, CommandError> {
    log_to_stderr();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = store(&loaded.config)?;
    let scaler = Scaler::new(Arc::clone(&clock), Arc::clone(&store));
    let answers = scaler.answers();
    let builder = Controller::builder(store).with_sink(Arc::clone(&answers) as _);
    let controller = Arc::new(controller(&loaded.config, &clock, builder)?);
    let mut fleet = Fleet::new(clock, scaler);
    let listen = &loaded.config.listen;
    let listener = listener("listen", listen).await?;
    let end = CancellationToken::new();
    let pages = health::serve(listener, Arc::clone(&controller), end.clone().cancelled_owned());
    let pages = tokio::spawn(pages);
    fleet.follow(&loaded, &controller).await?;
    let deaf = CancellationToken::new();
    let answering = match &loaded.config.grpc {
        Some(grpc) => Some(scaler::serve(grpc, answers, deaf.clone()).await?),
        None => None,
    };
    info!(target: "trimtab", listen, workloads = loaded.policies.len(), "running");
    until_told(&args.config, loaded, &mut fleet, &controller).await?;
    info!(target: "trimtab", "ending: ticks are finished, states saved, processes ended");
    // KEDA asks whoever comes next.
    deaf.cancel();
    if let Some(answering) = answering {
        let _ended = answering.await;
    }
    controller.shutdown().await;
    fleet.end().await;
    end.cancel();
    if let Ok(Err(error)) = pages.await {
        warn!(target: "trimtab", %error, "the pages ended early");
    }
    Ok(Exit::Done)
}

/// The socket that a field names.
pub(crate) async fn listener(field: &str, address: &str) -> Result<TcpListener, CommandError> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("`{field}`, {address}, can't be had: {error}");
        let help = match error.kind() {
            ErrorKind::AddrInUse => "something else listens there; choose another port",
            ErrorKind::PermissionDenied => {
                "ports below 1024 are for the privileged; choose another port"
            }
            _ => "write an address of this machine and a port, such as `127.0.0.1:9464`",
        };
        CommandError::argument(message).with_help(help)
    })
}

/// Takes up changes of the files until SIGTERM or SIGINT; SIGHUP looks at once.
async fn until_told(
    path: &Path,
    loaded: Loaded,
    fleet: &mut Fleet,
    controller: &Controller,
) -> Result<(), CommandError> {
    let no_signals = |error| CommandError::argument(format!("signals can't be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(no_signals)?;
    let mut looks = Looks::now(path, &loaded);
    let mut running = loaded.config;
    let mut rounds = interval(LOOK);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => {}
            _ = rounds.tick() => {
                if looks.again() == looks {
                    continue;
                }
            }
        }
        looks = looks.again();
        match reload(path, &running, fleet, controller).await {
            Ok(loaded) => {
                info!(target: "trimtab", workloads = loaded.policies.len(), "read anew");
                looks = Looks::now(path, &loaded).since(&looks);
                running = loaded.config;
            }
            Err(error) => {
                let mut text = Vec::new();
                // Memory takes whatever is written.
                let _always_ok = error.show(&mut anstream::StripStream::new(&mut text));
                let error = String::from_utf8_lossy(&text).into_owned();
                error!(target: "trimtab", "refused; what ran before runs on\n{error}");
            }
        }
    }
}

async fn reload(
    path: &Path,
    running: &RunConfig,
    fleet: &mut Fleet,
    controller: &Controller,
) -> Result<Loaded, CommandError> {
    let loaded = load(path)?;
    let new = &loaded.config;
    let rest = |config: &RunConfig| {
        let RunConfig { listen, grpc, state, log, deadline_seconds, .. } = config.clone();
        (listen, grpc, state, log, deadline_seconds)
    };
    if rest(new) != rest(running) {
        warn!(
            target: "trimtab",
            "`listen`, `grpc`, `state`, `log` and `deadlineSeconds` are those of the start: restart to change them"
        );
    }
    fleet.follow(&loaded, controller).await?;
    Ok(loaded)
}

fn store(config: &RunConfig) -> Result<Arc<dyn StateStore>, CommandError> {
    Ok(match &config.state {
        Some(state) => Arc::new(
            FileStore::open(&state.directory)
                .map_err(|error| CommandError::argument(error.to_string()))?,
        ),
        None => {
            warn!(target: "trimtab", "no `state`: a restart starts all windows anew");
            Arc::new(MemoryStore::new())
        }
    })
}

fn controller(
    config: &RunConfig,
    clock: &Arc<dyn Clock>,
    builder: ControllerBuilder,
) -> Result<Controller, CommandError> {
    let mut settings = Settings::default();
    if let Some(seconds) = config.deadline_seconds {
        settings.deadline = Duration::from_secs(seconds.max(1).into());
    }
    if let Some(state) = &config.state {
        settings.save_interval = Duration::from_secs(state.save_interval_seconds.into());
    }
    let mut builder = builder
        .with_clock(Arc::clone(clock))
        .with_settings(settings)
        .with_sink(Arc::new(TracingSink::default()));
    if let Some(log) = &config.log {
        builder = builder.with_sink(Arc::new(logged(log)?));
    }
    Ok(builder.build())
}

/// The log of decisions.
pub(crate) fn logged(log: &LogConfig) -> Result<JsonlSink, CommandError> {
    let default = Rotation::default();
    let rotation = Rotation {
        bytes: log.max_bytes.unwrap_or(default.bytes),
        keep: log.keep.unwrap_or(default.keep),
    };
    JsonlSink::open(&log.file, rotation).map_err(|error| CommandError::argument(error.to_string()))
}

/// What is told by default. Each request that fails is told with what it was for, so the client need not tell it too.
const TOLD: &str = "info,kube_client::client::builder=off";

/// What happens, on standard error; `TRIMTAB_LOG` says how much of it.
pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("TRIMTAB_LOG").unwrap_or_else(|_| EnvFilter::new(TOLD));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A host that has one of its own keeps it.
    let _set = subscriber.try_init();
}
