//! Environments of Python below the target folder, each with what one part of the project needs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use crate::project::Project;
use crate::report::{self, Outcome};

/// An environment as it should be.
pub(crate) struct Wanted {
    /// What it is for, in messages.
    pub(crate) what: &'static str,
    /// Its folder below the target folder.
    pub(crate) name: &'static str,
    /// Where `pyproject.toml` and `constraints.txt` are, and where everything runs.
    pub(crate) folder: &'static str,
    /// The oldest minor version of Python 3 that will do.
    pub(crate) oldest: u8,
    /// What pip is told to install.
    pub(crate) install: &'static [&'static str],
}

/// A Python with all that is wanted.
pub(crate) struct Environment {
    python: PathBuf,
    folder: &'static str,
}

impl Environment {
    /// The error says what is missing and how to get it.
    pub(crate) fn find_or_install(project: &Project, wanted: &Wanted) -> Result<Self, String> {
        // Debian has `venv` without what it takes to make one, in a package of its own.
        let oldest = wanted.oldest;
        let usable =
            format!("import ensurepip, sys, venv; sys.exit(sys.version_info < (3, {oldest}))");
        report::output(project.command("python3").arg("-c").arg(usable)).map_err(|error| {
            format!(
                "python3 with venv, 3.{oldest} or later, not found ({error}); get it with `apt-get install python3-venv`"
            )
        })?;
        let folder = project.target(wanted.name);
        let environment = Self { python: interpreter(&folder), folder: wanted.folder };
        let stamp = wanted.stamp(project).map_err(|error| format!("{}: {error}", wanted.folder))?;
        let installed = folder.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|there| there == stamp) {
            return Ok(environment);
        }
        let mut make = project.command("python3");
        let mut install = environment.run(project);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(["--constraint", "constraints.txt"]).args(wanted.install);
        for command in [make.args(["-m", "venv", "--clear"]).arg(&folder), &mut install] {
            if let Outcome::Failed(why) | Outcome::Skipped(why) = report::run(command) {
                return Err(format!("what {} needs could not be installed ({why})", wanted.what));
            }
        }
        fs::write(&installed, stamp)
            .map_err(|error| format!("{}: {error}", installed.display()))?;
        Ok(environment)
    }

    /// Its Python, started in the folder that it is for.
    pub(crate) fn run(&self, project: &Project) -> Command {
        let mut command = project.command(&self.python);
        // Its own programs come first.
        let programs = self.python.parent().map(Path::to_path_buf);
        let others = env::var_os("PATH").unwrap_or_default();
        if let Ok(path) = env::join_paths(programs.into_iter().chain(env::split_paths(&others))) {
            command.env("PATH", path);
        }
        // Nothing is left in the work tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(project.path(self.folder));
        command
    }

    /// Another environment beside it with nothing in it.
    pub(crate) fn fresh(&self, project: &Project, name: &str) -> Result<Self, String> {
        let folder = project.target(name);
        let mut make = self.run(project);
        match report::run(make.args(["-m", "venv", "--clear"]).arg(&folder)) {
            Outcome::Passed => Ok(Self { python: interpreter(&folder), folder: self.folder }),
            Outcome::Failed(why) | Outcome::Skipped(why) => Err(why),
        }
    }

    /// Runs modules with their arguments, up to the first that fails.
    pub(crate) fn modules(&self, project: &Project, modules: &[&str]) -> Outcome {
        for arguments in modules {
            let mut command = self.run(project);
            match report::run(command.arg("-m").args(arguments.split(' '))) {
                Outcome::Passed => {}
                other => return other,
            }
        }
        Outcome::Passed
    }
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts" } else { "bin" }).join("python")
}

impl Wanted {
    /// What has to be installed, and where from. The code is not copied, so that a change of it changes nothing here.
    fn stamp(&self, project: &Project) -> io::Result<String> {
        let folder = project.path(self.folder);
        let read = |name: &str| fs::read_to_string(Path::new(&folder).join(name));
        let install = self.install.join(" ");
        let (own, pinned) = (read("pyproject.toml")?, read("constraints.txt")?);
        Ok(format!("{}\n{install}\n{own}\n{pinned}", folder.display()))
    }
}
