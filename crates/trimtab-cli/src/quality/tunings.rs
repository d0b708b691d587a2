//! Who takes part, and what of each is tuned.

use trimtab_engine::Policy;
use trimtab_manifest::{Source, read_policies};
use trimtab_sim::metrics::Bindings;
use trimtab_sim::sweep::{Axis, ParseAxisError, Sweep};
use trimtab_sim::{Candidate, ServiceProfile};

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

/// A contender: an example, and the fields that are tuned.
struct Contender {
    text: &'static str,
    axes: &'static [(&'static str, Values)],
    grid: &'static [Style],
}

/// A way to be run: every value of one axis, with these places on the others.
struct Style {
    axis: usize,
    at: &'static [f64],
}

enum Values {
    /// Shares of the requests per second that a busy replica does.
    Rate(&'static [f64]),
    /// Shares of the requests that a replica runs at once.
    Sequences(&'static [f64]),
    /// Seconds, which are whole.
    Seconds(&'static [f64]),
    /// As they stand.
    Given(&'static [f64]),
}

const RATE: &str = "spec.metrics[0].external.target.averageValue";
const IN_FLIGHT: &str = "spec.metrics[1].external.target.averageValue";
const ONLY: &str = RATE;
const WINDOW: &str = "spec.behavior.scaleDown.stabilizationWindowSeconds";

/// What those that go by arrivals aim at, from a fleet that is hardly used to one that is full.
const RATES: &[f64] = &[0.2, 0.35, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// How long nothing goes.
const WINDOWS: &[f64] = &[0.0, 60.0, 150.0, 300.0, 600.0, 1200.0, 2400.0];

/// First who is compared, then the peers.
const CONTENDERS: [Contender; 5] = [
    Contender {
        text: include_str!("../../policies/slo.yaml"),
        axes: &[
            (RATE, Values::Rate(&[0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 2.0])),
            (IN_FLIGHT, Values::Sequences(&[0.08, 0.15, 0.25, 0.35, 0.5, 0.8, 1.5])),
            (WINDOW, Values::Seconds(WINDOWS)),
            ("spec.slo.surgeQuantile", Values::Given(&[0.0, 0.5, 0.8, 0.95, 1.0])),
            ("spec.slo.maxSurgePercent", Values::Given(&[30.0, 100.0, 300.0, 1000.0])),
            ("spec.slo.headroom", Values::Given(&[0.0, 0.15, 0.5, 1.0])),
            ("spec.behavior.scaleUp.tolerance", Values::Given(&[0.0, 0.05, 0.1, 0.2])),
            ("spec.slo.sampling.noise", Values::Given(&[1.0, 2.0, 3.0, 6.0])),
            ("spec.slo.sampling.windowSeconds", Values::Seconds(&[20.0, 40.0, 60.0, 120.0])),
        ],
        grid: &[
            // By arrivals, and nothing kept for growth: for a short while, for long.
            Style { axis: 0, at: &[0.0, 4.0, 1.0, 0.0, 3.0, 1.0, 1.0, 2.0, 2.0] },
            Style { axis: 0, at: &[0.0, 4.0, 4.0, 0.0, 3.0, 1.0, 1.0, 2.0, 2.0] },
            Style { axis: 0, at: &[0.0, 4.0, 5.0, 0.0, 3.0, 0.0, 2.0, 3.0, 2.0] },
            Style { axis: 0, at: &[0.0, 5.0, 6.0, 0.0, 3.0, 0.0, 2.0, 3.0, 2.0] },
            // Growth is kept.
            Style { axis: 0, at: &[0.0, 4.0, 3.0, 3.0, 3.0, 1.0, 1.0, 2.0, 2.0] },
            Style { axis: 0, at: &[0.0, 4.0, 5.0, 4.0, 3.0, 1.0, 1.0, 2.0, 2.0] },
            // By what is in flight.
            Style { axis: 1, at: &[7.0, 0.0, 1.0, 0.0, 3.0, 0.0, 0.0, 2.0, 2.0] },
            Style { axis: 1, at: &[7.0, 0.0, 5.0, 0.0, 3.0, 0.0, 0.0, 2.0, 1.0] },
        ],
    },
    Contender {
        text: include_str!("../../policies/hpa-requests.yaml"),
        axes: PROMETHEUS,
        grid: BY_ARRIVALS,
    },
    Contender {
        text: include_str!("../../policies/keda-requests.yaml"),
        axes: PROMETHEUS,
        grid: BY_ARRIVALS,
    },
    Contender {
        text: include_str!("../../policies/knative.yaml"),
        axes: &[
            (ONLY, Values::Sequences(&[0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.65])),
            ("spec.knative.scaleDownDelaySeconds", Values::Seconds(WINDOWS)),
        ],
        grid: EACH_WINDOW,
    },
    Contender {
        text: include_str!("../../policies/ray-serve.yaml"),
        axes: &[
            (ONLY, Values::Sequences(&[0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5])),
            ("spec.rayServe.downscaleDelaySeconds", Values::Seconds(WINDOWS)),
        ],
        grid: EACH_WINDOW,
    },
];

/// What those are tuned by that have their metrics from Prometheus.
const PROMETHEUS: &[(&str, Values)] = &[
    (RATE, Values::Rate(RATES)),
    (IN_FLIGHT, Values::Sequences(&[0.5, 0.8])),
    (WINDOW, Values::Seconds(WINDOWS)),
];

const BY_ARRIVALS: &[Style] = &[
    Style { axis: 0, at: &[0.0, 0.0, 1.0] },
    Style { axis: 0, at: &[0.0, 1.0, 3.0] },
    Style { axis: 0, at: &[0.0, 0.0, 4.0] },
    Style { axis: 0, at: &[0.0, 1.0, 5.0] },
];

const EACH_WINDOW: &[Style] = &[
    Style { axis: 0, at: &[0.0, 0.0] },
    Style { axis: 0, at: &[0.0, 3.0] },
    Style { axis: 0, at: &[0.0, 4.0] },
    Style { axis: 0, at: &[0.0, 5.0] },
];

/// Somebody who is tuned.
pub(super) struct Entrant {
    name: String,
    policy: Policy,
    /// What is the same in all tunings.
    fixed: Vec<String>,
    axes: Vec<Scale>,
    grid: &'static [Style],
}

/// The values of a field, rising, that its places lie between.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    field: &'static str,
    values: Vec<f64>,
    kind: Kind,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// What one replica should have: a share of any size.
    Target,
    /// Whole, and at least 0.
    Seconds,
    /// Within the values.
    Within,
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
    pub(super) fn grid(&self) -> Vec<Vec<f64>> {
        let along = |style: &Style| {
            let values = self.axes.get(style.axis).map_or(0, |axis| axis.values.len());
            let (axis, at) = (style.axis, style.at);
            let place = move |place: usize| {
                let on_axis = |(of, at): (usize, &f64)| if of == axis { place as f64 } else { *at };
                at.iter().enumerate().map(on_axis).collect()
            };
            (0..values).map(place).collect::<Vec<_>>()
        };
        self.grid.iter().flat_map(along).collect()
    }

    /// Which style a place of the grid is of.
    pub(super) fn style(&self, place: usize) -> usize {
        let mut before = 0;
        let ends = self.grid.iter().take_while(|style| {
            before += self.axes.get(style.axis).map_or(0, |axis| axis.values.len());
            before <= place
        });
        ends.count()
    }

    /// The axis that the style of a place of the grid goes along.
    pub(super) fn target(&self, place: usize) -> usize {
        self.grid.get(self.style(place)).map_or(0, |style| style.axis)
    }

    /// With these places on its axes.
    pub(super) fn tuned(&self, places: &[f64]) -> Result<Candidate, CommandError> {
        let own = self.axes.iter().zip(places).map(|(axis, at)| axis.text(*at));
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

impl Scale {
    fn new((field, values): &(&'static str, Values), of: &Circumstances<'_>) -> Self {
        let sequences = f64::from(of.profile.max_sequences);
        let (values, full, kind) = match values {
            Values::Rate(shares) => (shares, of.capacity, Kind::Target),
            Values::Sequences(shares) => (shares, sequences, Kind::Target),
            Values::Seconds(values) => (values, 1.0, Kind::Seconds),
            Values::Given(values) => (values, 1.0, Kind::Within),
        };
        Self { field, values: values.iter().map(|value| value * full).collect(), kind }
    }

    /// The place nearest to this one that there is: a target goes on beyond the grid, by a step.
    pub(super) fn within(&self, at: f64) -> f64 {
        let last = self.values.len().saturating_sub(1) as f64;
        let beyond = if self.kind == Kind::Target && last > 0.0 { 1.0 } else { 0.0 };
        at.clamp(-beyond, last + beyond)
    }

    /// The field with the value at a place: at whole ones those of the grid, between two of them
    /// what is as far from either.
    fn text(&self, at: f64) -> String {
        let last = self.values.len().saturating_sub(1);
        let from = (at.floor().max(0.0) as usize).min(last.saturating_sub(1));
        let (low, high) = (self.value(from), self.value((from + 1).min(last)));
        let share = at - from as f64;
        let value = match self.kind {
            Kind::Target => low * libm::pow(high / low, share),
            _ => low + (high - low) * share,
        };
        let field = self.field;
        match self.kind {
            Kind::Seconds => format!("{field}={:.0}", value.max(0.0)),
            _ => format!("{field}={value:.3}"),
        }
    }

    fn value(&self, place: usize) -> f64 {
        self.values.get(place).copied().unwrap_or_default()
    }
}
