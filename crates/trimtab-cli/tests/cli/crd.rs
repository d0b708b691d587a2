//! `trimtab crd`: what is in `deploy/crd`.

use std::path::Path;

use crate::command::trimtab;

#[test]
fn it_prints_the_definition() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crd/scalingpolicies.yaml");
    let golden = std::fs::read_to_string(path).unwrap();
    let done = trimtab(["crd"]).assert().success();
    assert!(done.get_output().stdout == golden.as_bytes(), "run `cargo xtask generate`");
}
