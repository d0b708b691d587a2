//! The presets in `examples/presets`: read, bound to what servers publish, and fit to serve.

use std::fs;
use std::path::Path;

use crate::command::trimtab;

#[test]
fn every_preset_serves_within_the_objective() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/presets");
    let mut presets: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| !path.to_str().unwrap().ends_with("_test.yaml"))
        .collect();
    presets.sort();
    assert_eq!(presets.len(), 7, "{presets:?}");
    for preset in presets {
        assert!(fs::read_to_string(&preset).unwrap().contains("strategy: slo"));
        trimtab(["backtest", "--duration", "15m", "--fail-on-miss", "--policy"])
            .arg(&preset)
            .assert()
            .success()
            .stderr_eq("");
    }
}
