//! What `trimtab controller` can be asked.

use std::path::PathBuf;

use clap::Args;

pub(crate) const CONTROLLER_EXAMPLES: &str = "\
Examples:
  trimtab controller --config controller.yaml
  trimtab controller --config controller.yaml --check";

pub(crate) const CONTROLLER_LONG: &str = "\
Drives the ScalingPolicy resources of a cluster: asks their sources, decides, scales their targets, and says so \
in their status, where states are kept, too. Of several replicas one does so at a time, or each for a part of \
the policies, by leases.

The cluster is the one of the kubeconfig, or the one that it runs in. A replica is told apart by POD_NAME, and has \
its leases in POD_NAMESPACE, where these variables are set. The file is read once: restart to change it. SIGTERM \
and SIGINT finish what is under way, save states and give leases back.

What it does is told on standard error, as much as the variable TRIMTAB_LOG says (default `info`), and at \
`listen`: `/healthz`, `/readyz`, `/metrics` for Prometheus, and what `trimtab status`, `explain` and `top` ask.

Examples:
  trimtab controller --config controller.yaml
  trimtab controller --config controller.yaml --check";

#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// How it goes about it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only say whether the file can be used
    #[arg(long)]
    pub(crate) check: bool,
}
