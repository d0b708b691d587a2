//! What `--suite quality` can be asked.

use clap::Args;

use crate::args::positive;

#[derive(Debug, Args)]
#[command(next_help_heading = "Suite")]
pub(crate) struct SuiteArgs {
    /// Compares `slo` with the peers, each tuned on every load, size and lead time, instead of policies
    /// of one's own (default: every scenario, at 30 s, 2 min and 5 min)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["policies", "names", "metrics", "log", "rate_scale"])]
    pub(crate) suite: Option<Suite>,
    /// How many replicas the mean load keeps busy; several are compared one by one
    #[arg(
        long,
        value_name = "COUNT",
        value_delimiter = ',',
        default_value = "12",
        value_parser = positive,
        requires = "suite"
    )]
    pub(crate) replicas: Vec<f64>,
    /// Of a load with more requests, the first so many
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3_000_000,
        value_parser = clap::value_parser!(u64).range(1..),
        requires = "suite"
    )]
    pub(crate) most_requests: u64,
    /// How many tunings of each are tried
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 120,
        value_parser = clap::value_parser!(u16).range(1..),
        requires = "suite"
    )]
    pub(crate) tunings: u16,
    /// On how many seeds everybody is tuned, from `--seed` on: the objectives have to be met on each
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..),
        requires = "suite"
    )]
    pub(crate) tuning_seeds: u8,
    /// On how many seeds after those everybody's best tuning is run, too: what just meets the objectives where
    /// it was tuned misses them elsewhere
    #[arg(long, value_name = "COUNT", default_value_t = 2, requires = "suite")]
    pub(crate) other_seeds: u8,
    /// On how many requests after the first `--most-requests` everybody's best tuning is run, too, with its
    /// `maxReplicas` lifted, and `slo` with an error budget as well: as who tunes on yesterday and runs today; 0
    /// for none (default: as many again)
    #[arg(long, value_name = "COUNT", requires = "suite")]
    pub(crate) later_requests: Option<u64>,
}

/// A comparison that is defined once for all.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// Everybody at their best tuning.
    Quality,
}
