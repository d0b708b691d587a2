//! Every window answers what a list of its samples would.

#![expect(clippy::disallowed_methods, reason = "which zero comes back does not matter here")]

use proptest::collection::vec;
use proptest::prelude::*;
use trimtab_metric::{
    CounterRate, Ewma, MaxWindow, MeanWindow, MinWindow, PushError, QuantileWindow, Span, Timestamp,
};

/// What happens to a window: a sample arrives, or time passes.
#[derive(Clone, Debug)]
enum Event {
    Push(i64, i64),
    Advance(i64),
}

fn events(value: impl Strategy<Value = i64> + Clone) -> impl Strategy<Value = Vec<Event>> {
    // Mostly forward in time, now and then backward or twice the same.
    let step = prop_oneof![8 => 1_i64..20, 1 => Just(0_i64), 1 => -30_i64..0, 1 => 20_i64..100];
    let event = (step, value, prop::bool::weighted(0.8));
    vec(event, 1..80).prop_map(|steps| {
        let mut at = 0;
        let mut event = |(step, value, push)| {
            at += step;
            if push { Event::Push(at, value) } else { Event::Advance(at) }
        };
        steps.into_iter().map(&mut event).collect()
    })
}

fn wide() -> impl Strategy<Value = i64> + Clone {
    prop_oneof![4 => -1_000_i64..1_000, 1 => any::<i64>()]
}

/// A list of samples that keeps the rules of all windows in the plainest way.
struct Naive {
    span: i64,
    capacity: usize,
    now: i64,
    samples: Vec<(i64, i64)>,
    newest: Option<i64>,
}

impl Naive {
    fn new(span: i64, capacity: usize) -> Self {
        Self { span, capacity, now: i64::MIN, samples: Vec::new(), newest: None }
    }

    fn push(&mut self, at: i64, value: i64) -> Result<(), PushError> {
        if let Some(newest) = self.newest {
            match at.cmp(&newest) {
                std::cmp::Ordering::Equal => return Err(PushError::Duplicate),
                std::cmp::Ordering::Less => return Err(PushError::OutOfOrder),
                std::cmp::Ordering::Greater => {}
            }
        }
        if self.now.saturating_sub(at) >= self.span {
            return Err(PushError::TooOld);
        }
        self.newest = Some(at);
        self.samples.push((at, value));
        self.advance(at);
        Ok(())
    }

    fn advance(&mut self, now: i64) {
        self.now = self.now.max(now);
        let (now, span) = (self.now, self.span);
        self.samples.retain(|(at, _)| now - at < span);
        let extra = self.samples.len().saturating_sub(self.capacity);
        self.samples.drain(..extra);
    }

    fn values(&self) -> Vec<i64> {
        self.samples.iter().map(|(_, value)| *value).collect()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

proptest! {
    #[test]
    fn mean_and_extremes_agree_with_a_list(
        events in events(wide()),
        span in 1_i64..60,
        capacity in 1_usize..12,
    ) {
        let mut naive = Naive::new(span, capacity);
        let window = Span::from_secs(span);
        let mut mean = MeanWindow::new(window, capacity);
        let mut max = MaxWindow::new(window, capacity);
        let mut min = MinWindow::new(window, capacity);
        for event in events {
            match event {
                Event::Push(second, value) => {
                    let expected = naive.push(second, value);
                    prop_assert_eq!(mean.push(at(second), value), expected);
                    prop_assert_eq!(max.push(at(second), value), expected);
                    prop_assert_eq!(min.push(at(second), value), expected);
                }
                Event::Advance(second) => {
                    naive.advance(second);
                    mean.advance(at(second));
                    max.advance(at(second));
                    min.advance(at(second));
                }
            }
            let values = naive.values();
            prop_assert_eq!(max.max_milli(), values.iter().copied().max());
            prop_assert_eq!(min.min_milli(), values.iter().copied().min());
            prop_assert_eq!(mean.len(), values.len());
            let sum: i128 = values.iter().copied().map(i128::from).sum();
            prop_assert_eq!(mean.sum_milli(), sum);
            match mean.mean_milli() {
                None => prop_assert!(values.is_empty()),
                Some(mean) => {
                    // To the nearest: twice the error is at most one.
                    let count = i128::try_from(values.len()).unwrap();
                    prop_assert!((2 * (i128::from(mean) * count - sum)).abs() <= count);
                }
            }
        }
        // A window survives being written down.
        let text = serde_json::to_string(&(&mean, &max, &min)).unwrap();
        let read: (MeanWindow, MaxWindow, MinWindow) = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, (mean, max, min));
    }

    #[test]
    fn quantiles_agree_with_a_sorted_list(
        events in events(-1_000_000_i64..1_000_000),
        capacity in 1_usize..30,
        quantile in 0.0..=1.0_f64,
    ) {
        let mut naive = Naive::new(60, capacity);
        let mut window = QuantileWindow::new(Span::from_secs(60), capacity);
        for event in events {
            match event {
                Event::Push(second, value) => {
                    prop_assert_eq!(window.push(at(second), value), naive.push(second, value));
                }
                Event::Advance(second) => {
                    naive.advance(second);
                    window.advance(at(second));
                }
            }
            let mut values = naive.values();
            values.sort_unstable();
            let Some(got) = window.quantile_milli(quantile) else {
                prop_assert!(values.is_empty());
                continue;
            };
            let rank = quantile * (values.len() - 1) as f64;
            let (low, high) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
            let exact = low as f64 + (high - low) as f64 * rank.fract();
            prop_assert!((got as f64 - exact).abs() <= 0.5 + 1e-6, "{} is not {}", got, exact);
            prop_assert_eq!(window.quantile_milli(0.0), values.first().copied());
            prop_assert_eq!(window.quantile_milli(1.0), values.last().copied());
        }
    }

    #[test]
    fn a_counter_grows_by_what_was_added(added in vec((1_i64..20, 0_u32..1_000, any::<bool>()), 2..40)) {
        let mut counter = CounterRate::new(Span::from_secs(100_000), 100);
        let (mut second, mut value, mut total, mut resets) = (0, 0.0, 0.0, 0);
        let mut first = true;
        for (step, more, restart) in added {
            second += step;
            // A restarted counter begins at zero; only when it comes back lower can that be seen.
            let visible = restart && f64::from(more) < value;
            if visible && !first {
                value = 0.0;
                resets += 1;
            }
            value += f64::from(more);
            if !first {
                total += f64::from(more);
            }
            first = false;
            counter.push(at(second), value).unwrap();
        }
        prop_assert_eq!(counter.increase(), Some(total));
        prop_assert_eq!(counter.resets(), resets);
        let rate = counter.rate().unwrap();
        let extrapolated = counter.extrapolated_rate().unwrap();
        prop_assert!(rate >= 0.0 && extrapolated >= 0.0);
    }

    #[test]
    fn an_ewma_stays_within_what_it_saw(values in vec((1_i64..100, -1e9..1e9_f64), 1..40)) {
        let mut average = Ewma::new(Span::from_secs(30));
        let (mut second, mut low, mut high) = (0, f64::INFINITY, f64::NEG_INFINITY);
        for (step, value) in values {
            second += step;
            average.push(at(second), value).unwrap();
            (low, high) = (low.min(value), high.max(value));
            let now = average.value().unwrap();
            prop_assert!(low <= now && now <= high);
        }
    }

    #[test]
    fn an_ewma_halves_the_distance_in_a_half_life(start in -1e6..1e6_f64, to in -1e6..1e6_f64) {
        let mut average = Ewma::new(Span::from_secs(30));
        average.push(at(0), start).unwrap();
        average.push(at(30), to).unwrap();
        let middle = start / 2.0 + to / 2.0;
        prop_assert!((average.value().unwrap() - middle).abs() <= 1e-9 * (1.0 + middle.abs()));
    }
}

#[test]
fn what_is_no_number_never_gets_in() {
    let mut counter = CounterRate::new(Span::from_secs(60), 10);
    let mut average = Ewma::new(Span::from_secs(60));
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(counter.push(at(1), wrong), Err(PushError::NotFinite));
        assert_eq!(average.push(at(1), wrong), Err(PushError::NotFinite));
    }
    assert_eq!(counter.push(at(1), -1.0), Err(PushError::NegativeCounter));
    assert_eq!((counter.len(), average.value()), (0, None));
}
