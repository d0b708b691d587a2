//! The API server's verdicts, recorded from Kubernetes: same fields, same types of errors.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use serde::Deserialize;
use trimtab_engine::{FeatureGatesSpec, HpaSpec, Policy, PolicySpec};
use trimtab_manifest::{Limits, Source, from_str};

#[derive(Deserialize)]
struct Vector {
    id: String,
    scale_to_zero: bool,
    spec: PolicySpec,
    errors: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    field: String,
    r#type: String,
}

#[test]
fn verdicts_are_the_api_servers() {
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("conformance/hpa_validation.jsonl.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: there are no vectors at {}", path.display());
        return;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    assert!(text.lines().count() >= 150);
    for line in text.lines() {
        let vector: Vector = from_str(&Source::new("vector", line), &Limits::default()).unwrap();
        let mut spec = vector.spec;
        let gate = FeatureGatesSpec {
            hpa_scale_to_zero: Some(vector.scale_to_zero),
            ..Default::default()
        };
        spec.hpa = Some(HpaSpec { feature_gates: Some(gate), ..HpaSpec::default() });
        let found: BTreeSet<_> = match Policy::new(spec) {
            Ok(_) => BTreeSet::new(),
            Err(invalid) => invalid
                .errors()
                .iter()
                .map(|error| (error.field().to_owned(), error.kind().api_type().to_owned()))
                .collect(),
        };
        let expected: BTreeSet<_> =
            vector.errors.into_iter().map(|verdict| (verdict.field, verdict.r#type)).collect();
        assert_eq!(found, expected, "{}", vector.id);
    }
}
