//! No manifest makes lint fail: those of its tests with lines gone, doubled, swapped and changed.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use trimtab_manifest::{Colour, Source, lint};

use crate::work::Work;

/// The lines of all manifests of the rules, file by file.
static MANIFESTS: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.map(|text| text.lines().map(str::to_owned).collect()).collect()
});

/// Values that no field expects.
const ODD: [&str; 14] = [
    "-1",
    "0",
    "9223372036854775807",
    "9223372036854775808",
    "1e400",
    "-0.0",
    ".nan",
    "[]",
    "{}",
    "[[{}]]",
    "\"\"",
    "null",
    "100Ei",
    "{a: [1, {b: c}]}",
];

#[derive(Clone, Debug)]
enum Change {
    Remove(usize),
    Double(usize),
    Swap(usize, usize),
    Value(usize, usize),
    Indent(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let line = 0_usize..400;
    prop_oneof![
        line.clone().prop_map(Change::Remove),
        line.clone().prop_map(Change::Double),
        (line.clone(), line.clone()).prop_map(|(one, other)| Change::Swap(one, other)),
        (line.clone(), 0..ODD.len()).prop_map(|(line, odd)| Change::Value(line, odd)),
        (line.clone(), 0..ODD.len()).prop_map(|(line, odd)| Change::Value(line, odd)),
        line.prop_map(Change::Indent),
    ]
}

fn changed(mut lines: Vec<String>, changes: &[Change]) -> String {
    for change in changes {
        let count = lines.len();
        if count == 0 {
            break;
        }
        match *change {
            Change::Remove(line) => drop(lines.remove(line % count)),
            Change::Double(line) => lines.insert(line % count, lines[line % count].clone()),
            Change::Swap(one, other) => lines.swap(one % count, other % count),
            Change::Value(line, odd) => {
                let line = &mut lines[line % count];
                if let Some((key, _)) = line.split_once(": ") {
                    *line = format!("{key}: {}", ODD[odd]);
                }
            }
            Change::Indent(line) => lines[line % count].insert_str(0, "  "),
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn changed_manifests(
        files in prop::collection::vec((0_usize..1000, prop::collection::vec(change(), 0..4)), 1..4),
    ) {
        let sources: Vec<Source> = files
            .iter()
            .enumerate()
            .map(|(index, (file, changes))| {
                let lines = MANIFESTS[file % MANIFESTS.len()].clone();
                Source::new(format!("{index}.yaml"), changed(lines, changes))
            })
            .collect();
        let report = lint(&sources);
        for finding in report.findings() {
            let (text, span) = (finding.source().text(), finding.span());
            prop_assert!(text.get(span.start..span.end).is_some(), "{:?}", span);
            prop_assert!(finding.position().line <= text.lines().count().max(1));
        }
        let shown = report.render(Colour::Never);
        prop_assert!(!shown.chars().any(|char| char.is_control() && char != '\n'), "{:?}", shown);
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        let _ = lint(&[Source::new("any.yaml", text)]);
    }
}

/// Thousands of documents that all mean each other.
#[test]
fn many_documents_end() {
    let work = Work::begin();
    let mut text = String::new();
    for index in 0..1500 {
        let name = index % 40;
        text.push_str(&format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: h{index}}}\nspec: \
             {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: d{name}}}, maxReplicas: 1}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{name}}}\nspec: {{template: {{metadata: {{labels: \
             {{app: a}}}}, spec: {{containers: [{{name: a, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}}}}}\n---\n\
             apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: p{index}}}\nspec: {{maxUnavailable: 0, \
             selector: {{matchLabels: {{app: b}}}}}}\n---\n"
        ));
    }
    text.push_str(&"# trimtab: allow(refused) why\n".repeat(20_000));
    let report = lint(&[Source::new("many.yaml", text)]);
    assert!(report.errors().is_empty() && report.left_out() > 0);
    assert!(report.render(Colour::Never).len() < 20 << 20);
    work.takes_less_than(60.0);
}

/// A line without end is not shown again and again.
#[test]
fn one_long_line_ends() {
    let item = "{\"apiVersion\":\"autoscaling/v2\",\"kind\":\"HorizontalPodAutoscaler\",\"metadata\":{\"name\":\"h\"},\
                \"spec\":{\"maxReplicas\":1}}";
    let items = vec![item; 3000].join(",");
    let text = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{items}]}}");
    let report = lint(&[Source::new("line.json", text)]);
    assert!(report.findings().len() > 1000);
    assert!(report.render(Colour::Never).len() < 4 << 20);
}
