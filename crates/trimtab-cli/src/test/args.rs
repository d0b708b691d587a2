//! What `trimtab test` and `trimtab explain` can be asked.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use regex_lite::Regex;
use trimtab_metric::Span;

pub(crate) const TEST_EXAMPLES: &str = "\
Examples:
  trimtab test .
  trimtab test --run 'window' checkout_test.yaml
  trimtab test --format junit . > policy-tests.xml
  trimtab test --coverage --coverage-min 80 .
  trimtab test --bless checkout_test.yaml";

pub(crate) const TEST_LONG: &str = "\
A test file is YAML: a policy, series of readings in Prometheus' notation, and what is expected of the \
decisions. In directories, files are found whose names end in `_test.yaml` or `_test.yml`; those that begin \
with a dot, and directories of that kind, are left out.

Exit codes: 0 all passed; 1 a test failed, the coverage is below `--coverage-min`, or there is no test with \
`--require-tests`; 2 a usage error, or a file that can't be used; 3 a warning with `--deny-warnings`.

Examples:
  trimtab test .
  trimtab test --run 'window' checkout_test.yaml
  trimtab test --format junit . > policy-tests.xml
  trimtab test --coverage --coverage-min 80 .
  trimtab test --bless checkout_test.yaml";

pub(crate) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  trimtab explain checkout_test.yaml --test 1 --at 10m
  trimtab explain checkout_test.yaml --test 'scales up at once' --at 0s --json";

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files, and directories to find them in
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Only the tests whose `FILE::NAME` this finds itself in
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub(crate) run: Option<Regex>,
    /// How it is told
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Leave out the tests that passed
    #[arg(long)]
    pub(crate) fail_only: bool,
    /// Tell which metrics, rules and limits of each policy never decided anything
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Fail where less than so much of a policy decided anything
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) coverage_min: Option<f64>,
    /// Fail if there is no test
    #[arg(long)]
    pub(crate) require_tests: bool,
    /// Exit with 3 if there is a warning
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Write the numbers that came out in place of those expected under `expect` and `totals`
    #[arg(long, conflicts_with = "watch")]
    pub(crate) bless: bool,
    /// Run again when a test or its policy changes, until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
}

/// How what came of tests is told.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// JUnit's XML
    Junit,
    /// The Test Anything Protocol, version 14
    Tap,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The test file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The test: its number in the file, from 1, or its name
    #[arg(long, value_name = "TEST")]
    pub(crate) test: String,
    /// Which decision: so long after the start (default: the last)
    #[arg(long, value_name = "SPAN")]
    pub(crate) at: Option<Span>,
    /// Print the decision with all that it depended on, as a line of a decision log
    #[arg(long)]
    pub(crate) json: bool,
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(String::from("it has to be from 0 to 100")),
    }
}
