//! Where things are, and how a cargo command is spelled here.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages that stand outside the workspace, so that its features do not become theirs. Each has its own lock file.
pub(crate) const SIDE_PACKAGES: [&str; 2] = ["fuzz", NO_STD_WITNESS];

/// The packages that are tested together. The benchmarks have no tests, and their libraries would turn on features in what the
/// tests and the wheel have in common, so that it would be built for each.
pub(crate) const AS_TESTED: [&str; 3] = ["--workspace", "--exclude", "trimtab-benches"];

/// The package that links the core without `std`.
pub(crate) const NO_STD_WITNESS: &str = "tests/no-std-witness";

/// The work tree and the folder for what is built from it.
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
    cargo: OsString,
}

impl Project {
    /// The project this command was compiled from.
    pub(crate) fn locate() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().unwrap_or(here).to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| root.join(dir));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self { root, target, cargo }
    }

    /// A path in the work tree.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A path below the target folder.
    pub(crate) fn target(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.target.join(relative)
    }

    /// Any program, started at the root of the work tree, and not as a part of this package: there are build scripts that ask for
    /// the package that cargo runs, so that all that stands on them would be built again after a cargo that was called by hand.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let of_package =
                |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
            if name.to_str().is_some_and(of_package) {
                command.env_remove(name);
            }
        }
        command
    }

    /// `cargo ARGUMENTS` in the workspace.
    pub(crate) fn cargo(&self, arguments: &str) -> Command {
        let mut command = self.command(self.cargo.clone());
        command.args(arguments.split_whitespace());
        command
    }

    /// `cargo ARGUMENTS` for a side package, built in a folder of its own.
    pub(crate) fn side_cargo(&self, package: &str, arguments: &str) -> Command {
        let mut command = self.cargo(arguments);
        command.arg("--locked").arg("--manifest-path").arg(Path::new(package).join("Cargo.toml"));
        command.arg("--target-dir").arg(self.side_target(package));
        command
    }

    /// Where [`Self::side_cargo`] builds a package.
    pub(crate) fn side_target(&self, package: &str) -> PathBuf {
        self.target("side").join(Path::new(package).file_name().unwrap_or_default())
    }
}
