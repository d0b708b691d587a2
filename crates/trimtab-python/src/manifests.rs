//! Manifests of other autoscalers: `import_manifest` and `lint`, as plain values.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use trimtab_manifest::{
    Colour, Finding, Imported, ImportedPolicy, Note, NoteKind, PolicyKind, Position, Severity,
    Source, Span, import, lint,
};

use crate::error::{Fault, Kind};
use crate::plain;
use crate::policy::Policy;

/// What the manifests of a text say as policies.
#[pyfunction]
#[pyo3(signature = (text, file, slo, lead_time))]
pub(crate) fn _import<'py>(
    text: &Bound<'py, PyAny>,
    file: Option<&str>,
    slo: bool,
    lead_time: Option<i32>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = text.py();
    let bytes = plain::bytes_of(text)?;
    let name = file.unwrap_or("<text>");
    let imported = py.detach(|| -> Result<Imported, _> {
        let imported = import(&Source::from_bytes(name, &bytes)?)?;
        if slo { imported.propose_slo(lead_time) } else { Ok(imported) }
    });
    let imported =
        imported.map_err(|error| Fault::of_document(&error, file).raise(py, Kind::Manifest))?;
    let policies = PyList::empty(py);
    for policy in &imported.policies {
        policies.append(imported_policy(py, policy)?)?;
    }
    let skipped = imported.skipped.iter().map(|skip| format!("{}: {}", skip.what, skip.why));
    let said = [imported.render_notes(Colour::Never), imported.render_changes()];
    let said: Vec<&str> =
        said.iter().map(|text| text.trim_end()).filter(|text| !text.is_empty()).collect();
    let found = PyDict::new(py);
    found.set_item("policies", policies)?;
    found.set_item("skipped", skipped.collect::<Vec<_>>())?;
    found.set_item("notes", notes(py, &imported.notes)?)?;
    found.set_item("yaml", imported.to_yaml())?;
    found.set_item("text", said.join("\n\n"))?;
    Ok(found)
}

fn imported_policy<'py>(py: Python<'py>, made: &ImportedPolicy) -> PyResult<Bound<'py, PyDict>> {
    let policy = Policy::new(made.policy.clone(), made.metadata.clone(), PolicyKind::ScalingPolicy);
    let one = PyDict::new(py);
    one.set_item("kind", made.kind.to_string())?;
    one.set_item("policy", policy)?;
    one.set_item("notes", notes(py, &made.notes)?)?;
    one.set_item("yaml", made.to_yaml())?;
    Ok(one)
}

fn notes<'py>(py: Python<'py>, notes: &[Note]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for note in notes {
        let kind = match note.kind {
            NoteKind::NoCounterpart => "noCounterpart",
            NoteKind::Assumed => "assumed",
            _ => "defect",
        };
        let one = PyDict::new(py);
        one.set_item("kind", kind)?;
        one.set_item("message", &note.message)?;
        one.set_item("field", &note.field)?;
        one.set_item("policy_field", &note.policy_field)?;
        one.set_item("line", note.position.line)?;
        one.set_item("column", note.position.column)?;
        list.append(one)?;
    }
    Ok(list)
}

/// What is wrong with texts, each with what it is called.
#[pyfunction]
pub(crate) fn _lint<'py>(
    py: Python<'py>,
    sources: Vec<(Bound<'py, PyAny>, String)>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut texts = Vec::new();
    for (text, name) in &sources {
        texts.push((plain::bytes_of(text)?, name));
    }
    let (report, unread) = py.detach(|| {
        let (mut readable, mut unread) = (Vec::new(), Vec::new());
        for (bytes, name) in texts {
            match Source::from_bytes(name.as_str(), &bytes) {
                Ok(source) => readable.push(source),
                Err(error) => unread.push(error.to_string()),
            }
        }
        (lint(&readable), unread)
    });
    let findings = PyList::empty(py);
    for one in report.findings() {
        findings.append(finding(py, one)?)?;
    }
    let unreadable = unread.into_iter().chain(report.errors().iter().map(ToString::to_string));
    let found = PyDict::new(py);
    found.set_item("findings", findings)?;
    found.set_item("unreadable", unreadable.collect::<Vec<_>>())?;
    found.set_item("documents", report.documents())?;
    found.set_item("allowed", report.allowed())?;
    Ok(found)
}

fn finding<'py>(py: Python<'py>, finding: &Finding) -> PyResult<Bound<'py, PyDict>> {
    let related = PyList::empty(py);
    for other in finding.related() {
        related.append((
            other.message(),
            place(py, other.source(), other.position(), other.span())?,
        ))?;
    }
    let rule = finding.rule();
    let severity = match finding.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let one = place(py, finding.source(), finding.position(), finding.span())?;
    one.set_item("rule", rule.id())?;
    one.set_item("severity", severity)?;
    one.set_item("message", finding.message())?;
    one.set_item("field", finding.field())?;
    one.set_item("why", rule.why())?;
    one.set_item("help", finding.help())?;
    one.set_item("related", related)?;
    one.set_item("documentation", trimtab_cli::rule_page(rule.id()))?;
    one.set_item("text", finding.render(Colour::Never))?;
    Ok(one)
}

/// A place as editors count it: from 1, in characters; the end is behind the last one.
fn place<'py>(
    py: Python<'py>,
    source: &Source,
    position: Position,
    span: Span,
) -> PyResult<Bound<'py, PyDict>> {
    let text = source.text().get(span.start..span.end).unwrap_or_default();
    let one = PyDict::new(py);
    one.set_item("file", source.name())?;
    one.set_item("line", position.line)?;
    one.set_item("column", position.column)?;
    one.set_item("end_column", position.column.saturating_add(text.chars().count()))?;
    Ok(one)
}
