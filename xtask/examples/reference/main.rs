//! Prints a page of the reference that the simulator's own tables make: `reference profiles` or
//! `reference signals`; the rules of lint, `reference lint`; and for clusters the `reference crd` and the roles,
//! `reference access-controller`, `access-keda-scaler` and `access-helm`.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

mod access;
mod lint;
mod profiles;
mod signals;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let page = match env::args().nth(1).as_deref() {
        Some("lint") => match lint::page() {
            Ok(page) => page,
            Err(_) => return ExitCode::FAILURE,
        },
        Some("profiles") => profiles::page(),
        Some("signals") => signals::page(),
        Some("crd") => trimtab_kube::crd::crd_yaml(),
        Some("access-helm") => access::templates(),
        Some(page) if page.starts_with("access-") => {
            match access::roles(page.trim_start_matches("access-")) {
                Some(page) => page,
                None => return ExitCode::FAILURE,
            }
        }
        _ => return ExitCode::FAILURE,
    };
    print!("{page}");
    ExitCode::SUCCESS
}

/// What stands below the title of a page.
fn note(source: &str) -> String {
    format!("<!-- Written by `cargo xtask generate` from {source}. Edit that instead. -->\n")
}

/// A row of a table.
fn row<const N: usize>(cells: [String; N]) -> String {
    format!("| {} |\n", cells.join(" | "))
}
