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

pub(crate) const KEDA_EXAMPLES: &str = "\
Examples:
  trimtab keda-scaler --config trimtab.yaml
  trimtab keda-scaler --config trimtab.yaml --check";

pub(crate) const KEDA_LONG: &str = "\
Drives the workloads of a file as `trimtab run` does, and lets an existing KEDA scale them: each has \
`target: {keda: {}}`, and `grpc` says where KEDA asks. A ScaledObject names that address and the workload in a trigger \
of type `external` or `external-push`:

  triggers:
  - type: external-push
    metadata: {scalerAddress: trimtab.keda:9465, workload: inference/llm}

Its `behavior` has to leave windows, limits and tolerance to the policy; the reference has the whole of it. What is \
not known is an error to KEDA, and scales nothing.

The server has gRPC's health protocol, and TLS where `grpc.tls` names files; those are read anew when they change. \
Everything else is as with `trimtab run`.

Examples:
  trimtab keda-scaler --config trimtab.yaml
  trimtab keda-scaler --config trimtab.yaml --check";

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// What is scaled, and how
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only say whether the file and all that it names can be used
    #[arg(long)]
    pub(crate) check: bool,
}
