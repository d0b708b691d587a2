//! What `trimtab explain` can be asked.

use clap::Args;
use trimtab_metric::Span;

use crate::live::args::ServerArgs;

pub(crate) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  trimtab explain checkout_test.yaml --test 1 --at 10m
  trimtab explain checkout_test.yaml --test 'scales up at once' --at 0s --json
  trimtab explain inference/llm";

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A test file, with `--test`; else a workload of a running `trimtab run`
    #[arg(value_name = "FILE|WORKLOAD")]
    pub(crate) what: String,
    /// The test: its number in the file, from 1, or its name
    #[arg(long, value_name = "TEST")]
    pub(crate) test: Option<String>,
    /// Which decision of the test: so long after the start (default: the last)
    #[arg(long, value_name = "SPAN", requires = "test")]
    pub(crate) at: Option<Span>,
    /// Print it as JSON: of a test, the decision with all that it depended on, as a line of a decision log
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}
