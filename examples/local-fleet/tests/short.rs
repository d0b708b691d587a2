//! The whole of it, in less than a minute: real servers, a real Prometheus, no stream cut.

use std::path::Path;
use std::process::Command;

#[test]
fn the_fleet_follows_the_load_and_cuts_no_stream() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("local-fleet");
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab-local-fleet"))
        .args(["--short", "--directory"])
        .arg(&directory)
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        println!("{err}");
        return;
    }
    let log = std::fs::read_to_string(directory.join("run/trimtab.log")).unwrap_or_default();
    assert!(output.status.success(), "{out}{err}{log}");
    assert!(out.contains("no stream was cut"), "{out}");
    println!("{out}");
}
