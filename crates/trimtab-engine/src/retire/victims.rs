//! Which replicas go first.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::observation::{CapacityType, PodDetails, PodTable, Readiness, Standing, Startup};
use crate::policy::VictimRule;

/// One that may go.
struct Candidate {
    row: usize,
    standing: Standing,
    ready: bool,
    start: Startup,
    details: PodDetails,
}

/// How many are in each zone and on each node.
#[derive(Default)]
struct Domains {
    zones: BTreeMap<u32, u32>,
    nodes: BTreeMap<u32, u32>,
}

/// `replicas` of those that are there and do not drain, the first choice first; fewer if there are not
/// as many. Where the rules say nothing the newest goes, and of those the last in the table.
pub(super) fn choose(pods: &PodTable, order: &[VictimRule], replicas: i32) -> Vec<usize> {
    let rows = pods.standing().iter().zip(pods.startup()).enumerate();
    let mut candidates: Vec<Candidate> = rows
        .map(|(row, (standing, start))| Candidate {
            row,
            standing: *standing,
            ready: start.readiness == Readiness::True,
            start,
            details: pods.details(row),
        })
        .filter(|one| one.standing != Standing::Ignored && one.details.draining_since.is_none())
        .collect();
    let replicas = usize::try_from(replicas).unwrap_or(0).min(candidates.len());
    if !order.contains(&VictimRule::Spread) {
        let none = Domains::default();
        candidates.sort_by_key(|one| one.rank(order, &none));
        return candidates.into_iter().take(replicas).map(|one| one.row).collect();
    }
    let mut domains = Domains::default();
    candidates.iter().for_each(|one| domains.add(one));
    let mut chosen = Vec::with_capacity(replicas);
    while chosen.len() < replicas {
        let ranks = candidates.iter().enumerate();
        let first = ranks.min_by_key(|(_, one)| one.rank(order, &domains)).map(|(place, _)| place);
        let Some(place) = first else { break };
        let one = candidates.swap_remove(place);
        domains.remove(&one);
        chosen.push(one.row);
    }
    chosen
}

/// The least goes first: one number per rule, in their order; then the newest, then the last row.
type Rank = ([u64; 8], Reverse<i64>, Reverse<usize>);

impl Candidate {
    fn rank(&self, order: &[VictimRule], domains: &Domains) -> Rank {
        let mut ranks = [0; 8];
        let numbers = order.iter().flat_map(|rule| self.numbers(*rule, domains));
        ranks.iter_mut().zip(numbers).for_each(|(rank, number)| *rank = number);
        let began = self.details.created_at.unwrap_or(self.start.start_time);
        (ranks, Reverse(began.as_millis()), Reverse(self.row))
    }

    fn numbers(&self, rule: VictimRule, domains: &Domains) -> [u64; 2] {
        match rule {
            VictimRule::NotReady => match (self.standing, self.ready) {
                (Standing::Pending, _) => [0, 0],
                (_, false) => [1, 0],
                (_, true) => [2, 0],
            },
            VictimRule::Spot => [u64::from(self.details.capacity_type != CapacityType::Spot), 0],
            VictimRule::FewestInFlight => [self.details.in_flight.map_or(u64::MAX, u64::from), 0],
            VictimRule::Spread => {
                let (zone, node) = domains.of(self);
                [u64::MAX - u64::from(zone), u64::MAX - u64::from(node)]
            }
        }
    }
}

impl Domains {
    fn add(&mut self, one: &Candidate) {
        for (count, domain) in self.each(one) {
            *count.entry(domain).or_default() += 1;
        }
    }

    fn remove(&mut self, one: &Candidate) {
        for (count, domain) in self.each(one) {
            count.entry(domain).and_modify(|count| *count = count.saturating_sub(1));
        }
    }

    fn each(&mut self, one: &Candidate) -> impl Iterator<Item = (&mut BTreeMap<u32, u32>, u32)> {
        let PodDetails { zone, node, .. } = one.details;
        let places = [(&mut self.zones, zone), (&mut self.nodes, node)];
        places.into_iter().filter_map(|(count, domain)| Some((count, domain?)))
    }

    /// How many are where it is; 0 where that is unknown.
    fn of(&self, one: &Candidate) -> (u32, u32) {
        let count = |counts: &BTreeMap<u32, u32>, domain: Option<u32>| {
            domain.and_then(|domain| counts.get(&domain)).copied().unwrap_or(0)
        };
        (count(&self.zones, one.details.zone), count(&self.nodes, one.details.node))
    }
}
