//! Who of several replicas has which shards. No clock and no I/O: it says what is to be written to the API server,
//! and takes note of what became of it.
//!
//! Each shard is a lease. With one shard that is leader election. With more, each replica has a lease besides that
//! says that it is there, and has as many shards as its share is.

use std::collections::{BTreeMap, BTreeSet};

use super::balance::{most, preferred};
use super::claim::{Answer, Claim, Record, Write};
use super::moment::Moment;
use super::Terms;

/// Which lease.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// That of a shard.
    Shard(u32),
    /// That which says that a replica is there.
    Member(String),
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// Make or replace a lease.
    Write(Key, Write),
    /// Remove the lease of a replica that is long gone.
    Remove(Key, Record),
}

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
    claims: Vec<Claim>,
    /// When a write of each claim was last done: a look that began before shows what was before.
    answered: Vec<Moment>,
    own: Claim,
    own_answered: Moment,
    members: BTreeMap<String, Claim>,
    /// Leases of shards that this replica has not, since it divides them otherwise.
    beyond: BTreeMap<u32, Claim>,
    leaving: BTreeSet<u32>,
    /// It has had more than its share since then.
    surplus: Option<Moment>,
    is_ending: bool,
}

impl Shards {
    pub(crate) fn new(identity: &str, terms: Terms) -> Self {
        let count = usize::try_from(terms.shards).unwrap_or(1).max(1);
        Self {
            identity: String::from(identity),
            terms,
            claims: vec![Claim::default(); count],
            answered: vec![Moment::default(); count],
            own: Claim::default(),
            own_answered: Moment::default(),
            members: BTreeMap::new(),
            beyond: BTreeMap::new(),
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

    pub(crate) fn held(&self) -> usize {
        self.claims.iter().filter(|claim| claim.is_held()).count()
    }

    /// Whether anything is left to be given back.
    pub(crate) fn has_any(&self) -> bool {
        self.held() > 0 || self.own.is_held()
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
        let of = |(shard, claim): (u32, &Claim)| {
            Some((Key::Shard(shard), claim.renew(&self.identity, &self.terms, now)?))
        };
        let shards = (0..).zip(&self.claims).filter_map(of);
        let own = || {
            let renewal = self.own.renew(&self.identity, &self.terms, now);
            let write = renewal.or_else(|| self.own.take(&self.identity, &self.terms, now))?;
            Some((Key::Member(self.identity.clone()), write))
        };
        let own = self.has_members().then(own).flatten();
        shards.chain(own).map(|(key, write)| Request::Write(key, write)).collect()
    }

    /// Takes note of a look at all leases that began at `begun`.
    pub(crate) fn saw(
        &mut self,
        mut leases: BTreeMap<Key, Record>,
        begun: Moment,
        now: Moment,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (shard, (claim, answered)) in (0..).zip(self.claims.iter_mut().zip(&self.answered)) {
            let record = leases.remove(&Key::Shard(shard));
            if answered.steady > begun.steady {
                continue;
            }
            let term = claim.term();
            let is_told = claim.is_told();
            if let (true, Some(term)) = (claim.see(record, &self.identity, now), term) {
                self.leaving.remove(&shard);
                if is_told {
                    changes.push(Change::Lost(shard, term));
                }
            }
        }
        let own = leases.remove(&Key::Member(self.identity.clone()));
        if self.own_answered.steady <= begun.steady {
            self.own.see(own, &self.identity, now);
        }
        self.saw_others(leases, now);
        if !self.is_divided_otherwise(now) {
            for (shard, (claim, answered)) in (0..).zip(self.claims.iter_mut().zip(&self.answered)) {
                if let (true, Some(term)) = (claim.is_new(), claim.term())
                    && answered.steady <= begun.steady
                {
                    if claim.confirm() {
                        changes.push(Change::Gained(shard, term));
                    }
                }
            }
        }
        changes
    }

    fn saw_others(&mut self, leases: BTreeMap<Key, Record>, now: Moment) {
        let mut members = std::mem::take(&mut self.members);
        let mut beyond = std::mem::take(&mut self.beyond);
        for (key, record) in leases {
            match key {
                Key::Shard(shard) => {
                    let mut claim = beyond.remove(&shard).unwrap_or_default();
                    claim.see(Some(record), &self.identity, now);
                    self.beyond.insert(shard, claim);
                }
                Key::Member(name) => {
                    let mut claim = members.remove(&name).unwrap_or_default();
                    claim.see(Some(record), &self.identity, now);
                    self.members.insert(name, claim);
                }
            }
        }
    }

    /// Somebody divides policies into another number of shards, and has some of them.
    fn is_divided_otherwise(&self, now: Moment) -> bool {
        let all = self.claims.iter().chain(self.beyond.values()).chain(self.members.values());
        all.filter_map(|claim| claim.live(&self.terms, now)).any(|record| {
            record.shards != self.terms.shards && record.holder.as_deref() != Some(&self.identity)
        })
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
        if self.has_members() && !self.own.is_held() {
            return (Vec::new(), Vec::new());
        }
        let free = order.into_iter().filter_map(|shard| {
            let write = self.claim(shard)?.take(&self.identity, &self.terms, now)?;
            Some(Request::Write(Key::Shard(shard), write))
        });
        (free.take(most - held).collect(), Vec::new())
    }

    /// Gives back what is not confirmed.
    fn withdraw(&mut self) -> Vec<Change> {
        let new = (0..).zip(&mut self.claims).filter(|(_, claim)| claim.is_new());
        let mut changes = Vec::new();
        for (shard, claim) in new {
            if let (true, Some(term)) = (claim.is_told(), claim.term()) {
                changes.push(Change::Lost(shard, term));
            }
            claim.give_back();
        }
        changes
    }

    /// The writes that give back what is to go.
    fn releases(&self) -> Vec<Request> {
        let shards = (0..).zip(&self.claims);
        let write = |(shard, claim): (u32, &Claim)| {
            Some(Request::Write(Key::Shard(shard), claim.release()?))
        };
        let own = self.own.release().and_then(|write| write.replaces);
        let own = own.map(|record| Request::Remove(Key::Member(self.identity.clone()), record));
        shards.filter_map(write).chain(own).collect()
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

    /// Leases of replicas that are long gone.
    pub(crate) fn remains(&self, now: Moment) -> Vec<Request> {
        let patience = self.terms.duration.saturating_mul(10);
        let gone = self.members.iter().filter_map(|(name, claim)| {
            let record = claim.unchanged_for(patience, now)?;
            Some(Request::Remove(Key::Member(name.clone()), record.clone()))
        });
        gone.collect()
    }

    /// Takes note of what became of a request that was begun at `begun`.
    pub(crate) fn wrote(&mut self, request: &Request, answer: Answer, begun: Moment, now: Moment) {
        let (terms, is_done) = (self.terms, matches!(answer, Answer::Done(_)));
        match request {
            Request::Write(Key::Shard(shard), write) => {
                let index = usize::try_from(*shard).unwrap_or(usize::MAX);
                if let Some(answered) = self.answered.get_mut(index).filter(|_| is_done) {
                    *answered = now;
                }
                if let Some(claim) = self.claim_mut(*shard) {
                    claim.wrote(write, answer, &terms, (begun, now));
                    if !claim.is_held() {
                        self.leaving.remove(shard);
                    }
                }
            }
            Request::Write(Key::Member(_), write) => {
                if is_done {
                    self.own_answered = now;
                }
                self.own.wrote(write, answer, &terms, (begun, now));
            }
            Request::Remove(Key::Member(name), _) if *name == self.identity => {
                self.own = Claim::default();
            }
            Request::Remove(..) => {}
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
        self.claims.iter_mut().for_each(Claim::give_back);
        self.own.give_back();
    }

    fn live_members(&self, now: Moment) -> BTreeSet<String> {
        let live = |claim: &Claim| claim.live(&self.terms, now).is_some();
        let others = self.members.iter().filter(|(_, claim)| live(claim));
        let others = others.map(|(name, _)| name.clone());
        others.chain([self.identity.clone()]).collect()
    }

    fn has_members(&self) -> bool {
        self.terms.shards > 1
    }

    fn claim(&self, shard: u32) -> Option<&Claim> {
        self.claims.get(usize::try_from(shard).ok()?)
    }

    fn claim_mut(&mut self, shard: u32) -> Option<&mut Claim> {
        self.claims.get_mut(usize::try_from(shard).ok()?)
    }
}
