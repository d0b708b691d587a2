//! `expect`, `always`, `never`, `eventually` and `totals`.

use serde::Deserialize;
use trimtab_engine::{ConditionReason, ConditionStatus, ConditionType, Outcome, Policy};
use trimtab_manifest::{Block, Field, Problem, ProblemKind, did_you_mean};
use trimtab_metric::Span;

use super::read::Reader;
use super::{Check, ConditionWanted, Limit, Matcher, StepLimit, Total, Wanted, Word};
use crate::words;

/// What a test expects.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) checks: Vec<Check>,
    pub(super) totals: Vec<(Total, Wanted)>,
}

/// Where the checks of a test are read.
struct Context<'r, 's> {
    reader: &'r mut Reader<'s>,
    known: Vec<String>,
    interval: Span,
    /// How many decisions there are.
    steps: u64,
}

pub(super) fn checks(
    reader: &mut Reader<'_>,
    block: &mut Block<'_>,
    policy: &Policy,
    interval: Span,
    steps: u64,
) -> Checks {
    let mut context = Context { reader, known: words::known(policy), interval, steps };
    let mut checks = Vec::new();
    for item in block.items("expect", &mut context.reader.problems) {
        checks.extend(context.expect(item));
    }
    for item in block.items("always", &mut context.reader.problems) {
        checks.extend(context.always(item));
    }
    for item in block.items("never", &mut context.reader.problems) {
        checks.extend(context.never(item));
    }
    for item in block.items("eventually", &mut context.reader.problems) {
        checks.extend(context.eventually(item));
    }
    Checks { checks, totals: totals(reader, block) }
}

impl Context<'_, '_> {
    fn expect(&mut self, item: Field<'_>) -> Option<Check> {
        let mut block = Block::new(item, &mut self.reader.problems)?;
        let at = block.required::<Span>("at", &mut self.reader.problems);
        let matcher = self.matcher(&mut block);
        let (at, field) = at?;
        let step = self.reader.step(at, self.interval, &field)?;
        self.within(step, &field)?;
        Some(Check::At { step, matcher: matcher? })
    }

    fn always(&mut self, item: Field<'_>) -> Option<Check> {
        let place = item.value_span();
        let mut block = Block::new(item, &mut self.reader.problems)?;
        let (from, until) = self.range(&mut block)?;
        let has_steps = ["step_up", "step_down"].into_iter().any(|key| block.field(key).is_some());
        let steps: Vec<StepLimit> = [("step_up", true), ("step_down", false)]
            .into_iter()
            .filter_map(|(key, up)| self.step_limit(&mut block, key, up))
            .collect();
        let matcher = self.any_matcher(&mut block, has_steps)?;
        Some(Check::Always { from, until, matcher, steps, place })
    }

    fn never(&mut self, item: Field<'_>) -> Option<Check> {
        let place = item.value_span();
        let mut block = Block::new(item, &mut self.reader.problems)?;
        let (from, until) = self.range(&mut block)?;
        let matcher = self.matcher(&mut block)?;
        Some(Check::Never { from, until, matcher, place })
    }

    fn eventually(&mut self, item: Field<'_>) -> Option<Check> {
        let place = item.value_span();
        let mut block = Block::new(item, &mut self.reader.problems)?;
        let from = self.first(&mut block)?;
        let within = block.get::<Span>("within", &mut self.reader.problems);
        let matcher = self.matcher(&mut block)?;
        let last = self.last();
        let until = match within {
            Some((within, field)) => {
                let steps = self.reader.step(within, self.interval, &field)?;
                from.saturating_add(steps).min(last)
            }
            None => last,
        };
        Some(Check::Eventually { from, until, matcher, place })
    }

    fn last(&self) -> u64 {
        self.steps.saturating_sub(1)
    }

    /// `from` and `until`.
    fn range(&mut self, block: &mut Block<'_>) -> Option<(u64, u64)> {
        let from = self.first(block)?;
        let Some((until, field)) = block.get::<Span>("until", &mut self.reader.problems) else {
            return Some((from, self.last()));
        };
        let until = self.reader.step(until, self.interval, &field)?;
        if until < from {
            self.reader.unusable(&field, "`until` is before `from`", "");
            return None;
        }
        Some((from, until.min(self.last())))
    }

    fn first(&mut self, block: &mut Block<'_>) -> Option<u64> {
        let Some((from, field)) = block.get::<Span>("from", &mut self.reader.problems) else {
            return Some(0);
        };
        let from = self.reader.step(from, self.interval, &field)?;
        self.within(from, &field)?;
        Some(from)
    }

    /// What is expected behind the last decision would never be looked at.
    fn within(&mut self, step: u64, field: &Field<'_>) -> Option<()> {
        if step < self.steps {
            return Some(());
        }
        // Without any decision, that is what is told.
        if self.steps > 0 {
            let last = i64::try_from(self.last()).unwrap_or(i64::MAX);
            let last = Span::from_millis(self.interval.as_millis().saturating_mul(last));
            let message = format!("the last decision is at {last}");
            let help = "give the series more values, or the test a `duration`";
            self.reader.unusable(field, message, help);
        }
        None
    }

    fn step_limit(
        &mut self,
        block: &mut Block<'_>,
        key: &'static str,
        up: bool,
    ) -> Option<StepLimit> {
        let mut limit = block.block(key, &mut self.reader.problems)?;
        let max = limit.required::<u32>("max", &mut self.reader.problems);
        let per = limit.required::<Span>("per", &mut self.reader.problems);
        limit.refuse_rest(&mut self.reader.problems);
        let ((max, field), (per, per_field)) = (max?, per?);
        if per <= Span::ZERO {
            self.reader.unusable(&per_field, "`per` is longer than nothing", "");
            return None;
        }
        let max = Limit { number: f64::from(max), place: field.span() };
        Some(StepLimit { up, max, per })
    }

    /// What is left of an entry, which has to say something.
    fn matcher(&mut self, block: &mut Block<'_>) -> Option<Matcher> {
        self.any_matcher(block, false)
    }

    fn any_matcher(&mut self, block: &mut Block<'_>, may_be_empty: bool) -> Option<Matcher> {
        let before = self.reader.problems.len();
        let replicas = block.field("replicas").and_then(|field| wanted(self.reader, field, true));
        let current = block.field("current").and_then(|field| wanted(self.reader, field, true));
        let mut reasons = Vec::new();
        if let Some(list) = block.field("reasons") {
            let items =
                if list.is_list() { list.items(&mut self.reader.problems) } else { vec![list] };
            reasons.extend(items.into_iter().filter_map(|item| self.word(item)));
        }
        if let Some(one) = block.field("reason") {
            reasons.extend(self.word(one));
        }
        let limited_by = block.field("limited_by").and_then(|field| self.limited_by(field));
        let outcome = block.get::<Outcome>("outcome", &mut self.reader.problems);
        let outcome = outcome.map(|(outcome, field)| (outcome, field.span()));
        let conditions = self.conditions(block);
        block.refuse_rest(&mut self.reader.problems);
        let matcher = Matcher { replicas, current, reasons, limited_by, outcome, conditions };
        if self.reader.problems.len() > before {
            return None;
        }
        if matcher.is_empty() && !may_be_empty {
            let place = block.missing("replicas").span();
            let problem = Problem::new(ProblemKind::Unusable, place, "nothing is expected here");
            self.reader.problems.push(problem.with_help(
                "say what has to hold, such as `replicas: 4` or `limited_by: bounds.max`",
            ));
            return None;
        }
        Some(matcher)
    }

    /// A word that decisions of the policy can meet. One that they can't would be a test that says
    /// nothing.
    fn word(&mut self, field: Field<'_>) -> Option<Word> {
        let word = field.decode::<String>(&mut self.reader.problems)?;
        if self.known.iter().any(|known| words::meets(known, &word)) {
            return Some(Word { word, place: field.span() });
        }
        let message = format!("no decision of this policy has the reason `{word}`");
        let help = self.nearest(&word, |_| true);
        self.reader.unusable(&field, message, &help);
        None
    }

    fn limited_by(&mut self, field: Field<'_>) -> Option<Word> {
        let is_limit = |known: &str| {
            let head = known.split('.').next().unwrap_or_default();
            !matches!(head, "metric" | "error" | "scale_up" | "scale_down" | "disabled" | "not_due")
        };
        let word = field.decode::<String>(&mut self.reader.problems)?;
        let mut known = self.known.iter().filter(|known| is_limit(known));
        if word == "none" || known.any(|known| words::meets(known, &word)) {
            return Some(Word { word, place: field.span() });
        }
        let message = format!("nothing that limits decisions of this policy is called `{word}`");
        let help = self.nearest(&word, is_limit);
        self.reader.unusable(&field, message, &help);
        None
    }

    fn nearest(&self, word: &str, counts: impl Fn(&str) -> bool) -> String {
        let known = self.known.iter().map(String::as_str).filter(|known| counts(known));
        did_you_mean(word, &known.collect::<Vec<_>>())
    }

    fn conditions(
        &mut self,
        block: &mut Block<'_>,
    ) -> Vec<(ConditionType, ConditionWanted, trimtab_manifest::Span)> {
        let mut conditions = Vec::new();
        let Some(inner) = block.block("conditions", &mut self.reader.problems) else {
            return conditions;
        };
        for (key, field) in inner.all() {
            let name = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(key);
            let Ok(type_) = ConditionType::deserialize(name) else {
                let message = format!("there is no condition `{key}`");
                let names: Vec<&str> = words::variants::<ConditionType>().to_vec();
                self.reader.unusable(&field, message, &did_you_mean(key, &names));
                continue;
            };
            let text = field.text().unwrap_or_default();
            let status = match text.to_ascii_lowercase().as_str() {
                "true" => Some(ConditionStatus::True),
                "false" => Some(ConditionStatus::False),
                "unknown" => Some(ConditionStatus::Unknown),
                _ => None,
            };
            let wanted = match status {
                Some(status) => ConditionWanted::Status(status),
                None => {
                    let name =
                        serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
                    let Ok(reason) = ConditionReason::deserialize(name) else {
                        let message = format!(
                            "expected `true`, `false`, `unknown` or a reason, found {}",
                            field.describe()
                        );
                        let names: Vec<&str> = words::variants::<ConditionReason>().to_vec();
                        self.reader.unusable(&field, message, &did_you_mean(text, &names));
                        continue;
                    };
                    ConditionWanted::Reason(reason)
                }
            };
            conditions.push((type_, wanted, field.span()));
        }
        conditions
    }
}

/// A number, or `{min, max}`.
pub(super) fn wanted(reader: &mut Reader<'_>, field: Field<'_>, is_count: bool) -> Option<Wanted> {
    let limit = |reader: &mut Reader<'_>, field: &Field<'_>| -> Option<Limit> {
        let number = field.decode::<f64>(&mut reader.problems)?;
        if is_count && !(number >= 0.0 && number.fract() == 0.0 && number <= f64::from(i32::MAX)) {
            reader.unusable(
                field,
                format!("`{number}` is no count"),
                "a count is a whole number from 0",
            );
            return None;
        }
        if !number.is_finite() {
            reader.unusable(field, format!("`{number}` is no amount"), "");
            return None;
        }
        Some(Limit { number, place: field.span() })
    };
    if !field.is_mapping() {
        return limit(reader, &field).map(Wanted::Exactly);
    }
    let mut block = Block::new(field.clone(), &mut reader.problems)?;
    let before = reader.problems.len();
    let min = block.field("min").and_then(|field| limit(reader, &field));
    let max = block.field("max").and_then(|field| limit(reader, &field));
    block.refuse_rest(&mut reader.problems);
    if reader.problems.len() > before {
        return None;
    }
    match (&min, &max) {
        (None, None) => {
            reader.unusable(
                &field,
                "neither `min` nor `max` is there",
                "write `{min: 2}`, `{max: 8}` or both",
            );
            None
        }
        (Some(least), Some(most)) if least.number > most.number => {
            reader.unusable(&field, "`min` is above `max`", "");
            None
        }
        _ => Some(Wanted::Within { min, max }),
    }
}

fn totals(reader: &mut Reader<'_>, block: &mut Block<'_>) -> Vec<(Total, Wanted)> {
    let Some(mut inner) = block.block("totals", &mut reader.problems) else { return Vec::new() };
    let mut totals = Vec::new();
    for total in Total::ALL {
        if let Some(field) = inner.field(total.name()) {
            totals.extend(wanted(reader, field, false).map(|wanted| (total, wanted)));
        }
    }
    inner.refuse_rest(&mut reader.problems);
    totals
}
