//! The browser that the tests of the report need: where it is, and how to get it.

use std::env;

use crate::debian::{self, on_path};
use crate::project::Project;

/// Names the browser to use; the tests read it too.
const NAMED: &str = "CHROMIUM";

/// The variable that tells the tests, once there is one, that to find none is a failure.
pub(crate) const REQUIRED: &str = "TRIMTAB_REQUIRE_BROWSER";

/// Finds a Chromium, else installs Debian's where that can be done.
/// The error says what is missing and how to get it.
pub(crate) fn find_or_install(project: &Project) -> Result<(), String> {
    if is_there() {
        return Ok(());
    }
    let missing = format!(
        "no Chromium in {NAMED} or on the path: the report is not tested in a browser; get it with `apt-get install chromium` or name one in {NAMED}"
    );
    debian::install(project, "chromium", missing, is_there)
}

fn is_there() -> bool {
    env::var_os(NAMED).is_some()
        || ["chromium", "chromium-browser", "google-chrome"].into_iter().any(on_path)
}
