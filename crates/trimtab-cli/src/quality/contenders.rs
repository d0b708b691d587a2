//! Who takes part, and what of each is tuned.

/// A contender: an example, the fields that are tuned, and the ways to be run that are tried.
pub(super) struct Contender {
    pub(super) text: &'static str,
    pub(super) axes: &'static [Field],
    pub(super) styles: &'static [Style],
}

/// A field that is tuned, its values, and where between them a way to be run has it that says nothing else.
pub(super) struct Field {
    pub(super) path: &'static str,
    pub(super) values: Values,
    pub(super) at: f64,
}

const fn field(path: &'static str, values: Values, at: f64) -> Field {
    Field { path, values, at }
}

/// A way to be run: somewhere on one axis, with these places on others.
pub(super) struct Style {
    pub(super) axis: &'static str,
    pub(super) at: Places,
}

/// Places on axes, counted from 0 and between two values a fraction.
pub(super) type Places = &'static [(&'static str, f64)];

const fn by(axis: &'static str, at: Places) -> Style {
    Style { axis, at }
}

pub(super) enum Values {
    /// Shares of the requests per second that a busy replica does.
    Rate(&'static [f64]),
    /// Shares of the requests that a replica runs at once.
    Sequences(&'static [f64]),
    /// Shares of the replicas that the mean load keeps busy, to whole ones; stretched above 1 where the load has
    /// peaks beyond the highest.
    Replicas(&'static [f64]),
    /// As they stand, and whole.
    Whole(&'static [f64]),
    /// As they stand.
    Given(&'static [f64]),
    /// Off and on.
    Switch,
}

pub(super) const RATE: &str = "spec.metrics[0].external.target.averageValue";
pub(super) const IN_FLIGHT: &str = "spec.metrics[1].external.target.averageValue";
pub(super) const ONLY: &str = RATE;
pub(super) const WINDOW: &str = "spec.behavior.scaleDown.stabilizationWindowSeconds";
pub(super) const KNATIVE_DELAY: &str = "spec.knative.scaleDownDelaySeconds";
pub(super) const RAY_DELAY: &str = "spec.rayServe.downscaleDelaySeconds";
pub(super) const LEAST: &str = "spec.minReplicas";
pub(super) const MOST: &str = "spec.maxReplicas";
/// How long growth has to last.
pub(super) const UP_WINDOW: &str = "spec.behavior.scaleUp.stabilizationWindowSeconds";
pub(super) const TOLERANCE: &str = "spec.behavior.scaleUp.tolerance";
const HEADROOM: &str = "spec.slo.headroom";
const SURGE: &str = "spec.slo.surgeQuantile";
const SURGE_PERCENT: &str = "spec.slo.maxSurgePercent";
const CREDIT: &str = "spec.anticipate.startingCredit";
/// What only who samples has.
pub(super) const SAMPLING: &str = "spec.slo.sampling.";
pub(super) const NOISE: &str = "spec.slo.sampling.noise";
pub(super) const AVERAGE: &str = "spec.slo.sampling.windowSeconds";
pub(super) const BURST: &str = "spec.slo.sampling.burstThresholdPercent";

/// What those that go by arrivals aim at, from a fleet that is hardly used to one that is full.
const RATES: &[f64] = &[0.2, 0.35, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// How long nothing goes.
const WINDOWS: Values = Values::Whole(&[0.0, 60.0, 150.0, 300.0, 600.0, 1200.0, 2400.0]);

/// How many there always are: from one to what serves nearly every peak.
const LEASTS: Values = Values::Replicas(&[0.05, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0]);

/// How many there are at most, or as many as at least where that is more.
const MOSTS: Values = Values::Replicas(&[0.05, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, HIGHEST]);

/// What serves every peak of most loads.
pub(super) const HIGHEST: f64 = 6.0;

/// A fleet that stays as it is.
pub(super) const FIXED: &str = "fixed";

/// First who is compared, then the peers, and last the fleet that stays.
pub(super) const CONTENDERS: [Contender; 6] = [
    Contender {
        text: include_str!("../../policies/slo.yaml"),
        axes: &[
            field(RATE, Values::Rate(&[0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 2.0]), 7.0),
            field(IN_FLIGHT, Values::Sequences(&[0.08, 0.15, 0.25, 0.35, 0.5, 0.8, 1.5]), 4.0),
            field(WINDOW, WINDOWS, 1.0),
            field(LEAST, LEASTS, 0.0),
            field(SURGE, Values::Given(&[0.0, 0.5, 0.8, 0.95, 1.0]), 0.0),
            field(SURGE_PERCENT, Values::Given(&[30.0, 100.0, 300.0, 1000.0]), 3.0),
            field(HEADROOM, Values::Given(&[0.0, 0.15, 0.5, 1.0]), 0.0),
            field(TOLERANCE, Values::Given(&[0.0, 0.05, 0.1, 0.2]), 1.0),
            field(NOISE, Values::Given(&[0.0, 1.0, 2.0, 3.0, 6.0, 10.0]), 3.0),
            field(AVERAGE, Values::Whole(&[20.0, 40.0, 60.0, 120.0]), 2.0),
            field(BURST, Values::Whole(&[100.0, 150.0, 200.0, 300.0]), 0.0),
            field(MOST, MOSTS, 7.0),
            field(CREDIT, Values::Switch, 0.0),
            field(UP_WINDOW, Values::Whole(&[0.0, 15.0, 30.0, 60.0]), 0.0),
        ],
        styles: &[
            // By arrivals, and nothing kept for growth: for a short while, for long.
            by(RATE, &[(HEADROOM, 1.0)]),
            by(RATE, &[(WINDOW, 4.0), (LEAST, 1.0), (HEADROOM, 1.0)]),
            by(RATE, &[(WINDOW, 5.0), (LEAST, 2.0), (TOLERANCE, 2.0), (NOISE, 4.0)]),
            by(RATE, &[(IN_FLIGHT, 5.0), (WINDOW, 6.0), (TOLERANCE, 2.0), (NOISE, 4.0)]),
            // The same, and bursts are borne.
            by(
                RATE,
                &[(WINDOW, 2.0), (TOLERANCE, 2.0), (NOISE, 1.0), (AVERAGE, 3.0), (BURST, 0.6)],
            ),
            by(RATE, &[(WINDOW, 4.0), (NOISE, 1.0), (BURST, 1.0)]),
            // Growth is kept.
            by(RATE, &[(WINDOW, 3.0), (LEAST, 1.0), (SURGE, 3.0), (HEADROOM, 1.0)]),
            by(RATE, &[(WINDOW, 5.0), (SURGE, 4.0), (HEADROOM, 1.0)]),
            // By what is in flight.
            by(IN_FLIGHT, &[(LEAST, 1.0), (TOLERANCE, 0.0)]),
            by(IN_FLIGHT, &[(WINDOW, 5.0), (TOLERANCE, 0.0), (AVERAGE, 1.0)]),
            // The same, and what starts counts as part of the answer.
            by(IN_FLIGHT, &[(LEAST, 1.0), (TOLERANCE, 0.0), (CREDIT, 1.0)]),
            by(IN_FLIGHT, &[(WINDOW, 4.0), (TOLERANCE, 0.0), (AVERAGE, 1.0), (CREDIT, 1.0)]),
            // Never fewer than so many, and more where they are full.
            by(LEAST, &[(RATE, 6.0), (WINDOW, 3.0)]),
        ],
    },
    Contender {
        text: include_str!("../../policies/hpa-requests.yaml"),
        axes: PROMETHEUS,
        styles: BY_ARRIVALS,
    },
    Contender {
        text: include_str!("../../policies/keda-requests.yaml"),
        axes: PROMETHEUS,
        styles: BY_ARRIVALS,
    },
    Contender {
        text: include_str!("../../policies/knative.yaml"),
        axes: &[
            field(
                ONLY,
                Values::Sequences(&[0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.65]),
                8.0,
            ),
            field(KNATIVE_DELAY, WINDOWS, 3.0),
            field(LEAST, LEASTS, 0.0),
            field(MOST, MOSTS, 7.0),
        ],
        styles: &[
            by(ONLY, &[(KNATIVE_DELAY, 0.0)]),
            by(ONLY, &[(LEAST, 1.0)]),
            by(ONLY, &[(KNATIVE_DELAY, 4.0), (LEAST, 2.0)]),
            by(ONLY, &[(KNATIVE_DELAY, 5.0)]),
            by(LEAST, &[]),
        ],
    },
    Contender {
        text: include_str!("../../policies/ray-serve.yaml"),
        axes: &[
            field(
                ONLY,
                Values::Sequences(&[0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5]),
                8.0,
            ),
            field(RAY_DELAY, WINDOWS, 3.0),
            field(LEAST, LEASTS, 0.0),
            field(MOST, MOSTS, 7.0),
        ],
        styles: &[
            by(ONLY, &[(RAY_DELAY, 0.0)]),
            by(ONLY, &[(LEAST, 1.0)]),
            by(ONLY, &[(RAY_DELAY, 4.0), (LEAST, 2.0)]),
            by(ONLY, &[(RAY_DELAY, 5.0)]),
            by(LEAST, &[]),
        ],
    },
    Contender {
        text: include_str!("fixed.yaml"),
        axes: &[field(LEAST, LEASTS, 0.0), field(MOST, Values::Replicas(&[0.05]), 0.0)],
        styles: &[by(LEAST, &[])],
    },
];

/// What those are tuned by that have their metrics from Prometheus.
const PROMETHEUS: &[Field] = &[
    field(RATE, Values::Rate(RATES), 8.0),
    field(IN_FLIGHT, Values::Sequences(&[0.5, 0.8]), 1.0),
    field(WINDOW, WINDOWS, 3.0),
    field(LEAST, LEASTS, 0.0),
    field(MOST, MOSTS, 7.0),
];

const BY_ARRIVALS: &[Style] = &[
    by(RATE, &[(IN_FLIGHT, 0.0), (WINDOW, 1.0)]),
    by(RATE, &[(LEAST, 1.0)]),
    by(RATE, &[(IN_FLIGHT, 0.0), (WINDOW, 4.0), (LEAST, 2.0)]),
    by(RATE, &[(WINDOW, 5.0)]),
    by(LEAST, &[]),
];
