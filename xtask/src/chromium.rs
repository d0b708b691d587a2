//! The browser that the tests of the report need: where it is, and how to get it.

use std::env;

use crate::project::Project;
use crate::report::{self, Outcome};

/// Names the browser to use; the tests read it too.
const NAMED: &str = "CHROMIUM";

/// What to tell the tests once there is one: that to find none is a failure.
pub(crate) const REQUIRED: (&str, &str) = ("TRIMTAB_REQUIRE_BROWSER", "1");

/// Finds a Chromium, else installs Debian's where that can be done.
/// The error says what is missing and how to get it.
pub(crate) fn find_or_install(project: &Project) -> Result<(), String> {
    if is_there() {
        return Ok(());
    }
    let missing = format!(
        "no Chromium in {NAMED} or on the path: the report is not tested in a browser; get it with `apt-get install chromium` or name one in {NAMED}"
    );
    if !is_root(project) || !on_path("apt-get") {
        return Err(missing);
    }
    let mut install = project.command("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "chromium"]);
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
    env::var_os(NAMED).is_some()
        || ["chromium", "chromium-browser", "google-chrome"].into_iter().any(on_path)
}

fn on_path(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

fn is_root(project: &Project) -> bool {
    report::output(project.command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
