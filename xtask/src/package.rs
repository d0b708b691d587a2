//! The crates as they would be published: each can be, in an order in which all that it depends on is there before it, and
//! has its licences and its page in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::project::Project;
use crate::report::{self, Outcome, Report};

/// What each has beside its sources.
const FILES: [&str; 3] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// Packs them all, without building what comes out.
pub(crate) fn run(project: &Project, report: &mut Report) {
    report.step("packages", || match published(project) {
        Ok(crates) => pack(project, &crates),
        Err(error) => Outcome::Failed(format!("`crates` can't be read: {error}")),
    });
}

/// The folders of the crates that are published.
fn published(project: &Project) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project.path("crates"))? {
        let folder = entry?.path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
        if !manifest.lines().any(|line| line == "publish = false") {
            found.push(folder);
        }
    }
    found.sort();
    Ok(found)
}

fn pack(project: &Project, crates: &[PathBuf]) -> Outcome {
    let lacks = |folder: &&PathBuf| FILES.iter().any(|file| !folder.join(file).is_file());
    if let Some(folder) = crates.iter().find(lacks) {
        let files = FILES.join(", ");
        return Outcome::Failed(format!("{} has not all of {files}", folder.display()));
    }
    // Nothing is asked of a registry that the build did not ask.
    let mut package = project.cargo("package --no-verify --allow-dirty --offline --quiet");
    for folder in crates {
        package.arg("--package").arg(folder.file_name().unwrap_or(Path::new("").as_os_str()));
    }
    report::run(&mut package)
}
