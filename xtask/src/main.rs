//! The project's own chores, run as `cargo xtask COMMAND`: test it, check it as CI does, write what is generated.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on stdout")]

mod chromium;
mod ci;
mod debian;
mod fuzz;
mod generate;
mod package;
mod programs;
mod project;
mod prometheus;
mod python;
mod report;
mod server;
mod test;
mod tool;
mod wheel;
mod zones;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::project::Project;
use crate::report::{Report, Strictness};

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test there is, installing what it needs and saying what it could not run
    Test(test::Options),
    /// Run every check that a change must pass, and report all that fail
    Ci(test::Options),
    /// Build the Python wheel and its source as they are published, into `target/dist`
    Wheels,
    /// Write the files that are generated from the code
    Generate {
        /// Change nothing; fail with a diff when a file is stale
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let project = Project::locate();
    let command = Cli::parse().command;
    let mut report = Report::new(match command {
        Command::Ci(_) => Strictness::SkippedFails,
        Command::Test(_) | Command::Wheels | Command::Generate { .. } => Strictness::SkippedPasses,
    });
    match command {
        Command::Test(options) => test::run(&project, &mut report, &options),
        Command::Ci(options) => ci::run(&project, &mut report, &options),
        Command::Wheels => wheel::publish(&project, &mut report),
        Command::Generate { check } => generate::run(&project, &mut report, check),
    }
    report.finish()
}
