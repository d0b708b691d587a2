//! The Python package: its wheel built, installed and tested, its style and types checked, and the wheels that are published.

use std::fs;
use std::path::{Path, PathBuf};

use crate::project::Project;
use crate::python::{Environment, Wanted};
use crate::report::{self, Outcome, Report};

/// A Python with what builds the wheel and tests it; the wheel itself is put in anew each time.
const PACKAGE: Wanted = Wanted {
    what: "the Python package",
    name: "package-python",
    folder: "crates/trimtab-python",
    oldest: 11,
    install: &["--requirement", "requirements-dev.txt"],
};

/// Builds the wheel as it is while developing, installs it and runs its tests.
pub(crate) fn test(project: &Project, report: &mut Report) {
    report.step("Python package", || match with_wheel(project) {
        // Some wait for servers, others compute: side by side they take half of the time.
        Ok(environment) => {
            environment.modules(project, &["pytest --quiet --numprocesses auto --dist loadgroup"])
        }
        Err(outcome) => outcome,
    });
}

/// Checks its format, its style and its types, and that the stubs say what the module has.
pub(crate) fn lint(project: &Project, report: &mut Report) {
    report.step("lint Python package", || match with_wheel(project) {
        Ok(environment) => environment.modules(
            project,
            &[
                "ruff format --no-cache --config pyproject.toml --check . ../../examples/notebooks ../../benches",
                "ruff check --no-cache --config pyproject.toml . ../../examples/notebooks ../../benches",
                "mypy",
                "pyright",
                "mypy.stubtest trimtab._core --mypy-config-file pyproject.toml",
            ],
        ),
        Err(outcome) => outcome,
    });
}

/// Builds what is published: a wheel for every Python from 3.10 on, by a linker that knows old systems, and the source, from which
/// a wheel is built again. Both are installed as a user installs them, where nothing else is. All of it is in `target/dist` then.
pub(crate) fn publish(project: &Project, report: &mut Report) {
    let environment = match Environment::find_or_install(project, &PACKAGE) {
        Ok(environment) => environment,
        Err(missing) => return report.step("wheels", || Outcome::Skipped(missing)),
    };
    let out = project.target("dist");
    let build = |report: &mut Report, name: &str, arguments: &str| {
        report.step(name, || {
            let mut command = environment.run(project);
            command.args(["-m", "maturin"]).args(arguments.split(' ')).arg("--out").arg(&out);
            report::run(&mut command)
        });
    };
    drop(fs::remove_dir_all(&out));
    build(report, "wheel", "build --release --locked --compatibility manylinux2014 --zig");
    build(report, "source distribution", "sdist");
    report.step("installed wheel", || installed(project, &environment, &out, ".whl"));
    report.step("installed source", || installed(project, &environment, &out, ".tar.gz"));
}

/// Installs what is published into an environment of its own, and uses it.
fn installed(project: &Project, builder: &Environment, out: &Path, ending: &str) -> Outcome {
    let Some(published) = newest(out, ending) else {
        return Outcome::Failed(format!("{}: there is no {ending}", out.display()));
    };
    let fresh = match builder.fresh(project, "dist-python") {
        Ok(fresh) => fresh,
        Err(why) => return Outcome::Failed(why),
    };
    let mut install = fresh.run(project);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install
        .arg(published)
        .env("PIP_CONSTRAINT", project.path(PACKAGE.folder).join("constraints.txt"));
    // That the source builds is shown as well by what the tests have built most of already.
    install.env("MATURIN_PEP517_ARGS", "--profile dev --features as-tested");
    install.env("CARGO_TARGET_DIR", project.target(""));
    match report::run(&mut install) {
        // Not with what lies beside the script: what is installed is what it finds.
        Outcome::Passed => match report::run(fresh.run(project).args(["-I", "tests/installed.py"]))
        {
            Outcome::Passed => fresh.modules(project, &["trimtab --version"]),
            other => other,
        },
        other => other,
    }
}

/// The environment with the wheel of the present code in it.
fn with_wheel(project: &Project) -> Result<Environment, Outcome> {
    let environment = Environment::find_or_install(project, &PACKAGE).map_err(Outcome::Skipped)?;
    let out = project.target("package-wheel");
    drop(fs::remove_dir_all(&out));
    let mut build = environment.run(project);
    build.args(["-m", "maturin", "build", "--locked", "--profile", "dev"]);
    build.args(["--features", "as-tested", "--out"]).arg(&out);
    passed(report::run(&mut build))?;
    let wheel = newest(&out, ".whl")
        .ok_or_else(|| Outcome::Failed(format!("{}: there is no wheel", out.display())))?;
    let mut install = environment.run(project);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    passed(report::run(install.args(["--force-reinstall", "--no-deps"]).arg(wheel)))?;
    Ok(environment)
}

fn passed(outcome: Outcome) -> Result<(), Outcome> {
    match outcome {
        Outcome::Passed => Ok(()),
        other => Err(other),
    }
}

/// A file of a folder by how its name ends.
fn newest(folder: &Path, ending: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.to_string_lossy().ends_with(ending)).max()
}
