//! What one process knows of one lease, and whether it may act on it. No clock and no I/O.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::Terms;
use super::moment::Moment;

/// A lease as the API server has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// Its `resourceVersion`.
    pub(crate) version: String,
    /// Who holds it; nobody where it was released.
    pub(crate) holder: Option<String>,
    /// How often it went from one to another: the number of a term.
    pub(crate) transitions: i32,
    /// How long a holder has it without renewing it.
    pub(crate) duration: Duration,
    /// Since when the holder has it.
    pub(crate) acquired: Option<MicroTime>,
    /// How many shards the holder divides policies into.
    pub(crate) shards: u32,
}

/// What is known of a lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim {
    /// The last record, and when it was first seen. A record that was renewed is another one.
    seen: Option<(Record, Moment)>,
    held: Option<Held>,
}

/// A lease that this process has.
#[derive(Copy, Clone, Debug, Default)]
struct Held {
    /// `leaseTransitions` when it was taken.
    term: i32,
    /// When the last renewal that succeeded began.
    renewed: Moment,
    /// A look after it was taken, or was renewed late, has shown nobody who divides policies in another way.
    is_confirmed: bool,
    /// It was so once.
    is_told: bool,
    /// Since then it is in doubt, until a renewal that begins later.
    doubted: Option<Moment>,
    /// It is to be given back: it is not renewed, and guards nothing.
    is_returned: bool,
}

/// What is to be written to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    /// The record that it replaces; `None` makes a new one.
    pub(crate) replaces: Option<Record>,
    /// The holder from then on; nobody to release it.
    pub(crate) holder: Option<String>,
    pub(crate) transitions: i32,
}

impl Write {
    /// It begins a term.
    fn is_take(&self) -> bool {
        self.replaces.as_ref().is_none_or(|record| record.transitions != self.transitions)
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// It was done, and is now so.
    Done(Record),
    /// Somebody else wrote before.
    Conflict,
    /// It failed, or is not known to have been done.
    Failed,
}

impl Claim {
    /// The term in which it is held; whether that still holds is [`is_valid`](Self::is_valid).
    pub(crate) fn term(&self) -> Option<i32> {
        self.held.map(|held| held.term)
    }

    /// The lease as it was last seen.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.seen.as_ref().map(|(record, _)| record)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// It is held, and no look has shown yet that nobody is in the way.
    pub(crate) fn is_new(&self) -> bool {
        self.held.is_some_and(|held| !held.is_confirmed && !held.is_returned)
    }

    /// Whether what this lease guards may be written in `term`: nobody else can take it before a request that is
    /// begun now has been answered or given up.
    pub(crate) fn is_valid(&mut self, term: i32, terms: &Terms, now: Moment) -> bool {
        self.held.as_mut().is_some_and(|held| {
            if now.at_most_since(held.renewed) >= terms.validity() {
                // Whatever clocks say later.
                held.doubted.get_or_insert(now);
            }
            held.term == term && held.is_confirmed && held.doubted.is_none() && !held.is_returned
        })
    }

    /// Whether somebody holds it, as far as is known.
    pub(crate) fn live(&self, terms: &Terms, now: Moment) -> Option<&Record> {
        let (record, at) = self.seen.as_ref()?;
        let limit = record.duration.max(terms.duration);
        let is_live = record.holder.is_some() && now.at_least_since(*at) < limit;
        is_live.then_some(record)
    }

    /// Takes note of what a look showed that was begun at `now`. `true` if it was lost by that.
    pub(crate) fn see(&mut self, record: Option<Record>, identity: &str, now: Moment) -> bool {
        match record {
            // It is gone. Who had it may not know yet: it is waited for as if it were there.
            None => {
                if let Some((gone, _)) = &mut self.seen {
                    gone.version.clear();
                }
            }
            Some(record) => self.keep(record, now),
        }
        let is_ours = |held: &Held| {
            self.seen.as_ref().is_some_and(|(record, _)| {
                !record.version.is_empty()
                    && record.holder.as_deref() == Some(identity)
                    && record.transitions == held.term
            })
        };
        let is_lost = self.held.as_ref().is_some_and(|held| !is_ours(held));
        if is_lost {
            self.held = None;
        }
        is_lost
    }

    fn keep(&mut self, record: Record, now: Moment) {
        let is_known = self.seen.as_ref().is_some_and(|(seen, _)| seen.version == record.version);
        if !is_known {
            self.seen = Some((record, now));
        }
    }

    /// The write that takes it, if it is free.
    pub(crate) fn take(&self, identity: &str, terms: &Terms, now: Moment) -> Option<Write> {
        if self.held.is_some() {
            return None;
        }
        // A write of ours whose answer was lost.
        let is_ours = |record: &Record| record.holder.as_deref() == Some(identity);
        if self.live(terms, now).is_some_and(|record| !is_ours(record)) {
            return None;
        }
        let seen = self.seen.as_ref().map(|(record, _)| record);
        let transitions = seen.map_or(0, |record| record.transitions.saturating_add(1));
        let replaces = seen.filter(|record| !record.version.is_empty()).cloned();
        Some(Write { replaces, holder: Some(String::from(identity)), transitions })
    }

    /// The write that renews it, if that is due.
    pub(crate) fn renew(&self, identity: &str, terms: &Terms, now: Moment) -> Option<Write> {
        let held = self.held.as_ref().filter(|held| !held.is_returned)?;
        let is_due = now.at_most_since(held.renewed) >= terms.renew || held.doubted.is_some();
        let (record, _) = self.seen.as_ref().filter(|_| is_due)?;
        let holder = Some(String::from(identity));
        Some(Write { replaces: Some(record.clone()), holder, transitions: held.term })
    }

    /// It guards nothing from now on, and goes back.
    pub(crate) fn give_back(&mut self) {
        if let Some(held) = &mut self.held {
            held.is_returned = true;
        }
    }

    /// The write that gives it back, if it is to go.
    pub(crate) fn release(&self) -> Option<Write> {
        let held = self.held.as_ref().filter(|held| held.is_returned)?;
        let (record, _) = self.seen.as_ref()?;
        Some(Write { replaces: Some(record.clone()), holder: None, transitions: held.term })
    }

    /// Takes note of what became of a write that was begun at `begun`.
    pub(crate) fn wrote(
        &mut self,
        write: &Write,
        answer: Answer,
        terms: &Terms,
        (begun, now): (Moment, Moment),
    ) {
        let Answer::Done(record) = answer else { return };
        self.keep(record, now);
        let term = write.transitions;
        if write.holder.is_none() {
            self.held = None;
        } else if write.is_take() {
            let held = Held { term, renewed: begun, ..Held::default() };
            self.held = Some(held);
        } else if let Some(held) = self.held.as_mut().filter(|held| held.term == term) {
            // Others may have taken it for over in the meantime.
            held.is_confirmed &= now.at_most_since(held.renewed) < terms.validity();
            held.renewed = begun;
            held.doubted = held.doubted.filter(|doubt| begun.steady < doubt.steady);
        }
    }

    /// A look that began after it was taken showed nobody who is in the way. `true` the first time.
    pub(crate) fn confirm(&mut self) -> bool {
        let Some(held) = &mut self.held else { return false };
        held.is_confirmed = true;
        !std::mem::replace(&mut held.is_told, true)
    }

    /// Whether [`confirm`](Self::confirm) has said so.
    pub(crate) fn is_told(&self) -> bool {
        self.held.is_some_and(|held| held.is_told)
    }

    /// Somebody else seems to have it: nothing may be written until a renewal that begins from now on.
    pub(crate) fn doubt(&mut self, term: i32, now: Moment) {
        if let Some(held) = self.held.as_mut().filter(|held| held.term == term) {
            held.doubted = Some(now);
        }
    }
}
