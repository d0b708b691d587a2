//! Who of several replicas has which shards. No clock and no I/O: it says what is to be written to the API server,
//! and takes note of what became of it.
//!
//! Each shard is a lease. With one shard that is leader election. With more, each replica has a lease besides that
//! says that it is there, the first that is free, and has as many shards as its share is.

use std::collections::{BTreeMap, BTreeSet};

use super::Terms;
use super::balance::{most, preferred};
use super::claim::{Answer, Claim, Record, Write};
use super::moment::Moment;

/// Which lease.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// That of a shard.
    Shard(u32),
    /// One that says that a replica is there.
    Member(u32),
}

/// A lease that is to be made or replaced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request(pub(crate) Key, pub(crate) Write);

/// What has changed for this replica.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The shard is its own from now on, in this term.
    Gained(u32, i32),
    /// It is somebody else's.
    Lost(u32, i32),
    /// It has more than its share: it ends what it does for this shard, then
    /// [gives it back](Shards::give_back).
    Leave(u32, i32),
}

/// What a replica knows of all leases.
#[derive(Debug)]
pub(crate) struct Shards {
    identity: String,
    terms: Terms,
    claims: BTreeMap<Key, Slot>,
    leaving: BTreeSet<u32>,
    /// It has had more than its share since then.
    surplus: Option<Moment>,
    is_ending: bool,
}

/// A lease, and when a write of it was last done: a look that began before shows what was before.
#[derive(Debug, Default)]
struct Slot {
    claim: Claim,
    written: Moment,
}

impl Shards {
    pub(crate) fn new(identity: &str, terms: Terms) -> Self {
        let claims = (0..terms.shards).map(|shard| (Key::Shard(shard), Slot::default())).collect();
        Self {
            identity: String::from(identity),
            terms,
            claims,
            leaving: BTreeSet::new(),
            surplus: None,
            is_ending: false,
        }
    }

    /// Whether a policy of `shard` may be written in `term`.
    pub(crate) fn is_valid(&mut self, shard: u32, term: i32, now: Moment) -> bool {
        let terms = self.terms;
        self.claim_mut(shard).is_some_and(|claim| claim.is_valid(term, &terms, now))
    }

    /// Whether `term` of `shard` goes on.
    pub(crate) fn goes_on(&self, shard: u32, term: i32) -> bool {
        self.claim(shard).and_then(Claim::term) == Some(term)
    }

    /// How many shards it has.
    pub(crate) fn held(&self) -> usize {
        self.own().filter(|(key, _)| matches!(key, Key::Shard(_))).count()
    }

    /// For how many of these it may write now.
    pub(crate) fn valid(&mut self, now: Moment) -> usize {
        let terms = self.terms;
        let shards = self.claims.iter_mut().filter(|(key, _)| matches!(key, Key::Shard(_)));
        let is_valid =
            |claim: &mut Claim| claim.term().is_some_and(|term| claim.is_valid(term, &terms, now));
        shards.map(|(_, slot)| usize::from(is_valid(&mut slot.claim))).sum()
    }

    /// Whether anything is left to be given back.
    pub(crate) fn has_any(&self) -> bool {
        self.own().next().is_some()
    }

    /// What it has.
    fn own(&self) -> impl Iterator<Item = (Key, &Claim)> {
        let held = self.claims.iter().filter(|(_, slot)| slot.claim.is_held());
        held.map(|(key, slot)| (*key, &slot.claim))
    }

    /// Nothing may be written for `shard` until it is renewed.
    pub(crate) fn doubt(&mut self, shard: u32, term: i32, now: Moment) {
        if let Some(claim) = self.claim_mut(shard) {
            claim.doubt(term, now);
        }
    }

    /// Takes no more shards from now on.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
    }

    /// What is to be renewed.
    pub(crate) fn renewals(&self, now: Moment) -> Vec<Request> {
        let renewal = |(key, claim): (Key, &Claim)| {
            Some(Request(key, claim.renew(&self.identity, &self.terms, now)?))
        };
        self.own().filter_map(renewal).collect()
    }

    /// Takes note of a look at all leases that began at `begun`.
    pub(crate) fn saw(
        &mut self,
        mut leases: BTreeMap<Key, Record>,
        begun: Moment,
        now: Moment,
    ) -> Vec<Change> {
        for key in leases.keys() {
            self.claims.entry(*key).or_default();
        }
        let mut changes = Vec::new();
        let old = |slot: &Slot| slot.written.steady > begun.steady;
        for (key, slot) in self.claims.iter_mut().filter(|(_, slot)| !old(slot)) {
            let (term, is_told) = (slot.claim.term(), slot.claim.is_told());
            let is_lost = slot.claim.see(leases.remove(key), &self.identity, now);
            if let (Key::Shard(shard), true, Some(term)) = (*key, is_lost, term) {
                self.leaving.remove(&shard);
                if is_told {
                    changes.push(Change::Lost(shard, term));
                }
            }
        }
        if self.is_divided_otherwise(now) {
            return changes;
        }
        let new = |slot: &Slot| !old(slot) && slot.claim.is_new();
        for (key, slot) in self.claims.iter_mut().filter(|(_, slot)| new(slot)) {
            let is_first = slot.claim.confirm();
            if let (Key::Shard(shard), true, Some(term)) = (*key, is_first, slot.claim.term()) {
                changes.push(Change::Gained(shard, term));
            }
        }
        changes
    }

    /// Somebody divides policies into another number of shards, and has some of them.
    fn is_divided_otherwise(&self, now: Moment) -> bool {
        self.live(now).any(|(_, record)| {
            record.shards != self.terms.shards && record.holder.as_deref() != Some(&self.identity)
        })
    }

    /// What somebody has, as far as is known.
    fn live(&self, now: Moment) -> impl Iterator<Item = (Key, &Record)> {
        let live = move |slot: &'_ Slot| slot.claim.live(&self.terms, now).is_some();
        let live = self.claims.iter().filter(move |(_, slot)| live(slot));
        live.filter_map(|(key, slot)| Some((*key, slot.claim.record()?)))
    }

    /// What is to be given back or taken, after a look.
    pub(crate) fn moves(&mut self, now: Moment) -> (Vec<Request>, Vec<Change>) {
        if self.is_divided_otherwise(now) {
            let changes = self.withdraw();
            return (self.releases(), changes);
        }
        let releases = self.releases();
        if self.is_ending || !releases.is_empty() {
            return (releases, Vec::new());
        }
        let members = self.live_members(now);
        let most = most(self.terms.shards, members.len());
        let held = self.held();
        let order = preferred(
            self.terms.shards,
            &self.identity,
            &members.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        if held > most {
            let since = *self.surplus.get_or_insert(now);
            let is_lasting = now.at_least_since(since) >= self.terms.duration;
            let leave = if is_lasting { self.leave(&order, held - most) } else { Vec::new() };
            return (Vec::new(), leave);
        }
        self.surplus = None;
        // Who is not there yet, as others see it, takes nothing.
        if self.terms.shards > 1 && !self.is_member() {
            return (self.enter(now).into_iter().collect(), Vec::new());
        }
        let free = order.into_iter().filter_map(|shard| self.take(Key::Shard(shard), now));
        (free.take(most - held).collect(), Vec::new())
    }

    fn take(&self, key: Key, now: Moment) -> Option<Request> {
        let nobodys = Claim::default();
        let claim = self.claims.get(&key).map_or(&nobodys, |slot| &slot.claim);
        Some(Request(key, claim.take(&self.identity, &self.terms, now)?))
    }

    fn is_member(&self) -> bool {
        self.own().any(|(key, _)| matches!(key, Key::Member(_)))
    }

    /// Takes the first lease of a member that is free.
    fn enter(&self, now: Moment) -> Option<Request> {
        (0..).find_map(|number| self.take(Key::Member(number), now))
    }

    /// Gives back what is not confirmed.
    fn withdraw(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, slot) in self.claims.iter_mut().filter(|(_, slot)| slot.claim.is_new()) {
            let is_told = slot.claim.is_told();
            if let (Key::Shard(shard), true, Some(term)) = (*key, is_told, slot.claim.term()) {
                changes.push(Change::Lost(shard, term));
            }
            slot.claim.give_back();
        }
        changes
    }

    /// The writes that give back what is to go.
    fn releases(&self) -> Vec<Request> {
        self.own().filter_map(|(key, claim)| Some(Request(key, claim.release()?))).collect()
    }

    /// Leaves the shards that it wants least of those it has, `surplus` of them.
    fn leave(&mut self, order: &[u32], surplus: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        for shard in order.iter().rev() {
            if self.leaving.len() >= surplus {
                break;
            }
            let term = self.claim(*shard).and_then(Claim::term);
            if let Some(term) = term.filter(|_| !self.leaving.contains(shard)) {
                self.leaving.insert(*shard);
                changes.push(Change::Leave(*shard, term));
            }
        }
        changes
    }

    /// Takes note of what became of a request that was begun at `begun`.
    pub(crate) fn wrote(&mut self, request: &Request, answer: Answer, begun: Moment, now: Moment) {
        let Request(key, write) = request;
        let slot = self.claims.entry(*key).or_default();
        if matches!(answer, Answer::Done(_)) {
            slot.written = now;
        }
        slot.claim.wrote(write, answer, &self.terms, (begun, now));
        if let (Key::Shard(shard), false) = (key, slot.claim.is_held()) {
            self.leaving.remove(shard);
        }
    }

    /// Nothing is done for a shard any more: it goes back.
    pub(crate) fn give_back(&mut self, shard: u32, term: i32) {
        if let Some(claim) = self.claim_mut(shard).filter(|claim| claim.term() == Some(term)) {
            claim.give_back();
        }
    }

    /// Nothing is done any more: all goes back.
    pub(crate) fn give_all_back(&mut self) {
        self.is_ending = true;
        self.claims.values_mut().for_each(|slot| slot.claim.give_back());
    }

    /// Who is there, this one included.
    fn live_members(&self, now: Moment) -> BTreeSet<String> {
        let members = self.live(now).filter(|(key, _)| matches!(key, Key::Member(_)));
        let others = members.filter_map(|(_, record)| record.holder.clone());
        others.chain([self.identity.clone()]).collect()
    }

    fn claim(&self, shard: u32) -> Option<&Claim> {
        self.claims.get(&Key::Shard(shard)).map(|slot| &slot.claim)
    }

    fn claim_mut(&mut self, shard: u32) -> Option<&mut Claim> {
        self.claims.get_mut(&Key::Shard(shard)).map(|slot| &mut slot.claim)
    }
}
