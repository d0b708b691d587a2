#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod args;
mod backtest;
pub mod conform;
mod controller;
mod crd;
mod decide;
mod error;
mod evaluate;
mod explain;
mod github;
mod import;
mod input;
mod lint;
mod live;
mod policy_file;
mod process;
mod quality;
mod record;
mod replace_file;
mod replay;
mod run;
mod sweep;
mod test;

pub use evaluate::{EvaluateError, Evaluated, Load, Server, Trial};
pub use lint::rule_page;
pub use sweep::policy_yaml;
pub use test::backtest_case;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anstream::AutoStream;
use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use error::CommandError;
use process::Process;
use replace_file::FileToBe;

/// What the command's exit code says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did what was asked.
    Done,
    /// 1: the answer is no.
    No,
    /// 2: the arguments or the input can't be used.
    Refused,
    /// 3: there are warnings, and there must be none.
    Warned,
    /// 3: what was linted is faulty.
    Found,
    /// 130: it was interrupted, and has written nothing.
    Interrupted,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Refused => 2,
            Self::Warned => 3,
            Self::Found => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Runs the command as its own process: arguments, standard streams, colour where a terminal
/// shows it.
pub fn main() -> ExitCode {
    main_with(std::env::args_os().collect()).into()
}

/// As [`main`], with other arguments than the process got: where the process is an interpreter that
/// was asked for the command. The first is the command's own name.
pub fn main_with(arguments: Vec<OsString>) -> Exit {
    let choice = args::colour_of(&arguments);
    let mut out = io::BufWriter::new(AutoStream::new(io::stdout(), choice));
    let mut err = AutoStream::new(io::stderr(), choice);
    run_in(Process::Own, &arguments, &mut out, &mut err)
}

/// Runs the command with `arguments`, the first of which is its own name.
///
/// What it has to say goes to `out` and `err`, with colours; a writer that wants none strips them.
/// A reader of `out` that went away is no error.
///
/// ```
/// use trimtab_cli::{Exit, run};
///
/// let (mut out, mut err) = (Vec::new(), Vec::new());
/// let exit = run(["trimtab", "replay", "/no/such/log"], &mut out, &mut err);
/// assert_eq!(exit, Exit::Refused);
/// assert!(out.is_empty());
/// ```
pub fn run<I>(arguments: I, out: &mut dyn Write, err: &mut dyn Write) -> Exit
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    run_in(Process::Shared, arguments, out, err)
}

fn run_in<I>(process: Process, arguments: I, out: &mut dyn Write, err: &mut dyn Write) -> Exit
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => return show_usage(&usage, out, err),
    };
    let done = dispatch(&cli, process, out, err).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    match done {
        Ok(exit) => exit,
        Err(CommandError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            // What was said before stands before. Nobody is left to hear of a failure to say it.
            let _unheard = out.flush();
            let _unheard = error.show(err).and_then(|()| err.flush());
            match error {
                CommandError::Interrupted => Exit::Interrupted,
                _ => Exit::Refused,
            }
        }
    }
}

fn dispatch(
    cli: &Cli,
    process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    match &cli.command {
        Command::Decide(args) => decide::run(args, out),
        Command::Evaluate(args) => evaluate::run(args, out),
        Command::Backtest(args) if args.suite.suite.is_some() => {
            quality::run(args, process, out, err)
        }
        Command::Backtest(args) => backtest::run(args, process, out, err),
        Command::Sweep(args) => sweep::run(args, process, out, err),
        Command::Import(args) => import::run(args, out, err),
        Command::Record(args) => record::run(args, process, out, err),
        Command::Test(args) => test::run(args, process, out, err),
        Command::Explain(args) => explain::run(args, out),
        Command::Lint(args) => lint::run(args, out, err),
        Command::Replay(args) => replay::run(args, out),
        Command::Run(args) => run::run(args, out, err),
        Command::KedaScaler(args) => run::keda_scaler(args, out, err),
        Command::Status(args) => live::status(args, out),
        Command::Top(args) => live::top(args, out),
        Command::Controller(args) => controller::run(args, out),
        Command::Crd => crd::run(out),
        Command::Conform(args) => {
            let mut file = args.log.as_deref().map(FileToBe::create).transpose()?;
            let mut write = |entry| match &mut file {
                Some(file) => file.write_json_line(&entry).map_err(io::Error::other),
                None => Ok(()),
            };
            let log = args.log.is_some().then_some(&mut write as conform::Log<'_>);
            let counts = conform::run(&args.files, args.show, log, out)?;
            if let Some(file) = file {
                file.commit()?;
            }
            Ok(if counts.failed == 0 { Exit::Done } else { Exit::No })
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "trimtab", &mut script);
            out.write_all(&script)?;
            Ok(Exit::Done)
        }
    }
}

/// Help and version are answers; everything else clap has to say is an error.
fn show_usage(usage: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let text = usage.render();
    let say =
        |stream: &mut dyn Write| write!(stream, "{}", text.ansi()).and_then(|()| stream.flush());
    if usage.use_stderr() {
        let _unheard = say(err);
        Exit::Refused
    } else {
        let _unheard = say(out);
        Exit::Done
    }
}
