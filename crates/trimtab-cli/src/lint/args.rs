//! The arguments of `trimtab lint`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(crate) const LINT_EXAMPLES: &str = "\
Examples:
  trimtab lint manifests/
  trimtab lint --deny-warnings hpa.yaml deployment.yaml nodepool.yaml
  trimtab lint --format sarif manifests/ > lint.sarif
  trimtab lint --explain gpu-utilization-only
  kubectl get hpa,deploy,pdb,scaledobject -A -o yaml | trimtab lint -";

pub(crate) const LINT_LONG: &str = "\
All files are read together, so that an autoscaler is seen with the Deployment that it scales, its \
disruption budget and the nodes that it can get. What is not there is no finding. A folder is searched for \
*.yaml, *.yml and *.json that hold manifests; hidden folders are left out.

A comment lets a finding pass, at the end of its line or on the line before, or before the first line of a \
document for all of it:
  # trimtab: allow(gpu-utilization-only) kept for a comparison

Formats:
  text     as rustc shows errors, with the reason and what to write instead
  json     one document: findings, unreadable files, counts
  sarif    SARIF 2.1.0, for code scanning
  github   workflow commands, which GitHub shows beside the lines of a pull request

Exit codes: 0 nothing above a note, or warnings without --deny-warnings; 2 a file could not be read; 3 \
errors, or warnings with --deny-warnings.

Examples:
  trimtab lint manifests/
  trimtab lint --deny-warnings hpa.yaml deployment.yaml nodepool.yaml
  trimtab lint --format sarif manifests/ > lint.sarif
  trimtab lint --explain gpu-utilization-only
  kubectl get hpa,deploy,pdb,scaledobject -A -o yaml | trimtab lint -";

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("ask").required(true).args(["files", "explain", "list"])))]
pub(crate) struct LintArgs {
    /// Files and folders of manifests; `-` is standard input
    #[arg(value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Warnings fail, too
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Say what a rule finds, why, and what to do
    #[arg(long, value_name = "RULE")]
    pub(crate) explain: Option<String>,
    /// List all rules
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For code scanning
    Sarif,
    /// For GitHub Actions
    Github,
}
