//! Programs that the checks need and cargo does not bring: which version, and how to get it.

use std::fs;
use std::path::PathBuf;

use crate::project::Project;
use crate::report::{self, Outcome};

/// A program from crates.io, pinned so that every machine sees the same findings.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    features: &'static str,
}

/// Checks the licences and the sources of the dependencies.
pub(crate) const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", features: "" };

/// Builds the book; without its web server, which is most of its build time.
pub(crate) const MDBOOK: Tool = Tool { name: "mdbook", version: "0.5.4", features: "search" };

impl Tool {
    /// The program to run: from the target folder, else from the path, else installed into the target folder.
    /// The error says what is missing and how to get it.
    pub(crate) fn find_or_install(&self, project: &Project) -> Result<PathBuf, String> {
        let folder = project.target("tools");
        let own = folder.join("bin").join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX));
        for candidate in [own.clone(), PathBuf::from(self.name)] {
            if self.is_pinned_version(project, &candidate) {
                return Ok(candidate);
            }
        }
        // An unoptimised build is ready in a third of the time, and fast enough for one run of each.
        let build = folder.join("build");
        let mut install =
            project.cargo("install --locked --debug --quiet --force --no-default-features");
        install.args(["--features", self.features, "--version", self.version, self.name]);
        install.arg("--root").arg(&folder).arg("--target-dir").arg(&build);
        let outcome = report::run(&mut install);
        // Half a gigabyte that nothing needs again; when it stays behind, only disk is lost.
        drop(fs::remove_dir_all(&build));
        match outcome {
            Outcome::Passed => Ok(own),
            Outcome::Failed(why) | Outcome::Skipped(why) => Err(format!(
                "{name} {version} is missing and could not be installed ({why}); get it with `cargo install --locked {name} --version {version}`",
                name = self.name,
                version = self.version,
            )),
        }
    }

    fn is_pinned_version(&self, project: &Project, program: &PathBuf) -> bool {
        let version = report::output(project.command(program).arg("--version"));
        version.is_ok_and(|text| {
            text.split_whitespace().any(|word| word.trim_start_matches('v') == self.version)
        })
    }
}
