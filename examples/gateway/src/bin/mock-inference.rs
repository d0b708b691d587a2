//! `mock-inference --port PORT`: an inference server that serves nobody, for trials of the gateway.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use trimtab_gateway::mock::{Mock, MockSettings};

/// An inference server that serves nobody: its times, its streams, its health.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where it listens.
    #[arg(long)]
    port: u16,
    /// Until it is ready.
    #[arg(long, default_value_t = 3.0)]
    warm_up_seconds: f64,
    /// Until the first token.
    #[arg(long, default_value_t = 0.05)]
    prefill_seconds: f64,
    /// From one token to the next, while it serves nobody else.
    #[arg(long, default_value_t = 0.02)]
    step_seconds: f64,
    /// What each other request adds to that.
    #[arg(long, default_value_t = 0.002)]
    step_seconds_per_request: f64,
    /// How many requests it serves at once.
    #[arg(long, default_value_t = 8)]
    slots: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let seconds = |value: f64| Duration::try_from_secs_f64(value);
    let mock = Mock::new(MockSettings {
        warm_up: seconds(arguments.warm_up_seconds)?,
        prefill: seconds(arguments.prefill_seconds)?,
        step: seconds(arguments.step_seconds)?,
        step_per_request: seconds(arguments.step_seconds_per_request)?,
        slots: arguments.slots,
        ..MockSettings::default()
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, mock.router()).into_future() => served?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
