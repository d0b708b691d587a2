//! `trimtab conform`: what its exit code says.

use crate::command::{Desk, trimtab};

/// What Kubernetes makes of the quantity `1500m`.
const VECTOR: &str = r#"{"id": "q-1", "family": "quantity", "s": "1500m", "milli": "1500",
    "approx_f64": 1.5, "canonical": "1500m", "canonical_milli": "1500",
    "canonical_approx_f64": 1.5, "sign": 1}"#;

#[test]
fn agreement_is_0_difference_is_1_and_nonsense_is_2() {
    let desk = Desk::new();
    let good = format!("{}\n", VECTOR.replace('\n', ""));
    let bad = good.replacen("\"1500\"", "\"1499\"", 1);
    let conform = |content: &str| {
        let vectors = desk.write("vectors.jsonl", content);
        trimtab(["conform", "--show", "1"]).arg(vectors).assert()
    };
    conform(&good).code(0).stderr_eq("");
    conform(&format!("{good}{bad}{bad}"))
        .code(1)
        .stdout_eq("vectors.jsonl: 1 passed, 2 failed\n  line 2 q-1: [..]\n  and 1 more\n")
        .stderr_eq("");
    conform("{}\n").code(2).stderr_eq("error: [..]\n");
    trimtab(["conform", "no-such-file"])
        .assert()
        .code(2)
        .stderr_eq("error: `no-such-file` can't be read: [..]\n");
}
