//! The server of the examples, which is written in Python: its own tests, in an environment below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::project::Project;
use crate::report::{self, Outcome, Report};

const FOLDER: &str = "examples/llm-inference/server";

/// Runs the tests of the server against the server as it runs in a container.
pub(crate) fn test(project: &Project, report: &mut Report) {
    report.step("server of the examples", || match Environment::find_or_install(project) {
        Ok(environment) => {
            report::run(environment.python(project).args(["-m", "pytest", "--quiet"]))
        }
        Err(missing) => Outcome::Skipped(missing),
    });
}

/// Checks its format, its style and its types.
pub(crate) fn lint(project: &Project, report: &mut Report) {
    report.step("lint server of the examples", || {
        let environment = match Environment::find_or_install(project) {
            Ok(environment) => environment,
            Err(missing) => return Outcome::Skipped(missing),
        };
        for arguments in ["ruff format --no-cache --check", "ruff check --no-cache", "mypy"] {
            let mut command = environment.python(project);
            match report::run(command.arg("-m").args(arguments.split(' '))) {
                Outcome::Passed => {}
                other => return other,
            }
        }
        Outcome::Passed
    });
}

/// A Python with the server and all that its tests need.
struct Environment {
    python: PathBuf,
}

impl Environment {
    /// The error says what is missing and how to get it.
    fn find_or_install(project: &Project) -> Result<Self, String> {
        if cfg!(windows) {
            return Err("the server is ended by signals, which Windows does not have".into());
        }
        // Debian has `venv` without what it takes to make one, in a package of its own.
        let usable = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
        report::output(project.command("python3").args(["-c", usable])).map_err(|error| {
            format!(
                "python3 with venv, 3.11 or later, not found ({error}); get it with `apt-get install python3-venv`"
            )
        })?;
        let folder = project.target("server-python");
        let environment = Self { python: folder.join("bin/python") };
        let wanted = wanted(project).map_err(|error| format!("{FOLDER}: {error}"))?;
        let installed = folder.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
            return Ok(environment);
        }
        let mut make = project.command("python3");
        let mut install = project.command(&environment.python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(["--constraint", "constraints.txt", "--editable", ".[dev]"]);
        install.current_dir(project.path(FOLDER));
        for command in [make.args(["-m", "venv", "--clear"]).arg(&folder), &mut install] {
            if let Outcome::Failed(why) | Outcome::Skipped(why) = report::run(command) {
                return Err(format!("what the server needs could not be installed ({why})"));
            }
        }
        fs::write(&installed, wanted)
            .map_err(|error| format!("{}: {error}", installed.display()))?;
        Ok(environment)
    }

    fn python(&self, project: &Project) -> Command {
        let mut command = project.command(&self.python);
        // Nothing is left in the work tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(project.path(FOLDER));
        command
    }
}

/// What has to be installed, and where from. The code is not copied, so that a change of it changes nothing here.
fn wanted(project: &Project) -> io::Result<String> {
    let folder = project.path(FOLDER);
    let read = |name: &str| fs::read_to_string(Path::new(&folder).join(name));
    Ok(format!("{}\n{}\n{}", folder.display(), read("pyproject.toml")?, read("constraints.txt")?))
}
