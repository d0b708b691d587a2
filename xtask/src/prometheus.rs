//! The Prometheus that tests of its adapter ask: where it is, and how to get it.

use crate::debian::{self, on_path};
use crate::project::Project;

/// The variable that tells the tests, once there is one, that to find none is a failure.
pub(crate) const REQUIRED: &str = "TRIMTAB_REQUIRE_PROMETHEUS";

/// Finds Prometheus and its tool on the path, else installs Debian's where that can be done.
/// The error says what is missing and how to get it.
pub(crate) fn find_or_install(project: &Project) -> Result<(), String> {
    if is_there() {
        return Ok(());
    }
    let missing = String::from(
        "no `prometheus` and `promtool` on the path: the adapter is tested against servers that fail, and not against a real one; \
         get them with `apt-get install prometheus`",
    );
    debian::install(project, "prometheus", missing, is_there)
}

fn is_there() -> bool {
    ["prometheus", "promtool"].into_iter().all(on_path)
}
