//! Findings as SARIF 2.1.0, for code scanning.

use std::io::Write;

use serde_json::{Value, json};
use trimtab_manifest::{Finding, Report, Rule, Severity};

use super::json::{Place, place, unreadable};
use crate::error::CommandError;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(
    report: &Report,
    unread: &[CommandError],
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let rules: Vec<&Rule> = Rule::all().collect();
    let failed = unreadable(report, unread);
    let notifications: Vec<Value> = failed
        .iter()
        .map(|problem| {
            let places: Vec<Value> = problem.place.iter().map(location).collect();
            json!({
                "level": "error",
                "message": {"text": problem.message},
                "locations": places,
            })
        })
        .collect();
    let results: Vec<Value> =
        report.findings().iter().map(|finding| result(finding, &rules)).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "trimtab",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": failed.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": {"text": rule.summary()},
        "fullDescription": {"text": rule.why()},
        "help": {"text": rule.fix(), "markdown": format!("{}\n\n{}", rule.why(), rule.fix())},
        "helpUri": super::rule_page(rule.id()),
        "defaultConfiguration": {"level": level(rule.severity())},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn result(finding: &Finding, rules: &[&Rule]) -> Value {
    let rule = finding.rule();
    let mut text = finding.message().to_owned();
    if let Some(help) = finding.help() {
        text.push('\n');
        text.push_str(help);
    }
    let own = place(finding.source(), finding.position(), finding.span());
    let mut location = location(&own);
    if let (Some(location), false) = (location.as_object_mut(), finding.field().is_empty()) {
        let names = json!([{"fullyQualifiedName": finding.field(), "kind": "member"}]);
        location.insert(String::from("logicalLocations"), names);
    }
    let related: Vec<Value> = finding
        .related()
        .iter()
        .enumerate()
        .map(|(index, related)| {
            let place = place(related.source(), related.position(), related.span());
            json!({
                "id": index,
                "message": {"text": related.message()},
                "physicalLocation": physical(&place),
            })
        })
        .collect();
    json!({
        "ruleId": rule.id(),
        "ruleIndex": rules.iter().position(|other| *other == rule),
        "level": level(finding.severity()),
        "message": {"text": text},
        "locations": [location],
        "relatedLocations": related,
    })
}

fn location(place: &Place) -> Value {
    json!({"physicalLocation": physical(place)})
}

fn physical(place: &Place) -> Value {
    json!({
        "artifactLocation": {"uri": uri(&place.file)},
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.line,
            "endColumn": place.end_column,
        },
    })
}

/// A path as a reference: relative ones stay so.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            b'\\' => uri.push('/'),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_references() {
        assert_eq!(uri("./a b/ü.yaml"), "a%20b/%C3%BC.yaml");
        assert_eq!(uri("/srv/hpa.yaml"), "file:///srv/hpa.yaml");
        assert_eq!(uri("a:b"), "a%3Ab");
    }
}
