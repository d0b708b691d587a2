//! `cargo xtask ci`: every check that a change must pass. It goes on after a failure, so that one run tells all.

use std::path::Path;

use crate::generate;
use crate::package;
use crate::project::{Project, SIDE_PACKAGES};
use crate::report::{self, Outcome, Report};
use crate::server;
use crate::test;
use crate::tool;
use crate::wheel;

/// Runs the cheap checks first.
pub(crate) fn run(project: &Project, report: &mut Report, options: &test::Options) {
    report.command("format", &mut project.cargo("fmt --all --check"));
    for package in SIDE_PACKAGES {
        let manifest = Path::new(package).join("Cargo.toml");
        report.command(
            &format!("format {package}"),
            project.cargo("fmt --check --manifest-path").arg(manifest),
        );
    }
    report.command(
        "lint",
        &mut project.cargo("clippy --workspace --all-targets --all-features -- -D warnings"),
    );
    for package in SIDE_PACKAGES {
        let mut clippy = project.side_cargo(package, "clippy");
        report.command(&format!("lint {package}"), clippy.args(["--", "-D", "warnings"]));
    }
    server::lint(project, report);
    wheel::lint(project, report);
    test::run(project, report, options);
    // With an example all features are there that the lint had, so that nothing below is checked again. Not the commands
    // that are called as a library is: both would be one page.
    report.command(
        "documentation",
        project
            .cargo("doc --workspace --no-deps --all-features --lib --example reference")
            .args(["--bin", "[!t]*", "--bin", "trimtab-local-fleet"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    );
    generate::run(project, report, true);
    package::run(project, report);
    // Not the advisories: they are another project's repository, and change without this one changing.
    report.step("licences and sources", || match tool::CARGO_DENY.find_or_install(project) {
        Ok(deny) => report::run(project.command(deny).args([
            "--all-features",
            "check",
            "licenses",
            "bans",
            "sources",
        ])),
        Err(missing) => Outcome::Skipped(missing),
    });
}
