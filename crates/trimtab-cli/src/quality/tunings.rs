//! Everybody's tunings: places on the axes of what is tuned.

use std::collections::BTreeMap;

use trimtab_engine::{Metric, MetricSpec, Policy, SloRole, SloSignalSpec};
use trimtab_manifest::{Source, read_policies};
use trimtab_sim::metrics::Bindings;
use trimtab_sim::sweep::{Axis, ParseAxisError, Sweep};
use trimtab_sim::{Candidate, ServiceProfile};

use super::budget::{BUDGETED, budgeted};
use super::contenders::{CONTENDERS, FIXED, HIGHEST, LEAST, MOST, Places, SAMPLING, Style};
use super::likenesses::{LIKENESSES, Likeness};
use super::scale::Scale;
use crate::error::CommandError;

/// What everybody is tuned for.
pub(super) struct Circumstances<'a> {
    pub(super) profile: &'a ServiceProfile,
    /// Requests per second that one replica does when it is busy all the time.
    pub(super) capacity: f64,
    /// Replicas that the mean load keeps busy.
    pub(super) replicas: f64,
    /// How many times as many its peaks do.
    pub(super) peak: f64,
    pub(super) lead_time_seconds: i64,
}

impl Circumstances<'_> {
    /// So many times what the mean load keeps busy, and at least 1.
    pub(super) fn replicas(&self, shares: &[f64]) -> Vec<f64> {
        let stretch = ((self.peak - 1.0) / (HIGHEST - 1.0)).max(1.0);
        let stretched = |share: &f64| share + (share - 1.0).max(0.0) * (stretch - 1.0);
        shares.iter().map(|share| (stretched(share) * self.replicas).max(1.0)).collect()
    }
}

/// Somebody who is tuned.
pub(super) struct Entrant {
    name: String,
    policy: Policy,
    /// What is the same in all tunings, and in all that are held.
    fixed: Vec<String>,
    held: Vec<String>,
    axes: Vec<Scale>,
    styles: &'static [Style],
}

/// A place on every axis.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) at: Vec<f64>,
    /// The axis of the target that it goes by.
    pub(super) target: usize,
    /// The way to be run that it comes from, or its kind.
    pub(super) style: usize,
    /// How much of the target's axis its way may be moved along.
    pub(super) reach: f64,
    /// Whether its metrics are samples, where its policy takes any.
    pub(super) sampled: bool,
    /// Whether a latency and guards hold what its demands would let go, where its policy has any.
    pub(super) held: bool,
}

impl Place {
    /// Whether it is where another one is, whatever way it came there.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        (&self.at, self.sampled, self.held) == (&other.at, other.sampled, other.held)
    }
}

/// How far from where somebody does as another one it may be best, in steps of the grid.
const REACH: f64 = 2.0;

/// Everybody.
pub(super) fn entrants(of: &Circumstances<'_>) -> Result<Vec<Entrant>, CommandError> {
    let mut entrants = Vec::new();
    for contender in &CONTENDERS {
        let source = Source::new("policy.yaml", contender.text);
        for document in read_policies(&source)?.policies {
            let (mut fixed, mut held) = (Vec::new(), Vec::new());
            if document.policy.spec().slo.is_some() {
                fixed.push(format!("spec.slo.leadTimeSeconds={}", of.lead_time_seconds));
                fixed.push(String::from("spec.retire.maxSessionSeconds=900"));
                held.push(String::from("spec.slo.latency.maxBoostPercent=0"));
            }
            entrants.push(Entrant {
                name: document.metadata.name.clone(),
                policy: document.policy,
                fixed,
                held,
                axes: contender.axes.iter().map(|axis| Scale::new(axis, of)).collect(),
                styles: contender.styles,
            });
        }
    }
    Ok(entrants)
}

impl Entrant {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn axes(&self) -> &[Scale] {
        &self.axes
    }

    fn axis(&self, field: &str) -> Option<usize> {
        self.axes.iter().position(|axis| axis.field == field)
    }

    /// These places, and on the other axes those where nothing is said.
    fn at(&self, places: Places) -> Vec<f64> {
        let place = |axis: &Scale| {
            let said = places.iter().find(|(field, _)| *field == axis.field);
            said.map_or(axis.at, |(_, at)| *at)
        };
        self.axes.iter().map(place).collect()
    }

    /// What is tried first: each way to be run, in the middle of its axis.
    pub(super) fn styles(&self) -> Vec<Place> {
        let middle = |(style, of): (usize, &Style)| {
            let target = self.axis(of.axis)?;
            let reach = self.axes.get(target)?.length();
            let mut at = self.at(of.at);
            *at.get_mut(target)? = reach / 2.0;
            Some(Place { at, target, style, reach, sampled: true, held: true })
        };
        self.styles.iter().enumerate().filter_map(middle).collect()
    }

    /// Where this one does what another does with a tuning, as far as it can.
    pub(super) fn like(&self, other: &str, tuning: &BTreeMap<String, String>) -> Vec<Place> {
        let mut places: Vec<Place> = if other == FIXED {
            let style = self.styles.len() + self.axes.len(); // none of its own
            let last = self.styles().pop();
            last.map(|place| Place { style, reach: REACH, ..place }).into_iter().collect()
        } else {
            let likenesses = LIKENESSES.iter().filter(|like| like.peer == other);
            likenesses.filter_map(|like| self.by(like, tuning)).collect()
        };
        for place in &mut places {
            self.take_over(&[LEAST, MOST], tuning, place);
        }
        places
    }

    /// The same way to be run with at most as many replicas as in a tuning; nothing where the way is a least
    /// count.
    pub(super) fn bound(&self, way: &Place, tuning: &BTreeMap<String, String>) -> Option<Place> {
        if self.axes.get(way.target).is_none_or(|axis| axis.field == LEAST) {
            return None;
        }
        let mut place = way.clone();
        self.take_over(&[MOST], tuning, &mut place);
        Some(place)
    }

    /// The same place with as many replicas as are tried at most; a fleet that stays is as large as it was.
    pub(super) fn unbound(&self, place: &Place) -> Place {
        let mut place = place.clone();
        for (axis, at) in self.axes.iter().zip(&mut place.at) {
            if axis.field == MOST {
                *at = axis.length();
            }
        }
        place
    }

    fn take_over(&self, fields: &[&str], tuning: &BTreeMap<String, String>, place: &mut Place) {
        for (axis, at) in self.axes.iter().zip(&mut place.at) {
            if fields.contains(&axis.field)
                && let Some(value) = told(tuning, axis.field)
            {
                *at = axis.place_of(value);
            }
        }
    }

    fn by(&self, like: &Likeness, tuning: &BTreeMap<String, String>) -> Option<Place> {
        let mut at = self.at(like.at);
        for same in like.same {
            let value = told(tuning, same.field)? * same.times + same.more;
            let axis = self.axis(same.axis)?;
            *at.get_mut(axis)? = self.axes.get(axis)?.place_of(value);
        }
        let (target, sampled) = (self.axis(like.axis)?, like.sampled);
        // What is sampled and what is not are two kinds.
        let style = self.styles.len() + if sampled { target } else { self.axes.len() + 1 };
        // No peer knows of a latency or a cache.
        Some(Place { at, target, style, reach: REACH, sampled, held: false })
    }

    /// Whether anything holds it that it could do without.
    pub(super) fn can_be_held(&self) -> bool {
        self.policy.spec().slo.as_ref().is_some_and(|slo| slo.signals.iter().any(holds))
    }

    /// The policy with the metrics that a place has.
    fn policy_at(&self, place: &Place) -> Result<Policy, CommandError> {
        let mut spec = self.policy.spec().clone();
        if let Some(slo) = spec.slo.as_mut().filter(|_| !place.sampled) {
            slo.sampling = None;
        }
        if let Some(slo) = spec.slo.as_mut().filter(|_| !place.held) {
            let (held, others) = slo.signals.drain(..).partition::<Vec<_>, _>(holds);
            slo.signals = others;
            let held = |metric: &MetricSpec| {
                let name = metric.external.as_ref().map(|external| &external.metric.name);
                held.iter().any(|signal| Some(&signal.metric) == name)
            };
            spec.metrics.iter_mut().for_each(|metrics| metrics.retain(|metric| !held(metric)));
        }
        Policy::new(spec).map_err(|error| CommandError::argument(error.to_string()))
    }

    /// With these places on its axes.
    pub(super) fn tuned(&self, place: &Place) -> Result<Candidate, CommandError> {
        self.tune(&self.name, &self.policy_at(place)?, place)
    }

    /// The same with an error budget for this share; nothing where its strategy has none.
    pub(super) fn budgeted(
        &self,
        place: &Place,
        share: f64,
    ) -> Result<Option<Candidate>, CommandError> {
        let policy = budgeted(&self.policy_at(place)?, share)?;
        policy.map(|policy| self.tune(BUDGETED, &policy, place)).transpose()
    }

    fn tune(&self, name: &str, policy: &Policy, place: &Place) -> Result<Candidate, CommandError> {
        let of_each = || self.axes.iter().zip(&place.at);
        let least = of_each().find(|(axis, _)| axis.field == LEAST);
        let least = least.map_or(0.0, |(axis, at)| axis.value_at(*at));
        let has = |axis: &Scale| place.sampled || !axis.field.starts_with(SAMPLING);
        let own =
            of_each().filter(|(axis, _)| has(axis)).map(|(axis, at)| match axis.value_at(*at) {
                most if axis.field == MOST => axis.text(most.max(least)),
                value => axis.text(value),
            });
        let held = self.held.iter().filter(|_| place.held);
        let same = self.fixed.iter().chain(held).cloned();
        let axes = same.chain(own).map(|text| text.parse());
        let axes: Result<Vec<Axis>, ParseAxisError> = axes.collect();
        let axes = axes.map_err(|error| CommandError::argument(error.to_string()))?;
        let sweep = Sweep { axes, random: None, seed: 1 };
        let tuned = sweep.tune(name, policy);
        let tuned = tuned.map_err(|error| CommandError::argument(error.to_string()))?;
        let tuned = tuned.into_iter().next();
        let mut tuned = tuned.ok_or_else(|| CommandError::argument("there is nothing to tune"))?;
        if self.can_be_held() && !place.held {
            let metrics: Vec<&str> = tuned.policy.metrics().iter().map(Metric::name).collect();
            tuned.tuning.insert(String::from("metrics"), metrics.join(","));
        }
        let bindings = Bindings::new(&tuned.policy, &[])
            .map_err(|error| CommandError::argument(error.to_string()))?;
        let name = name.to_owned();
        Ok(Candidate { name, tuning: tuned.tuning, policy: tuned.policy, bindings, to_beat: None })
    }
}

/// Whether a signal lets nothing go that the demands would.
fn holds(signal: &SloSignalSpec) -> bool {
    matches!(signal.role, SloRole::Latency | SloRole::Guard)
}

/// The value of a field in a tuning.
fn told(tuning: &BTreeMap<String, String>, field: &str) -> Option<f64> {
    let field = field.strip_prefix("spec.").unwrap_or(field); // as tunings are told
    tuning.get(field)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is tuned has somewhere that `slo` starts from, with the same targets, bounds and a window as long.
    #[test]
    fn slo_starts_from_where_each_peer_is() {
        let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
        let of = Circumstances {
            profile: &profile,
            capacity: 2.5,
            replicas: 12.0,
            peak: 9.0,
            lead_time_seconds: 120,
        };
        let entrants = entrants(&of).unwrap();
        let (own, peers) = entrants.split_first().unwrap();
        let target = |place: &Place, axis: usize| -> f64 {
            own.axes.get(axis).unwrap().value_at(*place.at.get(axis).unwrap())
        };
        for peer in peers {
            for place in peer.styles() {
                let tuning = peer.tuned(&place).unwrap().tuning;
                let likes = own.like(&peer.name, &tuning);
                assert!(!likes.is_empty(), "{}", peer.name);
                for like in likes {
                    let tuned = own.tuned(&like).unwrap().tuning;
                    for bound in [LEAST, MOST] {
                        assert_eq!(told(&tuned, bound), told(&tuning, bound), "{}", peer.name);
                    }
                    if peer.name == FIXED {
                        continue; // it has no window
                    }
                    let window = told(&tuning, peer.axes.get(peer.axes.len() - 3).unwrap().field);
                    let later = target(&like, 2) - window.unwrap();
                    let longest = window == Some(2400.0);
                    assert!((-1.0..=61.0).contains(&later) || longest, "{}: {like:?}", peer.name);
                    let policy = own.tuned(&like).unwrap().policy;
                    assert_eq!(policy.sampling().is_some(), like.sampled, "{}", peer.name);
                    let metrics: Vec<&str> = policy.metrics().iter().map(Metric::name).collect();
                    assert_eq!(metrics, ["requests_per_second", "requests_in_flight"]);
                    if !like.sampled {
                        assert!(later.abs() < 1.0, "{}: {like:?}", peer.name);
                    }
                }
                // The peers, too, start from the fleet that stays.
                if peer.name == FIXED {
                    let unbound = peer.tuned(&peer.unbound(&place)).unwrap();
                    assert_eq!(unbound.tuning, tuning, "a fleet that stays has no other size");
                    let like = peers.first().unwrap().like(FIXED, &tuning);
                    let like = peers.first().unwrap().tuned(like.first().unwrap()).unwrap();
                    assert_eq!(told(&like.tuning, LEAST), told(&tuning, LEAST));
                    assert_eq!(told(&like.tuning, MOST), told(&tuning, LEAST));
                }
            }
        }
        // Only `slo` knows of more than its demands; its own ways to be run do, and without it is another tuning.
        assert!(own.can_be_held() && !peers.iter().any(Entrant::can_be_held));
        for way in own.styles() {
            let free = Place { held: false, ..way.clone() };
            let [held, free] = [way, free].map(|place| own.tuned(&place).unwrap());
            let names = |of: &Candidate| of.policy.metrics().len();
            assert_eq!((names(&held), names(&free)), (4, 2));
            assert_ne!(held.tuning, free.tuning);
        }
        // Only `slo` can have a budget, and it counts what is attained then.
        for who in &entrants {
            for way in who.styles() {
                let budgeted = who.budgeted(&way, 0.98).unwrap();
                assert_eq!(budgeted.is_some(), who.can_be_held(), "{}", who.name);
                let Some(budgeted) = budgeted else { continue };
                assert_eq!(budgeted.name, "slo-budget");
                assert_eq!(budgeted.tuning, who.tuned(&way).unwrap().tuning);
                let names: Vec<&str> = budgeted.policy.metrics().iter().map(Metric::name).collect();
                assert_eq!(names.last(), Some(&"attained_ratio"));
                let slo = budgeted.policy.spec().slo.as_ref().unwrap();
                let objective = slo.error_budget.as_ref().unwrap().objective.unwrap();
                assert_eq!(objective.get(), 0.98);
                assert!(who.budgeted(&way, 1.0).unwrap().is_none(), "nothing may miss");
            }
        }
        // A way to be run that is bounded differs by its most alone; where the way is a least count there is
        // none.
        for who in &entrants {
            let enough = BTreeMap::from([(String::from("maxReplicas"), String::from("31"))]);
            for way in who.styles() {
                let Some(bound) = who.bound(&way, &enough) else {
                    assert_eq!(who.axes.get(way.target).unwrap().field, LEAST);
                    continue;
                };
                let mut tuned = who.tuned(&way).unwrap().tuning;
                let unbound = who.tuned(&who.unbound(&bound)).unwrap().tuning;
                assert_eq!(unbound, tuned, "{}: the ways are not bound", who.name);
                tuned.insert(String::from("maxReplicas"), String::from("31"));
                assert_eq!(who.tuned(&bound).unwrap().tuning, tuned, "{}", who.name);
            }
        }
        let tuning = |target: &str| {
            let fields = [
                ("metrics[0].external.target.averageValue", target),
                ("knative.scaleDownDelaySeconds", "1513"),
                ("minReplicas", "3"),
            ];
            fields.map(|(field, value)| (field.to_owned(), value.to_owned())).into()
        };
        let likes = own.like("knative", &tuning("40"));
        assert_eq!(likes.len(), 2);
        for like in likes {
            assert!((target(&like, 1) - 30.0).abs() < 0.01, "{like:?}");
            assert!((target(&like, 2) - 1573.0).abs() < 1.0, "{like:?}");
        }
    }
}
