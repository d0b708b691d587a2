//! Programs that Debian has, for tests that need the real one.

use std::env;

use crate::project::Project;
use crate::report::{self, Outcome};

/// Installs a package where that can be done, and looks whether what is wanted is there then. The error is `missing`, which says
/// what is not there and how to get it, and why it could not be installed.
pub(crate) fn install(
    project: &Project,
    package: &str,
    missing: String,
    is_there: impl Fn() -> bool,
) -> Result<(), String> {
    let is_root = report::output(project.command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root || !on_path("apt-get") {
        return Err(missing);
    }
    let mut install = project.command("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", package]);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    let mut outcome = report::run(&mut install);
    if !matches!(outcome, Outcome::Passed) {
        // The list of packages is often absent or stale on a fresh machine.
        outcome = match report::run(project.command("apt-get").arg("update")) {
            Outcome::Passed => report::run(&mut install),
            failed => failed,
        };
    }
    match outcome {
        Outcome::Passed if is_there() => Ok(()),
        Outcome::Passed => Err(missing),
        Outcome::Failed(why) | Outcome::Skipped(why) => {
            Err(format!("{missing} (`apt-get install`: {why})"))
        }
    }
}

/// Whether a program can be run by its name.
pub(crate) fn on_path(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
