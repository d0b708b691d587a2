//! The named scenarios.

use super::shape::{Shape, State};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// A named scenario.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) shape: fn() -> Shape,
    pub(super) duration_seconds: f64,
    pub(super) interarrival_cv: f64,
}

pub(super) const ENTRIES: [Entry; 8] = [
    entry("steady", steady, 2.0 * HOUR, 1.0),
    entry("diurnal", diurnal, DAY, 1.2),
    entry("weekly", weekly, 7.0 * DAY, 1.2),
    entry("ramp", ramp, 2.0 * HOUR, 1.0),
    entry("step", step, 2.0 * HOUR, 1.0),
    entry("flash-crowd", flash_crowd, 2.0 * HOUR, 1.5),
    entry("on-off", on_off, 4.0 * HOUR, 1.0),
    entry("markov", markov, 4.0 * HOUR, 1.0),
];

pub(super) fn find(name: &str) -> Option<&'static Entry> {
    const { &ENTRIES }.iter().find(|entry| entry.name == name)
}

const fn entry(
    name: &'static str,
    shape: fn() -> Shape,
    duration_seconds: f64,
    interarrival_cv: f64,
) -> Entry {
    Entry { name, shape, duration_seconds, interarrival_cv }
}

fn steady() -> Shape {
    Shape::points([(0.0, 40.0), (HOUR, 40.0)])
}

/// A working day, hour by hour, as a share of the busiest hour.
const DAY_SHARES: [f64; 24] = [
    0.36, 0.28, 0.23, 0.20, 0.20, 0.24, 0.34, 0.52, 0.74, 0.92, 1.00, 0.98, // to noon
    0.86, 0.88, 0.97, 0.99, 0.95, 0.86, 0.76, 0.72, 0.70, 0.64, 0.55, 0.45, // to midnight
];

fn diurnal() -> Shape {
    with_mean(40.0, DAY_SHARES.iter().copied())
}

/// Each day at noon, Monday first, as a share of a working day; linear from noon to noon.
const WEEK_SHARES: [f64; 7] = [1.00, 1.04, 1.05, 1.03, 0.95, 0.55, 0.50];

fn weekly() -> Shape {
    let next_days = WEEK_SHARES.iter().cycle().skip(1);
    let last_days = WEEK_SHARES.iter().cycle().skip(WEEK_SHARES.len() - 1);
    let days = last_days.zip(WEEK_SHARES.iter()).zip(next_days);
    let hours = days.flat_map(|((last, today), next)| {
        DAY_SHARES.iter().zip(0_u8..).map(move |(share, hour)| {
            let from_noon = (f64::from(hour) - 12.0) / 24.0;
            let neighbour = if from_noon < 0.0 { last } else { next };
            share * (today + (neighbour - today) * from_noon.abs())
        })
    });
    with_mean(8.0, hours)
}

/// Shares at every full hour, the first one again at the end, scaled to this mean rate.
fn with_mean(mean: f64, shares: impl Iterator<Item = f64> + Clone) -> Shape {
    let (sum, count) = shares.clone().fold((0.0, 0.0), |(sum, n), share| (sum + share, n + 1.0));
    let again = shares.clone().take(1);
    let hours = (0_u32..).map(|hour| f64::from(hour) * HOUR);
    Shape::points(hours.zip(shares.chain(again).map(|share| share * mean * count / sum)))
}

fn ramp() -> Shape {
    Shape::points([
        (0.0, 5.0),
        (15.0 * MINUTE, 5.0),
        (75.0 * MINUTE, 80.0),
        (90.0 * MINUTE, 80.0),
        (105.0 * MINUTE, 5.0),
        (120.0 * MINUTE, 5.0),
    ])
}

fn step() -> Shape {
    Shape::points([
        (0.0, 10.0),
        (30.0 * MINUTE, 10.0),
        (30.0 * MINUTE, 50.0),
        (90.0 * MINUTE, 50.0),
        (90.0 * MINUTE, 10.0),
        (120.0 * MINUTE, 10.0),
    ])
}

fn flash_crowd() -> Shape {
    const BASE: f64 = 10.0;
    const PEAK: f64 = 100.0;
    let before = [(0.0, BASE), (60.0 * MINUTE, BASE), (61.0 * MINUTE, PEAK)];
    // Ten half-lives, in points every half minute.
    let decline = (0_u8..=100).map(|step| {
        let since = f64::from(step) * 0.5 * MINUTE;
        let share = libm::exp2(-since / (5.0 * MINUTE));
        (66.0 * MINUTE + since, BASE + (PEAK - BASE) * share)
    });
    Shape::points(before.into_iter().chain(decline).chain([(120.0 * MINUTE, BASE)]))
}

fn on_off() -> Shape {
    Shape::points([(0.0, 40.0), (15.0 * MINUTE, 40.0), (15.0 * MINUTE, 0.0), (30.0 * MINUTE, 0.0)])
}

fn markov() -> Shape {
    const STATES: &[State] = &[
        State { rate: 5.0, mean_seconds: 10.0 * MINUTE },
        State { rate: 25.0, mean_seconds: 5.0 * MINUTE },
        State { rate: 75.0, mean_seconds: 2.0 * MINUTE },
    ];
    Shape::Markov(STATES)
}
