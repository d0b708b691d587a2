//! How fast a replica works: how long a request keeps a slot, by Little's law over the recent past.

use std::time::Duration;

use tokio::time::Instant;
use trimtab::admission::service_seconds;

/// In-flight seconds and completions, all fading at the same rate, so that their quotients are those of the recent past.
///
/// By Little's law the service time is in-flight seconds over completions. Of the two ways to take that, the completed
/// requests by themselves say too little while long ones are under way, and all in-flight seconds over the completions say
/// far too much while a burst has just begun. So what counts are the completed ones, or all of them as if those
/// under way were done now, if that is more: a replica that hangs is soon known to be slow.
#[derive(Clone, Debug)]
pub struct Pace {
    window: f64,
    at: Instant,
    in_flight: u32,
    in_flight_seconds: f64,
    completed: f64,
    completed_seconds: f64,
}

impl Pace {
    /// Nothing was seen yet. What happened a window ago counts 1/e of what happens now.
    pub fn new(window: Duration, now: Instant) -> Self {
        let window = window.as_secs_f64();
        Self {
            window,
            at: now,
            in_flight: 0,
            in_flight_seconds: 0.0,
            completed: 0.0,
            completed_seconds: 0.0,
        }
    }

    /// So many were in flight since the last call.
    pub fn advance(&mut self, now: Instant, in_flight: u32) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let left = libm::exp(-passed / self.window);
        let since = f64::from(in_flight) * self.window * (1.0 - left);
        self.in_flight_seconds = self.in_flight_seconds * left + since;
        self.completed *= left;
        self.completed_seconds *= left;
        (self.at, self.in_flight) = (now.max(self.at), in_flight);
    }

    /// One was completed now, and had its slot for so long.
    pub fn complete(&mut self, took: Duration) {
        self.completed += 1.0;
        self.completed_seconds += took.as_secs_f64();
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// How long a request keeps a slot; `None` while too little was completed to tell.
    pub fn service_seconds(&self) -> Option<f64> {
        // Less than half a completion is the echo of one long ago.
        if self.completed <= 0.5 {
            return None;
        }
        let done = service_seconds(self.completed_seconds, self.completed)?;
        let as_if_done =
            service_seconds(self.in_flight_seconds, self.completed + f64::from(self.in_flight))?;
        Some(if as_if_done > done { as_if_done } else { done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_millis(500);

    #[test]
    fn a_steady_load_has_its_service_time() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(60), start);
        assert_eq!(pace.service_seconds(), None);
        // Eight at a time, one done every half second: 4 s each.
        for half in 1..400 {
            pace.advance(start + HALF * half, 8);
            pace.complete(HALF * 8);
        }
        let service = pace.service_seconds().unwrap();
        assert!((service - 4.0).abs() < 0.05, "{service}");
        // It slows down to 8 s each, and is believed after a few windows.
        let start = start + HALF * 399;
        for second in 1..300 {
            pace.advance(start + HALF * 2 * second, 8);
            pace.complete(HALF * 16);
        }
        let service = pace.service_seconds().unwrap();
        assert!((service - 8.0).abs() < 0.2, "{service}");
    }

    #[test]
    fn a_burst_that_has_just_begun_says_little_and_one_that_hangs_is_seen() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(60), start);
        pace.advance(start + HALF, 1);
        pace.complete(HALF);
        // Eight more have run for a second: not 8 s for the one that is done, but at least nearly one each.
        pace.advance(start + HALF * 3, 8);
        let begun = pace.service_seconds().unwrap();
        assert!((0.5..1.0).contains(&begun), "{begun}");
        // A minute later nothing else was done.
        pace.advance(start + HALF * 43, 8);
        assert!(pace.service_seconds().unwrap() > 10.0);
    }

    #[test]
    fn what_is_long_ago_says_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(10), start);
        pace.advance(start + HALF * 4, 1);
        pace.complete(HALF * 4);
        assert!(pace.service_seconds().is_some());
        pace.advance(start + Duration::from_secs(60), 0);
        assert_eq!(pace.service_seconds(), None);
    }
}
