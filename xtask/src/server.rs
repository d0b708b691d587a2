//! The server of the examples, which is written in Python: its own tests, in an environment below the target folder.

use crate::project::Project;
use crate::python::{Environment, Wanted};
use crate::report::{self, Outcome, Report};

/// A Python with the server and all that its tests need.
const SERVER: Wanted = Wanted {
    what: "the server",
    name: "server-python",
    folder: "examples/llm-inference/server",
    oldest: 11,
    install: &["--editable", ".[dev]"],
};

/// Runs the tests of the server against the server as it runs in a container.
pub(crate) fn test(project: &Project, report: &mut Report) {
    report.step("server of the examples", || match environment(project) {
        Ok(environment) => report::run(environment.run(project).args(["-m", "pytest", "--quiet"])),
        Err(missing) => Outcome::Skipped(missing),
    });
}

/// Checks its format, its style and its types.
pub(crate) fn lint(project: &Project, report: &mut Report) {
    report.step("lint server of the examples", || match environment(project) {
        Ok(environment) => environment
            .modules(project, &["ruff format --no-cache --check", "ruff check --no-cache", "mypy"]),
        Err(missing) => Outcome::Skipped(missing),
    });
}

fn environment(project: &Project) -> Result<Environment, String> {
    if cfg!(windows) {
        return Err("the server is ended by signals, which Windows does not have".into());
    }
    Environment::find_or_install(project, &SERVER)
}
