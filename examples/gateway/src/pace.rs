//! How fast a replica works: how long a request keeps a slot, by Little's law over the recent past.

use std::time::Duration;

use tokio::time::Instant;
use trimtab::admission::service_seconds;

/// In-flight seconds and completions, both fading at the same rate, so that their quotient is that of the recent past.
#[derive(Clone, Debug)]
pub struct Pace {
    window: f64,
    at: Instant,
    in_flight_seconds: f64,
    completed: f64,
}

impl Pace {
    /// Nothing was seen yet. What happened a window ago counts 1/e of what happens now.
    pub fn new(window: Duration, now: Instant) -> Self {
        let window = window.as_secs_f64();
        Self { window, at: now, in_flight_seconds: 0.0, completed: 0.0 }
    }

    /// So many were in flight since the last call.
    pub fn advance(&mut self, now: Instant, in_flight: u32) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let left = libm::exp(-passed / self.window);
        let since = f64::from(in_flight) * self.window * (1.0 - left);
        self.in_flight_seconds = self.in_flight_seconds * left + since;
        self.completed *= left;
        self.at = now.max(self.at);
    }

    /// One was completed now.
    pub fn complete(&mut self) {
        self.completed += 1.0;
    }

    /// How long a request keeps a slot; `None` while too little was completed to tell.
    pub fn service_seconds(&self) -> Option<f64> {
        // Less than half a completion is the echo of one long ago.
        (self.completed > 0.5).then(|| service_seconds(self.in_flight_seconds, self.completed))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_load_has_its_service_time() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(60), start);
        assert_eq!(pace.service_seconds(), None);
        // Eight at a time, one done every half second: 4 s each.
        for half in 1..400 {
            pace.advance(start + Duration::from_millis(500 * half), 8);
            pace.complete();
        }
        let service = pace.service_seconds().unwrap();
        assert!((service - 4.0).abs() < 0.05, "{service}");
        // It slows down to 8 s each, and is believed after a few windows.
        let start = start + Duration::from_millis(500 * 399);
        for second in 1..300 {
            pace.advance(start + Duration::from_secs(second), 8);
            pace.complete();
        }
        let service = pace.service_seconds().unwrap();
        assert!((service - 8.0).abs() < 0.2, "{service}");
    }

    #[test]
    fn what_is_long_ago_says_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(10), start);
        pace.advance(start + Duration::from_secs(2), 1);
        pace.complete();
        assert!(pace.service_seconds().is_some());
        pace.advance(start + Duration::from_secs(60), 0);
        assert_eq!(pace.service_seconds(), None);
    }
}
