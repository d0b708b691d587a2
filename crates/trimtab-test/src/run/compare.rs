//! One decision against what is expected of it.

use trimtab_engine::{ConditionStatus, Decision};
use trimtab_manifest::Span as Place;

use super::look::Look;
use crate::format::{ConditionWanted, Limit, Matcher, Wanted};
use crate::words;

/// What is not as expected.
pub(super) struct Mismatch {
    pub(super) code: &'static str,
    pub(super) place: Place,
    /// What was expected, as in `expected 2 replicas`.
    pub(super) expected: String,
    /// What there is, as in `got 3`.
    pub(super) got: String,
    /// What to write in place of the number to have it as it is.
    pub(super) bless: Option<Edit>,
}

/// A number in the text, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The number's place.
    pub place: Place,
    /// What to write there.
    pub text: String,
}

/// Everything in which a decision differs from what is expected.
pub(super) fn compare(matcher: &Matcher, look: &Look<'_>) -> Vec<Mismatch> {
    let decision = look.decision;
    let mut found = Vec::new();
    for (what, wanted, is) in [
        ("replicas", &matcher.replicas, decision.desired_replicas),
        ("current replicas", &matcher.current, decision.current_replicas),
    ] {
        let unmet = wanted.as_ref().and_then(|wanted| amount(wanted, f64::from(is)));
        found.extend(unmet.map(|unmet| Mismatch {
            code: "T001",
            expected: format!("{} {what}", unmet.expected),
            ..unmet
        }));
    }
    if !matcher.reasons.is_empty() {
        let there = look.words();
        for asked in &matcher.reasons {
            if !there.iter().any(|word| words::meets(word, &asked.word)) {
                found.push(Mismatch {
                    code: "T002",
                    place: asked.place,
                    expected: format!("the reason `{}`", asked.word),
                    got: list(there),
                    bless: None,
                });
            }
        }
    }
    if let Some(asked) = &matcher.limited_by {
        let limit = look.limiting();
        let met = match limit {
            Some(word) => words::meets(word, &asked.word),
            None => asked.word == "none",
        };
        if !met {
            let expected = match asked.word.as_str() {
                "none" => String::from("no limit"),
                word => format!("the limit `{word}`"),
            };
            let got = limit.map_or(String::from("none"), |word| format!("`{word}`"));
            let place = asked.place;
            found.push(Mismatch { code: "T003", place, expected, got, bless: None });
        }
    }
    if let Some((outcome, place)) = matcher.outcome.filter(|(one, _)| *one != decision.outcome) {
        let name = |outcome| serde_json::to_value(outcome).ok();
        let name = |outcome| match name(outcome) {
            Some(serde_json::Value::String(name)) => format!("`{name}`"),
            _ => String::new(),
        };
        let expected = format!("the outcome {}", name(outcome));
        let got = name(decision.outcome);
        found.push(Mismatch { code: "T004", place, expected, got, bless: None });
    }
    found.extend(conditions(matcher, decision));
    found
}

fn conditions(matcher: &Matcher, decision: &Decision) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (type_, wanted, place) in &matcher.conditions {
        let condition = decision.conditions.get(*type_);
        let status = condition.map_or(ConditionStatus::False, |condition| condition.status);
        let (met, expected) = match wanted {
            ConditionWanted::Status(wanted) => {
                (status == *wanted, format!("the condition {type_:?} to be {wanted:?}"))
            }
            ConditionWanted::Reason(reason) => (
                condition.is_some_and(|condition| condition.reason == *reason),
                format!("the condition {type_:?} with the reason {reason:?}"),
            ),
        };
        if !met {
            let got = match condition {
                Some(condition) => format!("{:?} ({:?})", condition.status, condition.reason),
                None => String::from("none"),
            };
            found.push(Mismatch { code: "T004", place: *place, expected, got, bless: None });
        }
    }
    found
}

/// Whether an amount is as wanted; where it is not, at which number. `code` is for the caller to fill in.
pub(super) fn amount(wanted: &Wanted, is: f64) -> Option<Mismatch> {
    let unmet = |expected: String, limit: &Limit| Mismatch {
        code: "",
        place: limit.place,
        expected,
        got: number(is),
        bless: Some(Edit { place: limit.place, text: number(is) }),
    };
    match wanted {
        Wanted::Exactly(limit) if same(limit.number, is) => None,
        Wanted::Exactly(limit) => Some(unmet(number(limit.number), limit)),
        Wanted::Within { min, max } => {
            let below = min.as_ref().filter(|min| !(is >= min.number || same(is, min.number)));
            let above = max.as_ref().filter(|max| !(is <= max.number || same(is, max.number)));
            below
                .map(|min| unmet(format!("at least {}", number(min.number)), min))
                .or_else(|| above.map(|max| unmet(format!("at most {}", number(max.number)), max)))
        }
    }
}

/// Equal, up to what sums of floats lose.
fn same(wanted: f64, is: f64) -> bool {
    (wanted - is).abs() <= 1e-9 * wanted.abs().max(1.0)
}

/// As people write it; the shortest that reads back the same.
pub(super) fn number(number: f64) -> String {
    format!("{number}")
}

fn list(words: &[String]) -> String {
    match words {
        [] => String::from("none"),
        words => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
    }
}
