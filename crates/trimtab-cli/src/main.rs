//! The `trimtab` command. What it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    trimtab_cli::main()
}
