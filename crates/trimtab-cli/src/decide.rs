//! `trimtab decide`: one decision, explained.

use std::io::Write;

use anstyle::Style;
use trimtab_engine::{Decision, ObservationRecord, ScaleUpdate, State, decide_traced, settle};
use trimtab_manifest::{HostMode, Limits, from_str};

use crate::Exit;
use crate::args::DecideArgs;
use crate::error::CommandError;
use crate::input::{is_stdin, read_source, stdin_once};
use crate::policy_file;
use crate::replace_file::FileToBe;

/// An observation of some thousand pods, or a state whose lists are full, in bytes and in values.
const LARGEST: usize = 16 << 20;
const MOST_VALUES: usize = 1_000_000;

pub(crate) fn run(args: &DecideArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    stdin_once(&[
        ("--policy", Some(&args.policy.policy)),
        ("--observation", Some(&args.observation)),
        ("--state", args.state.as_deref()),
    ])?;
    let document = policy_file::load(&args.policy)?;
    let is_shadow = args.shadow || document.host.mode == HostMode::Shadow;
    let policy = document.policy;
    let limits = Limits::default().with_max_bytes(LARGEST).with_max_nodes(MOST_VALUES);
    let seen = read_source(&args.observation, limits.max_bytes)?;
    let observation = from_str::<ObservationRecord>(&seen, &limits)?
        .resolve(&policy)
        .map_err(|error| CommandError::in_file(seen.name(), error.to_string()))?;
    let before = match &args.state {
        Some(path) => from_str::<State>(&read_source(path, limits.max_bytes)?, &limits)?,
        None => State::for_policy(&policy),
    };

    let (decision, after) = decide_traced(&policy, before, &observation);
    let after =
        if is_shadow { after } else { settle(&policy, after, &decision, ScaleUpdate::Applied) };

    let print_state = args.state_out.as_deref().is_some_and(is_stdin);
    if let Some(path) = args.state_out.as_deref().filter(|_| !print_state) {
        let mut file = FileToBe::create(path)?;
        file.write_json_line(&after)?;
        file.commit()?;
    }
    print_decision(&decision, args.json, out)?;
    if print_state {
        serde_json::to_writer(&mut *out, &after)?;
        writeln!(out)?;
    }
    Ok(Exit::Done)
}

fn print_decision(
    decision: &Decision,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if json {
        serde_json::to_writer_pretty(&mut *out, decision)?;
        writeln!(out)?;
        return Ok(());
    }
    print_explanation(&decision.explain().to_string(), out)
}

/// An explanation, its first line in bold.
pub(crate) fn print_explanation(text: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    let (headline, rest) = text.split_once('\n').unwrap_or((text, ""));
    let bold = Style::new().bold();
    write!(out, "{bold}{headline}{bold:#}\n{rest}")?;
    Ok(())
}
