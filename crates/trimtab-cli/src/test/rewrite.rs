//! `--bless`: what came out, in place of what was expected.

use std::io::Write;
use std::path::Path;

use trimtab_test::bless as blessed;

use super::args::TestArgs;
use super::suites::{self, Outcome, counted};
use crate::error::CommandError;
use crate::input::is_stdin;
use crate::process::Interrupt;
use crate::replace_file::FileToBe;

/// Rewrites the files whose numbers are not as expected, and runs them again.
pub(super) fn bless(
    outcome: &mut Outcome,
    args: &TestArgs,
    interrupt: &Interrupt,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut changed_any = false;
    for ran in &outcome.ran {
        let (text, changed) = blessed(&ran.file, &ran.result).map_err(|conflict| {
            let line = ran.file.source.position(conflict.place.start).line as u64;
            let numbers = conflict.numbers.join(" and ");
            CommandError::at(&ran.path, line, format!("two tests want {numbers} here"))
                .with_help("write the number out where the alias stands")
        })?;
        if changed == 0 {
            continue;
        }
        let path = Path::new(&ran.path);
        if is_stdin(path) {
            return Err(CommandError::argument("`--bless` has to write a file"));
        }
        let mut file = FileToBe::create(path)?;
        file.write(text.as_bytes())?;
        file.commit()?;
        writeln!(err, "blessed {} in {}", counted(changed, "number"), ran.path)?;
        changed_any = true;
    }
    if changed_any {
        let refused = std::mem::take(&mut outcome.refused);
        *outcome = suites::run(args, interrupt)?;
        outcome.refused = refused;
    }
    Ok(())
}
