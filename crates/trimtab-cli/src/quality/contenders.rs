//! Who takes part, and what of each is tuned.

/// A contender: an example, and the fields that are tuned.
pub(super) struct Contender {
    pub(super) text: &'static str,
    pub(super) axes: &'static [(&'static str, Values)],
    pub(super) grid: &'static [Style],
}

/// A way to be run: every value of one axis, with these places on the others.
pub(super) struct Style {
    pub(super) axis: usize,
    pub(super) at: &'static [f64],
}

pub(super) enum Values {
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
const KNATIVE_DELAY: &str = "spec.knative.scaleDownDelaySeconds";
const RAY_DELAY: &str = "spec.rayServe.downscaleDelaySeconds";

/// What those that go by arrivals aim at, from a fleet that is hardly used to one that is full.
const RATES: &[f64] = &[0.2, 0.35, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// How long nothing goes.
const WINDOWS: &[f64] = &[0.0, 60.0, 150.0, 300.0, 600.0, 1200.0, 2400.0];

/// First who is compared, then the peers.
pub(super) const CONTENDERS: [Contender; 5] = [
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
            ("spec.slo.sampling.noise", Values::Given(&[1.0, 2.0, 3.0, 6.0, 10.0])),
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
            (KNATIVE_DELAY, Values::Seconds(WINDOWS)),
        ],
        grid: EACH_WINDOW,
    },
    Contender {
        text: include_str!("../../policies/ray-serve.yaml"),
        axes: &[
            (ONLY, Values::Sequences(&[0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5])),
            (RAY_DELAY, Values::Seconds(WINDOWS)),
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

/// What `slo` is like when it does as a peer: it starts from there, too.
pub(super) struct Likeness {
    pub(super) peer: &'static str,
    /// The target that the peer goes by.
    pub(super) axis: usize,
    /// A field of the peer, the axis of it, and how much of the one the other is.
    pub(super) same: &'static [(&'static str, usize, f64)],
    /// So many seconds later the peer lets go at the same window.
    pub(super) later: f64,
    /// The places on the other axes.
    pub(super) at: &'static [f64],
}

/// Who has the fields of `slo`, and rates of the last minute.
const OWN_FIELDS: &[(&str, usize, f64)] = &[(RATE, 0, 1.0), (IN_FLIGHT, 1, 1.0), (WINDOW, 2, 1.0)];
const RATES_OF: f64 = 60.0;

pub(super) const LIKENESSES: [Likeness; 4] = [
    Likeness {
        peer: "hpa-requests",
        axis: 0,
        same: OWN_FIELDS,
        later: RATES_OF,
        at: &[0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 2.0, 2.0, 2.0],
    },
    Likeness {
        peer: "keda-requests",
        axis: 0,
        same: OWN_FIELDS,
        later: RATES_OF,
        at: &[0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 2.0, 3.0, 2.0],
    },
    // Three quarters of what a replica may have, as in its example.
    Likeness {
        peer: "knative",
        axis: 1,
        same: &[(ONLY, 1, 0.75), (KNATIVE_DELAY, 2, 1.0)],
        later: 60.0, // nothing falls in panic
        at: &[7.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 2.0, 2.0],
    },
    Likeness {
        peer: "ray-serve",
        axis: 1,
        same: &[(ONLY, 1, 1.0), (RAY_DELAY, 2, 1.0)],
        later: 0.0,
        at: &[7.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 0.5],
    },
];
