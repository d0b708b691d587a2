//! The `trimtab` command in this process.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command with these arguments, the first of which is its own name, and gives its exit code.
#[pyfunction]
pub(crate) fn _main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| trimtab_cli::main_with(arguments).code())
}
