//! What `trimtab run` can be asked.

use std::path::PathBuf;

use clap::Args;

pub(crate) const RUN_EXAMPLES: &str = "\
Examples:
  trimtab run --config trimtab.yaml
  trimtab run --config trimtab.yaml --check
  TRIMTAB_LOG=debug trimtab run --config trimtab.yaml";

pub(crate) const RUN_LONG: &str = "\
Drives the workloads of a file: asks their sources, decides, and scales their targets, each at the rhythm of \
its policy. States are kept over restarts where the file has `state`; decisions are logged for `trimtab replay` \
where it has `log`.

The file and the policies that it names are read anew when they change, or on SIGHUP. What is wrong with \
them is told, and what ran before runs on. SIGTERM and SIGINT finish what is under way.

What it does is told on standard error, as much as the variable TRIMTAB_LOG says (default `info`), and at \
`listen`: `/healthz`, `/readyz`, `/metrics` for Prometheus, and what `trimtab status`, `explain` and `top` ask.

Examples:
  trimtab run --config trimtab.yaml
  trimtab run --config trimtab.yaml --check
  TRIMTAB_LOG=debug trimtab run --config trimtab.yaml";

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// What is scaled, and how
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only say whether the file and all that it names can be used
    #[arg(long)]
    pub(crate) check: bool,
}
