//! The fuzz targets, each run for a short while on its saved inputs and on new ones.
//!
//! Coverage instrumentation is stable in rustc and only the sanitizers are not, so plain cargo builds what
//! `cargo fuzz build -s none` would, and there is nothing to install but a C++ compiler for libFuzzer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::project::Project;
use crate::report::{self, Outcome, Report};

const INSTRUMENTED: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds the targets as one step and runs each as its own, one on each core at a time.
pub(crate) fn run(project: &Project, report: &mut Report, seconds: u32) {
    if seconds == 0 {
        println!("\nnote: the fuzz targets were left out, as asked");
        return;
    }
    let mut programs = None;
    report.step("fuzz targets", || match build(project) {
        Ok((outcome, folder)) => {
            programs = matches!(outcome, Outcome::Passed).then_some(folder);
            outcome
        }
        Err(missing) => Outcome::Skipped(missing),
    });
    let Some(programs) = programs else { return };
    match targets(project) {
        Ok(targets) => report
            .side_by_side("fuzz", &targets, |target| fuzz(project, &programs, target, seconds)),
        Err(error) => report.step("fuzz", || Outcome::Failed(error)),
    }
}

/// Builds every target. The error says what is missing.
fn build(project: &Project) -> Result<(Outcome, PathBuf), String> {
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    report::output(project.command(compiler).arg("--version")).map_err(|error| {
        format!("a C++ compiler is missing ({error}); install g++ or clang, or set CXX")
    })?;
    let version = report::output(project.command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc does not tell its host")?;
    // Naming the target keeps the flags away from build scripts and procedural macros.
    let mut cargo = project.side_cargo("fuzz", "build --release --bins");
    let outcome = report::run(cargo.args(["--target", host]).env("RUSTFLAGS", INSTRUMENTED));
    Ok((outcome, project.side_target("fuzz").join(host).join("release")))
}

/// The names of the targets: one file each.
fn targets(project: &Project) -> Result<Vec<String>, String> {
    let folder = project.path("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<_> =
        rust.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Runs one target: first on the inputs kept in the tree, then on the corpus it has grown, then on new ones.
fn fuzz(project: &Project, programs: &Path, target: &str, seconds: u32) -> (Outcome, String) {
    let corpus = project.path("fuzz/corpus").join(target);
    let artifacts = project.path("fuzz/artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        if let Err(error) = fs::create_dir_all(folder) {
            let why = format!("{}: {error}", folder.display());
            return (Outcome::Failed(why), String::new());
        }
    }
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(artifacts.join(""));
    let mut command = project.command(programs.join(target));
    command.arg(format!("-max_total_time={seconds}")).args([
        "-timeout=5",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    command.arg(prefix).arg(corpus);
    // libFuzzer saves new inputs in the first folder and only reads the others.
    let kept = project.path("fuzz/seeds").join(target);
    if kept.is_dir() {
        command.arg(kept);
    }
    report::told(&mut command)
}
