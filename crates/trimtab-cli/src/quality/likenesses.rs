//! Where `slo` does as a peer that was tuned: it starts from there, too, as who comes from that peer would, and
//! no latency or cache holds what the peer would let go.

use super::contenders::{
    AVERAGE, BURST, IN_FLIGHT, KNATIVE_DELAY, NOISE, ONLY, Places, RATE, RAY_DELAY, TOLERANCE,
    UP_WINDOW, WINDOW,
};

/// What `slo` is like when it does as a peer with the same bounds.
pub(super) struct Likeness {
    pub(super) peer: &'static str,
    /// The target that the peer goes by.
    pub(super) axis: &'static str,
    pub(super) same: &'static [Same],
    /// Where its metrics come from: its own samples, or as the peer has them.
    pub(super) sampled: bool,
    /// The places on other axes.
    pub(super) at: Places,
}

/// A field of a peer, and what an axis of `slo` is made of it: so many times as much, and so much more.
pub(super) struct Same {
    pub(super) field: &'static str,
    pub(super) axis: &'static str,
    pub(super) times: f64,
    pub(super) more: f64,
}

const fn same(field: &'static str, axis: &'static str) -> Same {
    Same { field, axis, times: 1.0, more: 0.0 }
}

/// Who has the fields of `slo`.
const OWN_FIELDS: &[Same] = &[same(RATE, RATE), same(IN_FLIGHT, IN_FLIGHT), same(WINDOW, WINDOW)];

/// The same, and it lets go when a rate of the last minute says so.
const OWN_FIELDS_LATER: &[Same] =
    &[same(RATE, RATE), same(IN_FLIGHT, IN_FLIGHT), Same { more: 60.0, ..same(WINDOW, WINDOW) }];

/// Three quarters of what a replica may have, as in its example; and nothing falls in panic, for a minute.
const KNATIVE_FIELDS: &[Same] = &[
    Same { times: 0.75, ..same(ONLY, IN_FLIGHT) },
    Same { more: 60.0, ..same(KNATIVE_DELAY, WINDOW) },
];

const RAY_FIELDS: &[Same] = &[same(ONLY, IN_FLIGHT), same(RAY_DELAY, WINDOW)];

/// By the very metrics, with the HPA's tolerance.
const fn by_the_same(peer: &'static str) -> Likeness {
    Likeness { peer, axis: RATE, same: OWN_FIELDS, sampled: false, at: &[(TOLERANCE, 2.0)] }
}

/// By arrivals that are sampled.
const fn by_arrivals(peer: &'static str, at: Places) -> Likeness {
    Likeness { peer, axis: RATE, same: OWN_FIELDS_LATER, sampled: true, at }
}

/// By what is in flight.
const fn by_in_flight(peer: &'static str, same: &'static [Same], at: Places) -> Likeness {
    Likeness { peer, axis: IN_FLIGHT, same, sampled: true, at }
}

pub(super) const LIKENESSES: [Likeness; 7] = [
    // As late as those see it; and growth at once.
    by_the_same("hpa-requests"),
    by_arrivals("hpa-requests", &[(TOLERANCE, 2.0)]),
    by_the_same("keda-requests"),
    by_arrivals("keda-requests", &[(TOLERANCE, 2.0), (NOISE, 4.0)]),
    // What it begins to panic at; and what `slo` would.
    by_in_flight("knative", KNATIVE_FIELDS, &[(TOLERANCE, 0.0), (NOISE, 0.0), (BURST, 2.0)]),
    by_in_flight("knative", KNATIVE_FIELDS, &[(TOLERANCE, 0.0)]),
    // Its mean of half a minute, and growth that has to last as long.
    by_in_flight(
        "ray-serve",
        RAY_FIELDS,
        &[(TOLERANCE, 0.0), (NOISE, 4.0), (AVERAGE, 0.5), (UP_WINDOW, 2.0)],
    ),
];
