//! The alerts and the dashboard among the examples ask for what is there.

#[cfg(test)]
mod ports;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ports::{Bench, pass};

#[cfg(test)]
fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/observability").join(name)
}

/// What `promtool` says, if there is one.
#[cfg(test)]
fn promtool(arguments: &[&str], input: Stdio) -> Option<Output> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(input).current_dir(example(""));
    let output = command.output().ok();
    if output.is_none() {
        println!("skipped: `promtool`, which comes with Prometheus, can't be run");
    }
    output
}

#[cfg(test)]
fn passes(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_alerts_pass_their_tests() {
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts-tests.yaml"]] {
        if let Some(output) = promtool(&arguments, Stdio::null()) {
            passes(&output);
        }
    }
}

/// The names that begin with `trimtab_` in a text.
#[cfg(test)]
fn names(text: &str) -> BTreeSet<String> {
    let part = |char: char| char.is_ascii_lowercase() || char == '_';
    text.split(|char| !part(char))
        .filter(|word| word.starts_with("trimtab_"))
        .map(|word| {
            let word = word.strip_suffix("_bucket").unwrap_or(word);
            String::from(word)
        })
        .collect()
}

/// What a controller gives once everything has happened.
#[cfg(test)]
async fn metrics() -> String {
    let bench = Bench::new(2, 80);
    *bench.shelf.is_full.lock().unwrap() = true;
    bench.pool.fail(trimtab_runtime::TargetError::Refused(String::from("quota")), 1);
    pass(40).await;
    *bench.shelf.is_full.lock().unwrap() = false;
    bench.queue.fail(trimtab_runtime::SourceError::Empty(String::from("no series")));
    pass(40).await;
    bench.controller.metrics_text()
}

#[tokio::test(start_paused = true)]
async fn alerts_and_dashboard_ask_for_what_is_there() {
    let text = metrics().await;
    let there = names(&text);
    for file in ["alerts.yaml", "alerts-tests.yaml", "dashboard.json"] {
        let asked = names(&std::fs::read_to_string(example(file)).unwrap());
        assert!(!asked.is_empty());
        let absent: Vec<_> = asked.difference(&there).collect();
        assert!(absent.is_empty(), "{file} asks for {absent:?}, and there is\n{text}");
    }
    let dashboard = std::fs::read_to_string(example("dashboard.json")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&dashboard).is_ok());
}

#[tokio::test(start_paused = true)]
async fn prometheus_can_read_what_is_told() {
    let text = metrics().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    // Text as it was before OpenMetrics, which `promtool` reads: the same but for the end and the units.
    let plain: Vec<&str> = text.lines().filter(|line| !line.starts_with("# EOF")).collect();
    std::fs::write(file.path(), plain.join("\n") + "\n").unwrap();
    let input = std::fs::File::open(file.path()).unwrap();
    if let Some(output) = promtool(&["check", "metrics"], Stdio::from(input)) {
        // That counters have their help under a name without `_total` is how OpenMetrics has it.
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.contains("error while linting"), "{told}");
    }
}
