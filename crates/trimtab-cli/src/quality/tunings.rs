//! Everybody's tunings: places on the axes of what is tuned.

use std::collections::BTreeMap;

use trimtab_engine::Policy;
use trimtab_manifest::{Source, read_policies};
use trimtab_sim::metrics::Bindings;
use trimtab_sim::sweep::{Axis, ParseAxisError, Sweep};
use trimtab_sim::{Candidate, ServiceProfile};

use super::contenders::{CONTENDERS, LIKENESSES, Style};
use super::scale::Scale;
use crate::error::CommandError;

/// What everybody is tuned for.
pub(super) struct Circumstances<'a> {
    pub(super) profile: &'a ServiceProfile,
    /// Requests per second that one replica does when it is busy all the time.
    pub(super) capacity: f64,
    /// Replicas that the mean load keeps busy.
    pub(super) replicas: f64,
    pub(super) lead_time_seconds: i64,
}

/// Somebody who is tuned.
pub(super) struct Entrant {
    name: String,
    policy: Policy,
    /// What is the same in all tunings.
    fixed: Vec<String>,
    axes: Vec<Scale>,
    grid: &'static [Style],
}

/// A place on every axis.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) at: Vec<f64>,
    /// The axis of the target that it goes by.
    pub(super) target: usize,
    /// The way to be run that it comes from.
    pub(super) style: usize,
}

/// Everybody.
pub(super) fn entrants(of: &Circumstances<'_>) -> Result<Vec<Entrant>, CommandError> {
    let mut entrants = Vec::new();
    for contender in &CONTENDERS {
        let source = Source::new("policy.yaml", contender.text);
        for document in read_policies(&source)?.policies {
            let most = (of.replicas * 6.0).max(1.0);
            let mut fixed =
                vec![String::from("spec.minReplicas=1"), format!("spec.maxReplicas={most:.0}")];
            if contender.text.contains("leadTimeSeconds") {
                fixed.push(format!("spec.slo.leadTimeSeconds={}", of.lead_time_seconds));
                fixed.push(String::from("spec.slo.latency.maxBoostPercent=0"));
            }
            entrants.push(Entrant {
                name: document.metadata.name.clone(),
                policy: document.policy,
                fixed,
                axes: contender.axes.iter().map(|axis| Scale::new(axis, of)).collect(),
                grid: contender.grid,
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

    /// What is tried first.
    pub(super) fn grid(&self) -> Vec<Place> {
        let along = |(style, of): (usize, &Style)| {
            let values = self.axes.get(of.axis).map_or(0, |axis| axis.values.len());
            let (target, at) = (of.axis, of.at);
            let place = move |place: usize| {
                let on_axis =
                    |(axis, at): (usize, &f64)| if axis == target { place as f64 } else { *at };
                Place { at: at.iter().enumerate().map(on_axis).collect(), target, style }
            };
            (0..values).map(place).collect::<Vec<_>>()
        };
        self.grid.iter().enumerate().flat_map(along).collect()
    }

    /// Where this one does what a peer does with a tuning, as far as it can.
    pub(super) fn like(&self, peer: &str, tuning: &BTreeMap<String, String>) -> Option<Place> {
        let like = LIKENESSES.iter().find(|like| like.peer == peer)?;
        let mut at = like.at.to_vec();
        for (field, axis, times) in like.same {
            let field = field.strip_prefix("spec.").unwrap_or(field); // as tunings are told
            let value: f64 = tuning.get(field)?.parse().ok()?;
            let axis_of = self.axes.get(*axis)?;
            let later = if axis_of.is_time() { like.later } else { 0.0 };
            *at.get_mut(*axis)? = axis_of.place_of(value * times + later);
        }
        Some(Place { at, target: like.axis, style: self.grid.len() + like.axis })
    }

    /// With these places on its axes.
    pub(super) fn tuned(&self, place: &Place) -> Result<Candidate, CommandError> {
        let own = self.axes.iter().zip(&place.at).map(|(axis, at)| axis.text(*at));
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
        Ok(Candidate { name, tuning: tuned.tuning, policy: tuned.policy, bindings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is tuned has somewhere that `slo` starts from, with the same targets and a window as long.
    #[test]
    fn slo_starts_from_where_each_peer_is() {
        let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
        let of = Circumstances {
            profile: &profile,
            capacity: 2.5,
            replicas: 12.0,
            lead_time_seconds: 120,
        };
        let entrants = entrants(&of).unwrap();
        let (own, peers) = entrants.split_first().unwrap();
        let target = |place: &Place, axis: usize| -> f64 {
            let text = own.axes.get(axis).unwrap().text(*place.at.get(axis).unwrap());
            text.split('=').next_back().unwrap().parse().unwrap()
        };
        for peer in peers {
            for place in peer.grid() {
                let tuning = peer.tuned(&place).unwrap().tuning;
                let like = own.like(&peer.name, &tuning).unwrap();
                let window = peer.axes.last().unwrap().text(*place.at.last().unwrap());
                let window: f64 = window.split('=').next_back().unwrap().parse().unwrap();
                let later = target(&like, 2) - window;
                let longest = window == 2400.0;
                assert!((-1.0..=61.0).contains(&later) || longest, "{}: {like:?}", peer.name);
                own.tuned(&like).unwrap();
            }
        }
        let tuning = |target: &str| {
            let fields = [
                ("metrics[0].external.target.averageValue", target),
                ("knative.scaleDownDelaySeconds", "1513"),
            ];
            fields.map(|(field, value)| (field.to_owned(), value.to_owned())).into()
        };
        let like = own.like("knative", &tuning("40")).unwrap();
        assert!((target(&like, 1) - 30.0).abs() < 0.01, "{like:?}");
        assert!((target(&like, 2) - 1573.0).abs() < 1.0, "{like:?}");
    }
}
