//! Comments that let a finding pass: `# trimtab: allow(RULE) reason`.
//!
//! At the end of a line or alone before it, one is about that line; alone before the first line of a
//! document, about the whole document.

use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use crate::node::shortened;
use crate::{Limits, Source, Span, suggest, yaml};

pub(super) static RULES: &[&Rule] = &[&ALLOW_WITHOUT_REASON, &UNUSED_ALLOW, &UNKNOWN_ALLOW];

static ALLOW_WITHOUT_REASON: Rule = Rule {
    id: "allow-without-reason",
    severity: Severity::Warning,
    summary: "an allow comment that does not say why",
    why: "whoever reads it later has to know whether the reason still holds",
    fix: "Write the reason behind the parenthesis: `# trimtab: allow(too-few-replicas) a staging copy`.",
    check: |_, _| {},
};

static UNUSED_ALLOW: Rule = Rule {
    id: "unused-allow",
    severity: Severity::Warning,
    summary: "an allow comment that lets nothing pass",
    why: "what it was for is gone or is on another line, and it would hide the next finding of its rule \
          (of rules that look at several documents this is not told: some may be elsewhere)",
    fix: "Remove it, or put it on the line of the finding, on the one before, or at the top of the \
          document.",
    check: |_, _| {},
};

static UNKNOWN_ALLOW: Rule = Rule {
    id: "unknown-allow",
    severity: Severity::Warning,
    summary: "an allow comment of a rule that there is not",
    why: "it lets nothing pass, and what it was written for is reported or was never there",
    fix: "Write `# trimtab: allow(RULE) reason` with the id that the finding has in brackets.",
    check: |_, _| {},
};

/// One comment.
struct Allow {
    source: usize,
    span: Span,
    /// The lines that it is about: its own and the next one that is no comment.
    own_line: usize,
    next_line: Option<usize>,
    ids: Vec<Id>,
    has_reason: bool,
}

struct Id {
    rule: &'static Rule,
    used: bool,
}

/// Takes out what is allowed, adds what is wrong with the comments, and says how many it took out.
pub(super) fn apply(findings: &mut Findings<'_>, limits: &Limits, readable: &[bool]) -> usize {
    let mut allows = Vec::new();
    for (index, source) in findings.sources.iter().enumerate() {
        if readable.get(index) == Some(&true) && source.text().contains(MARK) {
            read(index, source, limits, findings, &mut allows);
        }
    }
    if allows.is_empty() {
        return 0;
    }
    let before = findings.found.len();
    let found = std::mem::take(&mut findings.found);
    let kept = found.into_iter().filter(|finding| !is_allowed(finding, &mut allows));
    findings.found = kept.collect();
    let allowed = before.saturating_sub(findings.found.len());
    for allow in &allows {
        report(allow, findings);
    }
    allowed
}

fn report(allow: &Allow, findings: &mut Findings<'_>) {
    if !allow.has_reason && !allow.ids.is_empty() {
        findings
            .add_at(&ALLOW_WITHOUT_REASON, allow.source, allow.span, "this does not say why")
            .help("write the reason behind the parenthesis");
    }
    // What there was no room for may have been what it is for.
    let full = findings.left_out > 0;
    let unused = allow.ids.iter().filter(|id| !id.used && !full && LOCAL.contains(&id.rule.id()));
    let unused: Vec<String> = unused.map(|id| format!("`{}`", id.rule.id())).collect();
    if !unused.is_empty() {
        let message = format!("there is no {} to let pass here", unused.join(" and no "));
        findings
            .add_at(&UNUSED_ALLOW, allow.source, allow.span, message)
            .help("remove it, or move it to the line that it is about");
    }
}

/// Rules that look at one document alone. The others may look at one that is not there this time, so what
/// allows them is not unused for that.
const LOCAL: [&str; 26] = [
    "gpu-utilization-only",
    "renamed-metric",
    "mistyped-metric",
    "share-out-of-reach",
    "query-without-sum",
    "average-divided-again",
    "counter-without-rate",
    "knative-target-above-limit",
    "ray-target-above-limit",
    "ray-never-scales",
    "nothing-to-scale",
    "scale-down-unlimited",
    "scale-up-window-too-long",
    "scaling-disabled",
    "percent-of-zero",
    "rate-limit-overflows",
    "tolerance-too-wide",
    "cooldown-without-effect",
    "cached-metrics-late",
    "target-not-scalable",
    "refused",
    "objective-out-of-reach",
    "gpu-without-limit",
    "gpu-limit-not-request",
    "gpu-not-whole",
    "pre-stop-outlasts-grace",
];

const MARK: &str = "trimtab:";

/// The allow comments of a source; what cannot be understood is a finding.
fn read(
    index: usize,
    source: &Source,
    limits: &Limits,
    findings: &mut Findings<'_>,
    allows: &mut Vec<Allow>,
) {
    let lines = Lines::of(source.text());
    for span in yaml::comments(source, limits) {
        let text = source.text().get(span.start..span.end).unwrap_or_default();
        let Some(said) = text.trim_start_matches('#').trim().strip_prefix(MARK) else { continue };
        let line = lines.at(span.start);
        let parsed = parse(said.trim());
        let Some((names, reason)) = parsed else {
            findings
                .add_at(&UNKNOWN_ALLOW, index, span, "this is no allow comment")
                .help("write `# trimtab: allow(RULE) reason`");
            continue;
        };
        let mut ids = Vec::new();
        for name in names {
            match Rule::named(name) {
                Some(rule) if !RULES.contains(&rule) => ids.push(Id { rule, used: false }),
                Some(_) => {
                    let message = format!("`{name}` is about these comments and cannot be allowed");
                    findings.add_at(&UNKNOWN_ALLOW, index, span, message).help("remove it");
                }
                None => unknown(name, index, span, findings),
            }
        }
        let alone = lines.before(source.text(), span.start).trim().is_empty();
        let next_line = if alone { lines.next_content(line) } else { None };
        let has_reason = !reason.is_empty();
        allows.push(Allow { source: index, span, own_line: line, next_line, ids, has_reason });
    }
}

fn unknown(name: &str, index: usize, span: Span, findings: &mut Findings<'_>) {
    let known: Vec<&str> = Rule::all().map(Rule::id).collect();
    let message = format!("there is no rule `{}`", shortened(name));
    let help = match suggest::nearest(name, &known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => String::from("`trimtab lint --list` shows all rules"),
    };
    findings.add_at(&UNKNOWN_ALLOW, index, span, message).help(help);
}

/// `allow(a, b) reason`.
fn parse(said: &str) -> Option<(Vec<&str>, &str)> {
    let (names, reason) =
        said.strip_prefix("allow")?.trim_start().strip_prefix('(')?.split_once(')')?;
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let reason = reason.trim_start_matches([':', '-', ' ']).trim();
    names.iter().all(|name| !name.is_empty()).then_some((names, reason))
}

fn is_allowed(finding: &Finding, allows: &mut [Allow]) -> bool {
    let place = &finding.place;
    let line = place.position.line;
    let mut allowed = false;
    for allow in allows.iter_mut().filter(|allow| allow.source == place.index) {
        let here = allow.own_line == line
            || allow.next_line == Some(line)
            || allow.next_line == Some(place.document_line);
        for id in allow.ids.iter_mut().filter(|id| here && id.rule == finding.rule()) {
            id.used = true;
            allowed = true;
        }
    }
    allowed
}

/// The lines of a text.
struct Lines {
    /// Where each starts.
    starts: Vec<usize>,
    /// Of each the next one behind it that holds something.
    next: Vec<Option<usize>>,
}

impl Lines {
    fn of(text: &str) -> Self {
        let (mut starts, mut holds) = (Vec::new(), Vec::new());
        let mut at = 0_usize;
        for line in text.split('\n') {
            starts.push(at);
            at = at.saturating_add(line.len()).saturating_add(1);
            let line = line.trim();
            holds.push(!line.is_empty() && !line.starts_with('#') && line != "---");
        }
        let mut next = Vec::new();
        let mut following = None;
        for (index, holds) in holds.iter().enumerate().rev() {
            next.push(following);
            if *holds {
                following = Some(index.saturating_add(1));
            }
        }
        next.reverse();
        Self { starts, next }
    }

    /// The line of an offset, from 1.
    fn at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// What stands before an offset in its line.
    fn before<'t>(&self, text: &'t str, offset: usize) -> &'t str {
        let start = self.at(offset).checked_sub(1).and_then(|line| self.starts.get(line).copied());
        start.and_then(|start| text.get(start..offset)).unwrap_or_default()
    }

    /// The next line that holds something.
    fn next_content(&self, line: usize) -> Option<usize> {
        *self.next.get(line.checked_sub(1)?)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_as_they_are_written() {
        assert_eq!(parse("allow(a) why"), Some((vec!["a"], "why")));
        assert_eq!(parse("allow (a, b): why not"), Some((vec!["a", "b"], "why not")));
        assert_eq!(parse("allow(a)"), Some((vec!["a"], "")));
        assert_eq!(parse("allow()"), None);
        assert_eq!(parse("allow a"), None);
    }

    #[test]
    fn rules_of_one_document_are_rules() {
        for id in LOCAL {
            assert!(Rule::named(id).is_some(), "{id}");
        }
    }

    #[test]
    fn lines_of_a_text() {
        let text = "# a\n\n---\nb: 1 # c\n";
        let lines = Lines::of(text);
        assert_eq!((lines.at(0), lines.at(4), lines.at(9)), (1, 2, 4));
        assert_eq!(lines.next_content(1), Some(4));
        assert_eq!(lines.next_content(4), None);
        assert_eq!(lines.before(text, 14), "b: 1 ");
    }
}
