//! One decision, as it is looked at: what is made of it is made once, and only if it is asked for.

use std::cell::OnceCell;
use std::rc::Rc;

use trimtab_engine::{Decision, Policy};
use trimtab_metric::Span;

use crate::words;

/// A decision, and which one it is.
pub(super) struct Look<'d> {
    pub(super) decision: &'d Decision,
    pub(super) step: u64,
    pub(super) offset: Span,
    policy: &'d Policy,
    words: OnceCell<Vec<String>>,
    limiting: OnceCell<Option<String>>,
    explanation: OnceCell<Rc<str>>,
}

impl<'d> Look<'d> {
    pub(super) fn new(policy: &'d Policy, decision: &'d Decision, step: u64, offset: Span) -> Self {
        let (words, limiting, explanation) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { decision, step, offset, policy, words, limiting, explanation }
    }

    /// The words that it meets.
    pub(super) fn words(&self) -> &[String] {
        self.words.get_or_init(|| words::of(self.policy, self.decision))
    }

    /// The last rule that changed the count.
    pub(super) fn limiting(&self) -> Option<&str> {
        self.limiting.get_or_init(|| words::limiting(self.decision)).as_deref()
    }

    /// How it was made.
    pub(super) fn explanation(&self) -> Rc<str> {
        let explain = || {
            let text = self.decision.explain().to_string();
            let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            Rc::from(format!("decision at {}: {}", self.offset, lines.join("\n")))
        };
        Rc::clone(self.explanation.get_or_init(explain))
    }

    /// How many bytes its explanation takes, if somebody asked for it.
    pub(super) fn explained(&self) -> usize {
        self.explanation.get().map_or(0, |text| text.len())
    }
}
