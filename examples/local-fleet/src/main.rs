//! A fleet on one machine: real servers, a real Prometheus, real load, scaled by `trimtab run`.
//!
//! `cargo run --release -p trimtab-local-fleet`

mod load;
mod report;
mod stack;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use load::{Load, Plan};
use report::Report;
use stack::{Missing, Stack};

/// Runs it, and prints what happened.
#[derive(Debug, Parser)]
struct Args {
    /// Less than a minute, for tests
    #[arg(long)]
    short: bool,
    /// A request trace as `trimtab backtest` reads it, instead of the load that is built in
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Of a trace, how many requests for each that it has
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    rate_scale: f64,
    /// Where everything is written
    #[arg(long, value_name = "DIRECTORY", default_value = "target/local-fleet")]
    directory: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // `trimtab run` is a process of its own, and this program is also that.
    if arguments.get(1).is_some_and(|first| first == "trimtab") {
        let words = arguments.into_iter().skip(1);
        return trimtab_cli::run(words, &mut io::stdout(), &mut io::stderr()).into();
    }
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let is_missing = error.downcast_ref::<Missing>().is_some();
            // Nobody is left to hear of a failure to say it.
            let _unheard = writeln!(
                io::stderr(),
                "{}{error}",
                if is_missing { "skipped: " } else { "error: " }
            );
            // Tests tell the two apart.
            ExitCode::from(if is_missing { 77 } else { 2 })
        }
    }
}

fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let plan = match &args.trace {
        Some(trace) => Plan::recorded(trace, args.rate_scale)?,
        None => Plan::built_in(args.short)?,
    };
    // HTTP clients want to know whose cryptography they would use.
    trimtab_runtime::use_ring();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut stack = Stack::start(&args.directory).await?;
        say(&format!("{} requests within {:?}", plan.requests(), plan.duration()))?;
        let load = Load::new(stack.targets());
        let answers = tokio::select! {
            answers = load.send(&plan) => answers,
            _ = tokio::signal::ctrl_c() => return Err("interrupted".into()),
            error = stack.watch() => return Err(error.into()),
        };
        // What was started for the peak goes again.
        load.until_alone(Duration::from_secs(60)).await;
        stack.end().await?;
        let report = Report::new(&answers, &stack.decisions())?;
        say(&report.to_string())?;
        Ok(report.is_good())
    })
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}
