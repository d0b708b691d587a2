//! The Prometheus that tests of its adapter ask: where it is, and how to get it.

use std::env;

use crate::project::Project;
use crate::report::{self, Outcome};

/// What to tell the tests once there is one: that to find none is a failure.
pub(crate) const REQUIRED: (&str, &str) = ("TRIMTAB_REQUIRE_PROMETHEUS", "1");

/// Finds Prometheus and its tool on the path, else installs Debian's where that can be done.
/// The error says what is missing and how to get it.
pub(crate) fn find_or_install(project: &Project) -> Result<(), String> {
    if is_there() {
        return Ok(());
    }
    let missing = String::from(
        "no `prometheus` and `promtool` on the path: the adapter is tested against servers that fail, and not against a real one; \
         get them with `apt-get install prometheus`",
    );
    let is_root = report::output(project.command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root || !on_path("apt-get") {
        return Err(missing);
    }
    let mut install = project.command("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "prometheus"]);
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

fn is_there() -> bool {
    ["prometheus", "promtool"].into_iter().all(on_path)
}

fn on_path(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
