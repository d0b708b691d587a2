//! `trimtab status` and `top`, and what `explain` says of a workload: what a running `trimtab run` is doing.

pub(crate) mod args;
mod client;
mod status;
mod top;

use std::io::Write;

use crate::Exit;
use crate::error::CommandError;
use args::{ServerArgs, StatusArgs, TopArgs};
use client::Client;

pub(crate) fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let client = Client::new(&args.server)?;
    let workloads = client.workloads()?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &workloads)?;
        writeln!(out)?;
    } else {
        status::write_table(&workloads, out)?;
    }
    Ok(Exit::Done)
}

pub(crate) fn explain(
    server: &ServerArgs,
    workload: &str,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let status = Client::new(server)?.workload(workload)?;
    if as_json {
        serde_json::to_writer_pretty(&mut *out, &status)?;
        writeln!(out)?;
    } else {
        status::write_whole(&status, out)?;
    }
    Ok(Exit::Done)
}

pub(crate) fn top(args: &TopArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let client = Client::new(&args.server)?;
    if args.once {
        top::draw_once(&client, out)?;
    } else {
        top::show(client, args.every)?;
    }
    Ok(Exit::Done)
}
