//! The recorded outputs of the real Kubernetes code, line by line.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;
use trimtab_metric::Quantity;

/// The folder of shared vectors: `TRIMTAB_SHARED`, or `shared` beside the project's root.
fn shared() -> PathBuf {
    match std::env::var_os("TRIMTAB_SHARED") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

fn describe(line: &Value) -> Result<(), String> {
    let text = line["s"].as_str().ok_or("no `s`")?;
    let refused = line["error"] == true;
    let quantity: Quantity = match text.parse() {
        Ok(_) if refused => return Err(format!("`{text}` was accepted")),
        Ok(quantity) => quantity,
        Err(_) if refused => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let canonical = quantity.canonical();
    let got = [
        ("milli", quantity.milli().to_string()),
        ("canonical", quantity.to_string()),
        ("canonical_milli", canonical.milli().to_string()),
    ];
    for (field, got) in got {
        if line[field] != got.as_str() {
            return Err(format!("`{text}` {field}: got {got}, recorded {}", line[field]));
        }
    }
    let floats =
        [("approx_f64", quantity.approx_f64()), ("canonical_approx_f64", canonical.approx_f64())];
    for (field, got) in floats {
        if line[field].as_f64() != Some(got) {
            return Err(format!("`{text}` {field}: got {got}, recorded {}", line[field]));
        }
    }
    if line["sign"] != quantity.signum() {
        return Err(format!("`{text}` sign: got {}, recorded {}", quantity.signum(), line["sign"]));
    }
    Ok(())
}

#[test]
fn every_recorded_line_is_reproduced() {
    let path = shared().join("conformance/hpa_quantity.jsonl.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: no vectors at {}", path.display());
        return;
    };
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let mut failures = Vec::new();
    let mut count = 0;
    for line in lines {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        count += 1;
        if let Err(reason) = describe(&line) {
            failures.push(format!("{}: {reason}", line["id"]));
        }
    }
    println!("{count} lines, {} failures", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 0);
}
