//! What `trimtab sweep` can be asked.

use std::path::PathBuf;

use clap::Args;
use trimtab_sim::sweep::Axis;

use crate::backtest::args::{OutputArgs, SettingArgs};

pub(crate) const SWEEP_EXAMPLES: &str = "\
Examples:
  trimtab sweep --policy hpa.yaml --set 'spec.metrics[0].pods.target.averageValue=2,4,8,16'
  trimtab sweep --policy hpa.yaml --set 'metrics[0].pods.target.averageValue=log:1..64/7' \\
    --set behavior.scaleDown.stabilizationWindowSeconds=60..600/4 --write-best tuned.yaml";

pub(crate) const SWEEP_LONG: &str = "\
Every combination of the values is one policy, which is tried as `trimtab backtest` tries it: see there \
for the loads, the signals and the model. Of each comparison the front is shown, which are those that \
no other beats in both attainment and cost, and the best of each policy: the cheapest that meets every \
objective.

Fields are paths from the policy's `spec`; one that is absent is added, but items of lists have to be \
there. Values:
  FIELD=A,B,C                these
  FIELD=LOW..HIGH/COUNT      so many from LOW to HIGH, evenly apart
  FIELD=log:LOW..HIGH/COUNT  so many, each the same multiple of the one before
  NAME:FIELD=VALUES          for the policy NAME alone; without, for every policy

Examples:
  trimtab sweep --policy hpa.yaml --set 'spec.metrics[0].pods.target.averageValue=2,4,8,16'
  trimtab sweep --policy hpa.yaml --set 'metrics[0].pods.target.averageValue=log:1..64/7' \\
    --set behavior.scaleDown.stabilizationWindowSeconds=60..600/4 --write-best tuned.yaml";

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// File with policies, all of which are tuned; may be repeated
    #[arg(long = "policy", value_name = "FILE", required = true)]
    pub(crate) policies: Vec<PathBuf>,
    /// Only the policies of this `metadata.name`; may be repeated
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// A field and the values to try; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUES", required = true)]
    pub(crate) axes: Vec<Axis>,
    /// Try so many combinations of each policy, by chance, instead of all of them
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) random: Option<u16>,
    #[command(flatten)]
    pub(crate) setting: SettingArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Write the best tuning of each policy, as documents that `--policy` reads; of several
    /// comparisons, `-1`, `-2` and so on are put before the extension
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) write_best: Option<PathBuf>,
}
