//! What is expected of many decisions, on the way through them.

use std::collections::VecDeque;
use std::rc::Rc;

use trimtab_manifest::Span as Place;
use trimtab_metric::Timestamp;

use super::compare::{Edit, Mismatch, compare, number};
use super::look::Look;
use crate::format::{Check, Matcher, StepLimit};

/// What is not as expected, before it is put in words.
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) place: Place,
    /// The whole of it.
    pub(super) message: String,
    /// What is said at the place.
    pub(super) label: String,
    /// At which decision.
    pub(super) step: Option<u64>,
    /// Of how many decisions it is true besides.
    pub(super) others: u64,
    /// How that decision was made.
    pub(super) explanation: Option<Rc<str>>,
    pub(super) bless: Option<Edit>,
}

/// A check on its way through the decisions.
pub(super) struct Watch<'t> {
    check: &'t Check,
    findings: Vec<Finding>,
    /// For `eventually`: some decision was as expected.
    met: bool,
    /// For `eventually`: the last decision that was not.
    last: Option<(u64, String, Option<Rc<str>>)>,
    limits: Vec<Rising<'t>>,
}

impl<'t> Watch<'t> {
    pub(super) fn new(check: &'t Check, before: (Timestamp, i32)) -> Self {
        let limits = match check {
            Check::Always { steps, .. } => {
                steps.iter().map(|limit| Rising::new(limit, before)).collect()
            }
            _ => Vec::new(),
        };
        Self { check, findings: Vec::new(), met: false, last: None, limits }
    }

    /// The decision that it is about, if it is about one.
    pub(super) fn step(&self) -> Option<u64> {
        match self.check {
            Check::At { step, .. } => Some(*step),
            _ => None,
        }
    }

    pub(super) fn take(&mut self, look: &Look<'_>) {
        let step = look.step;
        match self.check {
            Check::At { step: at, matcher } if *at == step => {
                self.at(matcher, look);
            }
            Check::At { .. } => {}
            Check::Always { from, until, matcher, .. } => {
                let within = (*from..=*until).contains(&step);
                let mut broken = Vec::new();
                for limit in &mut self.limits {
                    broken.extend(limit.take(look, within));
                }
                if within && !matcher.is_empty() {
                    broken.extend(always(matcher, look));
                }
                for finding in broken {
                    self.add(finding, look);
                }
            }
            Check::Never { from, until, matcher, place } => {
                if (*from..=*until).contains(&step) && compare(matcher, look).is_empty() {
                    let finding = Finding {
                        code: "T006",
                        place: *place,
                        message: format!("this has never to hold, and does at {}", look.offset),
                        label: format!("holds at {}", look.offset),
                        step: Some(step),
                        others: 0,
                        explanation: None,
                        bless: None,
                    };
                    self.add(finding, look);
                }
            }
            Check::Eventually { from, until, matcher, .. } => {
                if self.met || !(*from..=*until).contains(&step) {
                    return;
                }
                let unmet = compare(matcher, look);
                match unmet.into_iter().next() {
                    None => self.met = true,
                    Some(first) => {
                        let said = format!("expected {}, got {}", first.expected, first.got);
                        let explanation = (step == *until).then(|| look.explanation());
                        self.last = Some((step, said, explanation));
                    }
                }
            }
        }
    }

    fn at(&mut self, matcher: &Matcher, look: &Look<'_>) {
        for unmet in compare(matcher, look) {
            self.findings.push(Finding {
                code: unmet.code,
                place: unmet.place,
                message: format!(
                    "expected {} at {}, got {}",
                    unmet.expected, look.offset, unmet.got
                ),
                label: format!("got {}", unmet.got),
                step: Some(look.step),
                others: 0,
                explanation: Some(look.explanation()),
                bless: unmet.bless,
            });
        }
    }

    /// Of what many decisions break, the first is told.
    fn add(&mut self, finding: Finding, look: &Look<'_>) {
        match self.findings.iter_mut().find(|known| known.place == finding.place) {
            Some(known) => known.others += 1,
            None => {
                let explanation = Some(look.explanation());
                self.findings.push(Finding { explanation, ..finding });
            }
        }
    }

    pub(super) fn finish(mut self, ran: u64) -> Vec<Finding> {
        if let Check::Eventually { until, place, .. } = self.check
            && !self.met
            && ran > *until
        {
            let (step, said, explanation) = self.last.unwrap_or_default();
            self.findings.push(Finding {
                code: "T007",
                place: *place,
                message: format!("no decision is as expected; the last one: {said}"),
                label: String::from("never came"),
                step: Some(step),
                others: 0,
                explanation,
                bless: None,
            });
        }
        self.findings
    }
}

/// In which parts a decision is not as all should be.
fn always(matcher: &Matcher, look: &Look<'_>) -> Vec<Finding> {
    let unmet = compare(matcher, look);
    let finding = |unmet: Mismatch| Finding {
        code: "T005",
        place: unmet.place,
        message: format!(
            "expected {} always, got {} at {}",
            unmet.expected, unmet.got, look.offset
        ),
        label: format!("got {} at {}", unmet.got, look.offset),
        step: Some(look.step),
        others: 0,
        explanation: None,
        bless: None,
    };
    unmet.into_iter().map(finding).collect()
}

/// How far the count went within a time. Its extremes are kept as windows keep them: only what no later
/// count outdoes.
struct Rising<'t> {
    limit: &'t StepLimit,
    counts: VecDeque<(Timestamp, i32)>,
}

impl<'t> Rising<'t> {
    fn new(limit: &'t StepLimit, before: (Timestamp, i32)) -> Self {
        Self { limit, counts: VecDeque::from([before]) }
    }

    fn take(&mut self, look: &Look<'_>, within: bool) -> Option<Finding> {
        let (now, count) = (look.decision.at, look.decision.desired_replicas);
        let StepLimit { up, max, per } = *self.limit;
        while self.counts.front().is_some_and(|(at, _)| now.since(*at) > per) {
            self.counts.pop_front();
        }
        let outdone = |earlier: i32| if up { earlier >= count } else { earlier <= count };
        while self.counts.back().is_some_and(|(_, earlier)| outdone(*earlier)) {
            self.counts.pop_back();
        }
        self.counts.push_back((now, count));
        let (_, extreme) = *self.counts.front()?;
        let went = if up {
            i64::from(count) - i64::from(extreme)
        } else {
            i64::from(extreme) - i64::from(count)
        };
        if !within || went as f64 <= max.number {
            return None;
        }
        let way = if up { "up" } else { "down" };
        let most = number(max.number);
        Some(Finding {
            code: "T005",
            place: max.place,
            message: format!(
                "expected at most {most} {way} within {per}, got {extreme} -> {count} at {}",
                look.offset
            ),
            label: format!("got {went} at {}", look.offset),
            step: Some(look.step),
            others: 0,
            explanation: None,
            bless: None,
        })
    }
}
