//! `trimtab crd`: the definition of the resource, to be applied to a cluster.

use std::io::Write;

use crate::Exit;
use crate::error::CommandError;

pub(crate) fn run(out: &mut dyn Write) -> Result<Exit, CommandError> {
    out.write_all(trimtab_kube::crd::crd_yaml().as_bytes())?;
    Ok(Exit::Done)
}
