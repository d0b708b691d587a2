//! Who takes part, and what of each is tuned.

/// A contender: an example, and the fields that are tuned.
pub(super) struct Contender {
    pub(super) text: &'static str,
    pub(super) axes: &'static [(&'static str, Values)],
    pub(super) styles: &'static [Style],
}

/// A way to be run: somewhere on one axis, with these places on the others.
pub(super) struct Style {
    pub(super) axis: usize,
    pub(super) at: &'static [f64],
}

const fn by(axis: usize, at: &'static [f64]) -> Style {
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

const RATE: &str = "spec.metrics[0].external.target.averageValue";
const IN_FLIGHT: &str = "spec.metrics[1].external.target.averageValue";
const ONLY: &str = RATE;
const WINDOW: &str = "spec.behavior.scaleDown.stabilizationWindowSeconds";
const KNATIVE_DELAY: &str = "spec.knative.scaleDownDelaySeconds";
const RAY_DELAY: &str = "spec.rayServe.downscaleDelaySeconds";
pub(super) const LEAST: &str = "spec.minReplicas";
pub(super) const MOST: &str = "spec.maxReplicas";
/// What only who samples has.
pub(super) const SAMPLING: &str = "spec.slo.sampling.";

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
            (RATE, Values::Rate(&[0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 2.0])),
            (IN_FLIGHT, Values::Sequences(&[0.08, 0.15, 0.25, 0.35, 0.5, 0.8, 1.5])),
            (WINDOW, WINDOWS),
            (LEAST, LEASTS),
            ("spec.slo.surgeQuantile", Values::Given(&[0.0, 0.5, 0.8, 0.95, 1.0])),
            ("spec.slo.maxSurgePercent", Values::Given(&[30.0, 100.0, 300.0, 1000.0])),
            ("spec.slo.headroom", Values::Given(&[0.0, 0.15, 0.5, 1.0])),
            ("spec.behavior.scaleUp.tolerance", Values::Given(&[0.0, 0.05, 0.1, 0.2])),
            ("spec.slo.sampling.noise", Values::Given(&[0.0, 1.0, 2.0, 3.0, 6.0, 10.0])),
            ("spec.slo.sampling.windowSeconds", Values::Whole(&[20.0, 40.0, 60.0, 120.0])),
            (
                "spec.slo.sampling.burstThresholdPercent",
                Values::Whole(&[100.0, 150.0, 200.0, 300.0]),
            ),
            (MOST, MOSTS),
            ("spec.anticipate.startingCredit", Values::Switch),
        ],
        styles: &[
            // By arrivals, and nothing kept for growth: for a short while, for long.
            by(0, &[0.0, 4.0, 1.0, 0.0, 0.0, 3.0, 1.0, 1.0, 3.0, 2.0, 0.0, 7.0, 0.0]),
            by(0, &[0.0, 4.0, 4.0, 1.0, 0.0, 3.0, 1.0, 1.0, 3.0, 2.0, 0.0, 7.0, 0.0]),
            by(0, &[0.0, 4.0, 5.0, 2.0, 0.0, 3.0, 0.0, 2.0, 4.0, 2.0, 0.0, 7.0, 0.0]),
            by(0, &[0.0, 5.0, 6.0, 0.0, 0.0, 3.0, 0.0, 2.0, 4.0, 2.0, 0.0, 7.0, 0.0]),
            // The same, and bursts are borne.
            by(0, &[0.0, 4.0, 2.0, 0.0, 0.0, 3.0, 0.0, 2.0, 1.0, 3.0, 0.6, 7.0, 0.0]),
            by(0, &[0.0, 4.0, 4.0, 0.0, 0.0, 3.0, 0.0, 1.0, 1.0, 2.0, 1.0, 7.0, 0.0]),
            // Growth is kept.
            by(0, &[0.0, 4.0, 3.0, 1.0, 3.0, 3.0, 1.0, 1.0, 3.0, 2.0, 0.0, 7.0, 0.0]),
            by(0, &[0.0, 4.0, 5.0, 0.0, 4.0, 3.0, 1.0, 1.0, 3.0, 2.0, 0.0, 7.0, 0.0]),
            // By what is in flight.
            by(1, &[7.0, 0.0, 1.0, 1.0, 0.0, 3.0, 0.0, 0.0, 3.0, 2.0, 0.0, 7.0, 0.0]),
            by(1, &[7.0, 0.0, 5.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 1.0, 0.0, 7.0, 0.0]),
            // The same, and what starts counts as part of the answer.
            by(1, &[7.0, 0.0, 1.0, 1.0, 0.0, 3.0, 0.0, 0.0, 3.0, 2.0, 0.0, 7.0, 1.0]),
            by(1, &[7.0, 0.0, 4.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 1.0, 0.0, 7.0, 1.0]),
            // Never fewer than so many, and more where they are full.
            by(3, &[6.0, 4.0, 3.0, 0.0, 0.0, 3.0, 0.0, 1.0, 3.0, 2.0, 0.0, 7.0, 0.0]),
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
            (ONLY, Values::Sequences(&[0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.65])),
            (KNATIVE_DELAY, WINDOWS),
            (LEAST, LEASTS),
            (MOST, MOSTS),
        ],
        styles: BY_IN_FLIGHT,
    },
    Contender {
        text: include_str!("../../policies/ray-serve.yaml"),
        axes: &[
            (ONLY, Values::Sequences(&[0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5])),
            (RAY_DELAY, WINDOWS),
            (LEAST, LEASTS),
            (MOST, MOSTS),
        ],
        styles: BY_IN_FLIGHT,
    },
    Contender {
        text: include_str!("fixed.yaml"),
        axes: &[(LEAST, LEASTS), (MOST, Values::Replicas(&[0.05]))],
        styles: &[by(0, &[0.0, 0.0])],
    },
];

/// What those are tuned by that have their metrics from Prometheus.
const PROMETHEUS: &[(&str, Values)] = &[
    (RATE, Values::Rate(RATES)),
    (IN_FLIGHT, Values::Sequences(&[0.5, 0.8])),
    (WINDOW, WINDOWS),
    (LEAST, LEASTS),
    (MOST, MOSTS),
];

const BY_ARRIVALS: &[Style] = &[
    by(0, &[0.0, 0.0, 1.0, 0.0, 7.0]),
    by(0, &[0.0, 1.0, 3.0, 1.0, 7.0]),
    by(0, &[0.0, 0.0, 4.0, 2.0, 7.0]),
    by(0, &[0.0, 1.0, 5.0, 0.0, 7.0]),
    by(3, &[8.0, 1.0, 3.0, 0.0, 7.0]),
];

const BY_IN_FLIGHT: &[Style] = &[
    by(0, &[0.0, 0.0, 0.0, 7.0]),
    by(0, &[0.0, 3.0, 1.0, 7.0]),
    by(0, &[0.0, 4.0, 2.0, 7.0]),
    by(0, &[0.0, 5.0, 0.0, 7.0]),
    by(2, &[8.0, 3.0, 0.0, 7.0]),
];

/// What `slo` is like when it does as a peer with the same bounds: it starts from there, too.
pub(super) struct Likeness {
    pub(super) peer: &'static str,
    /// The target that the peer goes by.
    pub(super) axis: usize,
    pub(super) same: &'static [Same],
    /// Where its metrics come from: its own samples, or as the peer has them.
    pub(super) sampled: bool,
    /// The places on the other axes.
    pub(super) at: [f64; 13],
}

/// A field of a peer, and what an axis of `slo` is made of it: so many times as much, and so much more.
pub(super) struct Same {
    pub(super) field: &'static str,
    pub(super) axis: usize,
    pub(super) times: f64,
    pub(super) more: f64,
}

const fn same(field: &'static str, axis: usize) -> Same {
    Same { field, axis, times: 1.0, more: 0.0 }
}

/// Who has the fields of `slo`.
const OWN_FIELDS: &[Same] = &[same(RATE, 0), same(IN_FLIGHT, 1), same(WINDOW, 2)];

/// The same, and it lets go when a rate of the last minute says so.
const OWN_FIELDS_LATER: &[Same] =
    &[same(RATE, 0), same(IN_FLIGHT, 1), Same { more: 60.0, ..same(WINDOW, 2) }];

/// Three quarters of what a replica may have, as in its example; and nothing falls in panic, for a minute.
const KNATIVE_FIELDS: &[Same] =
    &[Same { times: 0.75, ..same(ONLY, 1) }, Same { more: 60.0, ..same(KNATIVE_DELAY, 2) }];

/// By the very metrics, with the HPA's tolerance.
const fn by_the_same(peer: &'static str) -> Likeness {
    let at = [0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 2.0, 3.0, 2.0, 0.0, 7.0, 0.0];
    Likeness { peer, axis: 0, same: OWN_FIELDS, sampled: false, at }
}

/// By arrivals that are sampled, likewise, and growth at so much noise.
const fn by_arrivals(peer: &'static str, noise: f64) -> Likeness {
    let at = [0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 2.0, noise, 2.0, 0.0, 7.0, 0.0];
    Likeness { peer, axis: 0, same: OWN_FIELDS_LATER, sampled: true, at }
}

/// By what is in flight, with growth at so much noise and beyond such a burst.
const fn by_in_flight(
    peer: &'static str,
    same: &'static [Same],
    noise: f64,
    burst: f64,
) -> Likeness {
    let at = [7.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, noise, 2.0, burst, 7.0, 0.0];
    Likeness { peer, axis: 1, same, sampled: true, at }
}

pub(super) const LIKENESSES: [Likeness; 7] = [
    // As late as those see it; and growth at once.
    by_the_same("hpa-requests"),
    by_arrivals("hpa-requests", 3.0),
    by_the_same("keda-requests"),
    by_arrivals("keda-requests", 4.0),
    // What it begins to panic at; and what `slo` would.
    by_in_flight("knative", KNATIVE_FIELDS, 0.0, 2.0),
    by_in_flight("knative", KNATIVE_FIELDS, 3.0, 0.0),
    Likeness {
        peer: "ray-serve",
        axis: 1,
        same: &[same(ONLY, 1), same(RAY_DELAY, 2)],
        sampled: true,
        at: [7.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 4.0, 0.5, 0.0, 7.0, 0.0],
    },
];
