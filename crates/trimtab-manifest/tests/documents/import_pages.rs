//! The pages of the peers against the importers: a field that the code asks for stands on its page.

use std::path::{Path, PathBuf};

/// Every text in quotes in the code of an importer.
fn texts(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let code = std::fs::read_to_string(file).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        texts.extend(code.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    texts
}

/// Whether a text looks like a field: `maxReplicaCount`, `min-scale`, `spec`-less and in one word.
fn is_field(text: &str) -> bool {
    let joined = text.contains('-') || text.chars().any(|char| char.is_ascii_uppercase());
    let starts = text.starts_with(|char: char| char.is_ascii_lowercase());
    let ends = text.ends_with(|char: char| char.is_ascii_alphabetic());
    let word = text.chars().all(|char| char.is_ascii_alphabetic() || char == '-');
    joined && starts && ends && word && text != "camelCase"
}

/// That a page has every field of an importer, but for these.
fn has_every_field(importer: &str, page: &str, but: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page_text =
        std::fs::read_to_string(root.join(format!("../../docs/src/reference/peers/{page}.md")))
            .unwrap();
    let all = texts(&root.join("src/import").join(importer));
    let mut fields: Vec<&String> = all.iter().filter(|text| is_field(text)).collect();
    fields.sort();
    fields.dedup();
    assert!(fields.len() > 5, "{importer}: {fields:?}");
    fields.retain(|field| !but.contains(&field.as_str()) && !page_text.contains(field.as_str()));
    assert!(fields.is_empty(), "{page}.md lacks {fields:?}");
}

#[test]
fn of_the_hpa() {
    // Fields of a behavior, which a policy has under the same names.
    let behavior =
        ["scaleUp", "scaleDown", "selectPolicy", "periodSeconds", "stabilizationWindowSeconds"];
    has_every_field("hpa", "hpa", &behavior);
}

#[test]
fn of_knative() {
    let old = [
        "initialScale",
        "maxScale",
        "targetUtilizationPercentage",
        "scaleDownDelay",
        "panicWindowPercentage",
        "panicThresholdPercentage",
        "targetBurstCapacity",
        "scaleToZeroPodRetentionPeriod",
        "metricAggregationAlgorithm",
        "progressDeadline",
        // What a policy and KServe call things.
        "scaleUp",
        "scaleDown",
        "weighted-exponential",
        "weightedExponential",
        "pod-autoscaler-class",
    ];
    has_every_field("knative", "knative", &old);
}

#[test]
fn of_kserve() {
    has_every_field("kserve", "kserve", &[]);
}

#[test]
fn of_keda() {
    // The scalers' own fields are in a table of the code.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scalers = std::fs::read_to_string(root.join("src/import/keda/scalers.rs")).unwrap();
    let scalers: Vec<&str> = scalers.split('"').skip(1).step_by(2).collect();
    has_every_field("keda", "keda", &scalers);
}

#[test]
fn of_ray_serve() {
    has_every_field("ray", "ray-serve", &[]);
}
