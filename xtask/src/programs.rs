//! The test programs that cargo builds, run side by side: some compute, others wait for a server or a clock, and cargo itself
//! would run one after the other.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::project::{AS_TESTED, Project};
use crate::report::{self, Outcome, Report};

/// A test program and what it is the tests of.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    /// Its package, its target and what kind of target that is.
    name: String,
    /// The folder of its package, where cargo would run it.
    folder: PathBuf,
    executable: PathBuf,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Builds them as one step and runs each as its own, one on each core at a time.
pub(crate) fn run(project: &Project, report: &mut Report, variables: &[(&str, OsString)]) {
    let mut programs = Vec::new();
    report.step("test programs", || match build(project) {
        Ok(built) => {
            programs = built;
            Outcome::Passed
        }
        Err(why) => Outcome::Failed(why),
    });
    report.side_by_side("tests", &programs, |program| {
        let mut command = project.command(&program.executable);
        command.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder);
        report::told(command.envs(variables.iter().cloned()))
    });
}

/// Builds all of them. Not `--all-targets`: that would be the benchmarks too.
fn build(project: &Project) -> Result<Vec<Program>, String> {
    let mut cargo = project.cargo("test --no-run --all-features --lib --bins --tests --examples");
    cargo.args(AS_TESTED).args(["--message-format", "json-render-diagnostics"]);
    println!("$ {}", report::spelled(&cargo));
    let built = cargo.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err(built.status.to_string());
    }
    let told = String::from_utf8(built.stdout).map_err(|error| error.to_string())?;
    let mut programs: Vec<_> =
        told.lines().filter_map(|line| program(&serde_json::from_str(line).ok()?)).collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    if programs.is_empty() { Err("cargo named no test program".to_owned()) } else { Ok(programs) }
}

/// The test program of a message, if it is of one.
fn program(message: &Value) -> Option<Program> {
    let is_test = message.pointer("/profile/test")?.as_bool()?;
    let executable = message.get("executable")?.as_str()?;
    if !is_test {
        return None;
    }
    let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?;
    let target = message.pointer("/target/name")?.as_str()?;
    let kind = message.pointer("/target/kind/0")?.as_str()?;
    let package = folder.file_name()?.to_str()?;
    Some(Program {
        name: format!("{package} {target} ({kind})"),
        folder: folder.to_path_buf(),
        executable: executable.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(test: bool, executable: Option<&str>) -> Value {
        json!({
            "reason": "compiler-artifact",
            "manifest_path": "/tree/crates/trimtab-sim/Cargo.toml",
            "target": {"kind": ["test"], "name": "simulation"},
            "profile": {"test": test},
            "executable": executable,
        })
    }

    #[test]
    fn a_test_program_is_run_in_the_folder_of_its_package() {
        let expected = Program {
            name: "trimtab-sim simulation (test)".to_owned(),
            folder: "/tree/crates/trimtab-sim".into(),
            executable: "/built/simulation-1".into(),
        };
        assert_eq!(program(&artifact(true, Some("/built/simulation-1"))), Some(expected));
    }

    #[test]
    fn what_is_no_test_program_is_not_run() {
        for message in [
            artifact(false, Some("/built/simulation")),
            artifact(true, None),
            json!({"reason": "build-finished", "success": true}),
        ] {
            assert_eq!(program(&message), None, "{message}");
        }
    }
}
