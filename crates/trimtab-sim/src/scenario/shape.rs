//! The rate of a scenario over time, without end.

use std::sync::Arc;

use crate::Random;

/// A rate over time.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Linear between points, over and over. The first point is at 0 s, the last one at the period;
    /// two at one time make a jump.
    Points(Arc<[Point]>),
    /// Constant in each of several states, which change by chance.
    Markov(&'static [State]),
}

#[derive(Copy, Clone, Debug)]
pub(super) struct Point {
    pub(super) seconds: f64,
    /// Requests per second.
    pub(super) rate: f64,
}

#[derive(Copy, Clone, Debug)]
pub(super) struct State {
    /// Requests per second.
    pub(super) rate: f64,
    /// How long it lasts in the mean.
    pub(super) mean_seconds: f64,
}

/// A stretch of time over which the rate is linear.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stretch {
    pub(super) start: f64,
    pub(super) seconds: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Shape {
    pub(super) fn points(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self::Points(points.into_iter().map(|(seconds, rate)| Point { seconds, rate }).collect())
    }

    /// The rate from 0 s on, without end.
    pub(super) fn stretches(&self, seed: u64) -> Box<dyn Iterator<Item = Stretch> + Send> {
        match self {
            Self::Points(points) => {
                Box::new(Cycle { points: Arc::clone(points), at: 0, cycle_start: 0.0 })
            }
            Self::Markov(states) => Box::new(Dwells {
                states,
                state: 0,
                start: 0.0,
                random: Random::new(seed, "states"),
            }),
        }
    }
}

impl Stretch {
    /// The part before `end`, if there is any.
    pub(super) fn cut(self, end: f64) -> Option<Self> {
        if self.start >= end {
            return None;
        }
        let seconds = self.seconds.min(end - self.start);
        let to = self.from + (self.to - self.from) * seconds / self.seconds;
        Some(Self { seconds, to, ..self })
    }
}

struct Cycle {
    points: Arc<[Point]>,
    at: usize,
    cycle_start: f64,
}

impl Iterator for Cycle {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        let period = self.points.last().filter(|last| last.seconds > 0.0)?.seconds;
        loop {
            let from = self.points.get(self.at)?;
            let Some(to) = self.points.get(self.at + 1) else {
                self.at = 0;
                self.cycle_start += period;
                continue;
            };
            self.at += 1;
            if to.seconds > from.seconds {
                return Some(Stretch {
                    start: self.cycle_start + from.seconds,
                    seconds: to.seconds - from.seconds,
                    from: from.rate,
                    to: to.rate,
                });
            }
        }
    }
}

/// The first state first; then any of the others, each as likely.
struct Dwells {
    states: &'static [State],
    state: usize,
    start: f64,
    random: Random,
}

impl Iterator for Dwells {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        let state = self.states.get(self.state)?;
        let stretch = Stretch {
            start: self.start,
            // Not so short that it is lost in rounding.
            seconds: self.random.exponential(state.mean_seconds).max(1e-3),
            from: state.rate,
            to: state.rate,
        };
        self.start += stretch.seconds;
        let others = self.states.len().saturating_sub(1);
        let steps = 1 + self.random.below(others as u64) as usize;
        self.state = (self.state + steps) % self.states.len();
        Some(stretch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_start_over_and_jumps_take_no_time() {
        let shape = Shape::points([(0.0, 1.0), (10.0, 1.0), (10.0, 5.0), (30.0, 2.0)]);
        let stretches: Vec<[f64; 4]> = shape
            .stretches(1)
            .map_while(|stretch| stretch.cut(50.0))
            .map(|s| [s.start, s.seconds, s.from, s.to])
            .collect();
        assert_eq!(
            stretches,
            [
                [0.0, 10.0, 1.0, 1.0],
                [10.0, 20.0, 5.0, 2.0],
                [30.0, 10.0, 1.0, 1.0],
                [40.0, 10.0, 5.0, 3.5],
            ]
        );
    }

    #[test]
    fn states_last_as_long_as_stated_and_never_follow_themselves() {
        const STATES: &[State] = &[
            State { rate: 1.0, mean_seconds: 100.0 },
            State { rate: 2.0, mean_seconds: 10.0 },
            State { rate: 3.0, mean_seconds: 1.0 },
        ];
        let dwells: Vec<Stretch> = Shape::Markov(STATES).stretches(5).take(30_000).collect();
        for pair in dwells.windows(2) {
            assert_ne!(pair[0].from, pair[1].from);
            assert_eq!(pair[0].start + pair[0].seconds, pair[1].start);
        }
        for state in STATES {
            let of_state: Vec<f64> =
                dwells.iter().filter(|d| d.from == state.rate).map(|d| d.seconds).collect();
            let mean = of_state.iter().sum::<f64>() / of_state.len() as f64;
            assert!((mean / state.mean_seconds - 1.0).abs() < 0.05, "{mean}");
            assert!((of_state.len() as f64 / 10_000.0 - 1.0).abs() < 0.05);
        }
    }
}
