//! `trimtab explain`: how a decision was made.

pub(crate) mod args;
mod of_test;

use std::io::Write;

use crate::Exit;
use crate::error::CommandError;
use crate::live;
use args::ExplainArgs;

pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    match &args.test {
        Some(test) => of_test::run(args, test, out),
        None => live::explain(&args.server, &args.what, args.json, out),
    }
}
