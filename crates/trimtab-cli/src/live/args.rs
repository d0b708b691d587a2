//! What `trimtab status`, `explain` and `top` can be asked.

use clap::Args;

pub(crate) const STATUS_EXAMPLES: &str = "\
Examples:
  trimtab status
  trimtab status --server http://trimtab.monitoring:9464 --json";

pub(crate) const TOP_EXAMPLES: &str = "\
Examples:
  trimtab top
  trimtab top --server http://trimtab.monitoring:9464";

/// Which process is asked.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where `trimtab run` listens
    #[arg(
        long,
        value_name = "URL",
        env = "TRIMTAB_SERVER",
        default_value = "http://127.0.0.1:9464"
    )]
    pub(crate) server: String,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// How often it asks, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) every: u64,
    /// Print one picture, as wide as the terminal, and end
    #[arg(long)]
    pub(crate) once: bool,
}
