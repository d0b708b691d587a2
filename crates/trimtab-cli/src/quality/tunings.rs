//! Everybody's tunings: places on the axes of what is tuned.

use std::collections::BTreeMap;

use trimtab_engine::Policy;
use trimtab_manifest::{Source, read_policies};
use trimtab_sim::metrics::Bindings;
use trimtab_sim::sweep::{Axis, ParseAxisError, Sweep};
use trimtab_sim::{Candidate, ServiceProfile};

use super::contenders::{CONTENDERS, FIXED, HIGHEST, LEAST, LIKENESSES, Likeness, MOST, Style};
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
    /// What is the same in all tunings.
    fixed: Vec<String>,
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
}

/// How far from where somebody does as another one it may be best, in steps of the grid.
const REACH: f64 = 2.0;

/// Everybody.
pub(super) fn entrants(of: &Circumstances<'_>) -> Result<Vec<Entrant>, CommandError> {
    let mut entrants = Vec::new();
    for contender in &CONTENDERS {
        let source = Source::new("policy.yaml", contender.text);
        for document in read_policies(&source)?.policies {
            let mut fixed = Vec::new();
            if contender.text.contains("leadTimeSeconds") {
                fixed.push(format!("spec.slo.leadTimeSeconds={}", of.lead_time_seconds));
                fixed.push(String::from("spec.slo.latency.maxBoostPercent=0"));
            }
            entrants.push(Entrant {
                name: document.metadata.name.clone(),
                policy: document.policy,
                fixed,
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

    /// What is tried first: each way to be run, in the middle of its axis.
    pub(super) fn styles(&self) -> Vec<Place> {
        let middle = |(style, of): (usize, &Style)| {
            let mut at = of.at.to_vec();
            let reach = self.axes.get(of.axis).map_or(0.0, Scale::length);
            if let Some(at) = at.get_mut(of.axis) {
                *at = reach / 2.0;
            }
            Place { at, target: of.axis, style, reach }
        };
        self.styles.iter().enumerate().map(middle).collect()
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
            for (axis, at) in self.axes.iter().zip(&mut place.at) {
                if let (LEAST | MOST, Some(value)) = (axis.field, told(tuning, axis.field)) {
                    *at = axis.place_of(value);
                }
            }
        }
        places
    }

    fn by(&self, like: &Likeness, tuning: &BTreeMap<String, String>) -> Option<Place> {
        let mut at = like.at.to_vec();
        for same in like.same {
            let value = told(tuning, same.field)?;
            let place = self.axes.get(same.axis)?.place_of(value * same.times + same.more);
            *at.get_mut(same.axis)? = place;
        }
        Some(Place { at, target: like.axis, style: self.styles.len() + like.axis, reach: REACH })
    }

    /// With these places on its axes.
    pub(super) fn tuned(&self, place: &Place) -> Result<Candidate, CommandError> {
        let of_each = || self.axes.iter().zip(&place.at);
        let least = of_each().find(|(axis, _)| axis.field == LEAST);
        let least = least.map_or(0.0, |(axis, at)| axis.value_at(*at));
        let own = of_each().map(|(axis, at)| match axis.value_at(*at) {
            most if axis.field == MOST => axis.text(most.max(least)),
            value => axis.text(value),
        });
        let axes = self.fixed.iter().cloned().chain(own).map(|text| text.parse());
        let axes: Result<Vec<Axis>, ParseAxisError> = axes.collect();
        let axes = axes.map_err(|error| CommandError::argument(error.to_string()))?;
        let sweep = Sweep { axes, random: None, seed: 1 };
        let tuned = sweep.tune(&self.name, &self.policy);
        let tuned = tuned.map_err(|error| CommandError::argument(error.to_string()))?;
        let tuned = tuned.into_iter().next();
        let tuned = tuned.ok_or_else(|| CommandError::argument("there is nothing to tune"))?;
        let bindings = Bindings::new(&tuned.policy, &[])
            .map_err(|error| CommandError::argument(error.to_string()))?;
        let name = self.name.clone();
        Ok(Candidate { name, tuning: tuned.tuning, policy: tuned.policy, bindings, to_beat: None })
    }
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
                }
                // The peers, too, start from the fleet that stays.
                if peer.name == FIXED {
                    let like = peers.first().unwrap().like(FIXED, &tuning);
                    let like = peers.first().unwrap().tuned(like.first().unwrap()).unwrap();
                    assert_eq!(told(&like.tuning, LEAST), told(&tuning, LEAST));
                    assert_eq!(told(&like.tuning, MOST), told(&tuning, LEAST));
                }
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
