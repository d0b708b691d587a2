//! `cargo xtask test`: every test there is, with what it needs set up.

use std::ffi::OsString;
use std::num::NonZero;
use std::{env, thread};

use clap::Args;

use crate::chromium;
use crate::fuzz;
use crate::programs;
use crate::project::{AS_TESTED, NO_STD_WITNESS, Project};
use crate::prometheus;
use crate::report::{self, Outcome, Report};
use crate::server;
use crate::tool;
use crate::wheel;

/// What a run of the tests may be told.
#[derive(Args)]
pub(crate) struct Options {
    /// How long each fuzz target runs; 0 leaves fuzzing out
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    fuzz_seconds: u32,
}

/// Finds a program that tests need, else installs it. The error says what is missing and how to get it.
type FindOrInstall = fn(&Project) -> Result<(), String>;

/// Runs the steps in the order in which a mistake is found soonest.
pub(crate) fn run(project: &Project, report: &mut Report, options: &Options) {
    let vectors = recorded_vectors(project);
    let mut variables: Vec<_> = vectors.iter().cloned().chain(test_threads()).collect();
    let needed: [(_, _, FindOrInstall); 2] = [
        ("browser for the report", chromium::REQUIRED, chromium::find_or_install),
        ("Prometheus for its adapter", prometheus::REQUIRED, prometheus::find_or_install),
    ];
    for (name, required, find_or_install) in needed {
        report.step(name, || match find_or_install(project) {
            Ok(()) => {
                variables.push((required, "1".into()));
                Outcome::Passed
            }
            Err(missing) => Outcome::Skipped(missing),
        });
    }
    programs::run(project, report, &variables);
    let mut examples = project.cargo("test --all-features --no-fail-fast --doc");
    report.command("documentation tests", examples.args(AS_TESTED).envs(variables));
    server::test(project, report);
    wheel::test(project, report);
    report.command("core without std", &mut project.side_cargo(NO_STD_WITNESS, "build"));
    report.step("book", || match tool::MDBOOK.find_or_install(project) {
        Ok(mdbook) => report::run(project.command(mdbook).args(["build", "docs"])),
        Err(missing) => Outcome::Skipped(missing),
    });
    fuzz::run(project, report, options.fuzz_seconds);
    if vectors.is_none() {
        println!(
            "\nnote: only the recorded vectors in this tree were tested; set {VECTORS} to the folder of the full recordings to test them all"
        );
    }
}

/// How many tests of a program run at once, where nobody says otherwise. Those that need a server or a clock wait for
/// most of their time, so few cores do more than one each; those that compute take no longer for it.
fn test_threads() -> Option<(&'static str, OsString)> {
    const THREADS: &str = "RUST_TEST_THREADS";
    const PER_CORE: usize = 3;
    const ENOUGH: usize = 12;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (cores * PER_CORE).min(ENOUGH).max(cores);
    env::var_os(THREADS).is_none().then(|| (THREADS, threads.to_string().into()))
}

const VECTORS: &str = "TRIMTAB_SHARED";

/// Where the full recordings are, of which the tree holds a part: named by the environment, or beside the tree.
fn recorded_vectors(project: &Project) -> Option<(&'static str, OsString)> {
    let folder = env::var_os(VECTORS).unwrap_or_else(|| project.path("../shared").into_os_string());
    project.path(&folder).join("conformance").is_dir().then_some((VECTORS, folder))
}
