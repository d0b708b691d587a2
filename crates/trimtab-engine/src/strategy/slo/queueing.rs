//! How long there is to wait where several servers share one queue: Erlang's C formula, its limit for
//! many servers, and the correction for arrivals and services that are not exponential.

use core::f64::consts::PI;

use libm::{erfc, exp, floor, fmax, fmin, log, sqrt};

/// More than this many servers are told by [`halfin_whitt`] alone.
pub(super) const MOST_SERVERS: f64 = 10_000.0;
/// A sum that is larger leaves nothing that could be told from no waiting.
const LARGEST: f64 = 1e300;
/// What is smaller than this share of a sum does not change it.
const NEGLIGIBLE: f64 = 1e-18;

/// The share of arrivals that have to wait: Erlang's C formula, for `servers` with an offered load in
/// servers (arrival rate times mean service time).
///
/// Between two whole numbers of servers it is interpolated, so that it is continuous and falls as
/// servers are added; with as much load as servers, or more, everyone waits. It is exact to rounding
/// for up to 10,000 servers: the inverse of Erlang's B is summed from its largest terms, which are all
/// positive, and only as many as matter. Beyond that it is [`halfin_whitt`].
///
/// ```
/// use trimtab_engine::strategy::slo::erlang_c;
///
/// assert_eq!(erlang_c(1.0, 0.7), 0.7); // one server: the share of time in which it is busy
/// assert!((erlang_c(2.0, 1.0) - 1.0 / 3.0).abs() < 1e-15);
/// assert!((erlang_c(10.0, 8.0) - 0.409_180).abs() < 1e-6);
/// assert_eq!(erlang_c(5.0, 5.0), 1.0);
/// ```
pub fn erlang_c(servers: f64, load: f64) -> f64 {
    if load.is_nan() || servers.is_nan() || load <= 0.0 {
        return 0.0;
    }
    if load >= servers {
        return 1.0;
    }
    if servers > MOST_SERVERS {
        return halfin_whitt((1.0 - load / servers) * sqrt(servers));
    }
    let whole = floor(servers);
    let share = servers - whole;
    let fewer = of_whole(whole, load);
    if share == 0.0 {
        return fewer;
    }
    (1.0 - share) * fewer + share * of_whole(whole + 1.0, load)
}

/// Erlang's C of a whole number of servers.
fn of_whole(servers: f64, load: f64) -> f64 {
    if load >= servers {
        return 1.0;
    }
    // 1 / B is 1 + c/a + c(c-1)/a² + …: the terms rise up to the load, and fall from there on.
    let (mut term, mut sum, mut left) = (1.0, 1.0, servers);
    while left > 0.0 && term > sum * NEGLIGIBLE {
        term *= left / load;
        sum += term;
        left -= 1.0;
        if sum > LARGEST {
            return 0.0;
        }
    }
    let blocked = 1.0 / sum;
    fmin(blocked / (1.0 - load / servers * (1.0 - blocked)), 1.0)
}

/// What [`erlang_c`] comes to for many servers, as Halfin and Whitt have it: with a spare of
/// β · √servers over the load.
///
/// ```
/// use trimtab_engine::strategy::slo::{erlang_c, halfin_whitt};
///
/// let (servers, load): (f64, f64) = (10_000.0, 9_900.0);
/// let beta = (1.0 - load / servers) * servers.sqrt();
/// assert!((halfin_whitt(beta) - erlang_c(servers, load)).abs() < 0.002);
/// assert_eq!([halfin_whitt(0.0), halfin_whitt(50.0)], [1.0, 0.0]);
/// ```
pub fn halfin_whitt(beta: f64) -> f64 {
    if beta.is_nan() || beta <= 0.0 {
        return 1.0;
    }
    let below = erfc(-beta / sqrt(2.0)) / 2.0;
    let density = exp(-beta * beta / 2.0) / sqrt(2.0 * PI);
    density / (density + beta * below)
}

/// A queue in front of servers.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Station {
    /// How many serve.
    pub servers: f64,
    /// Arrivals per second.
    pub rate: f64,
    /// Mean seconds of a service.
    pub service: f64,
    /// The mean of the squared coefficients of variation of the times between arrivals and of the
    /// services (Allen and Cunneen); 1 where both are exponential.
    pub variation: f64,
}

impl Station {
    /// The wait in seconds that this share of arrivals does not exceed, from the share that waits:
    /// who waits at all waits for an exponential time, with the mean of Allen and Cunneen. Infinite
    /// where the load is not less than the servers.
    ///
    /// ```
    /// use trimtab_engine::strategy::slo::{Station, erlang_c};
    ///
    /// let station = Station { servers: 4.0, rate: 3.0, service: 1.0, variation: 1.0 };
    /// let waits = erlang_c(4.0, 3.0); // of which 1 in 10 waits for longer than ln 10 seconds
    /// assert!((station.wait(1.0 - waits / 10.0, waits) - 10_f64.ln()).abs() < 1e-9);
    /// assert_eq!(station.wait(0.2, waits), 0.0);
    /// ```
    pub fn wait(self, share: f64, waits: f64) -> f64 {
        let spare = self.servers - self.rate * self.service;
        if spare.is_nan() || spare <= 0.0 {
            return f64::INFINITY;
        }
        let late = 1.0 - share;
        if waits <= late {
            return 0.0;
        }
        // Nobody is ever later than the last one: a share of 1 is the longest that a float tells apart.
        let times = log(waits / fmax(late, f64::EPSILON));
        fmax(times, 0.0) * self.variation * self.service / spare
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Erlang's B by its recursion, and C from it: slow, and right.
    fn by_recursion(servers: u32, load: f64) -> f64 {
        let mut blocked = 1.0;
        for server in 1..=servers {
            blocked = load * blocked / (f64::from(server) + load * blocked);
        }
        blocked / (1.0 - load / f64::from(servers) * (1.0 - blocked))
    }

    /// The formula in 60 digits of arithmetic, cut to twelve.
    #[test]
    fn known_answers() {
        let known = [
            (1, 0.5, 0.5),
            (2, 1.5, 0.642_857_142_857),
            (3, 2.0, 0.444_444_444_444),
            (5, 4.0, 0.554_112_554_113),
            (10, 8.0, 0.409_180_150_796),
            (10, 9.0, 0.668_731_524_108),
            (20, 16.0, 0.256_077_793_839),
            (50, 45.0, 0.363_864_467_207),
            (100, 90.0, 0.216_940_480_906),
            (1_000, 950.0, 0.068_253_415_377),
            (10_000, 9_900.0, 0.222_776_928_864),
        ];
        for (servers, load, expected) in known {
            let c = erlang_c(f64::from(servers), load);
            assert!((c - expected).abs() < 1e-11, "C({servers}, {load}) = {c:.12}");
        }
    }

    /// 1 / (1 + β Φ(β) / φ(β)), with Φ and φ to 16 digits.
    #[test]
    fn the_limit_at_known_places() {
        let known = [
            (0.1, 0.880_287_083_3),
            (0.5, 0.504_538_641_0),
            (1.0, 0.223_361_274_8),
            (2.0, 0.026_881_362_4),
        ];
        for (beta, expected) in known {
            let alpha = halfin_whitt(beta);
            assert!((alpha - expected).abs() < 1e-9, "{beta}: {alpha}");
        }
    }

    #[test]
    fn what_no_queue_has() {
        assert_eq!(erlang_c(f64::NAN, 1.0), 0.0);
        assert_eq!(erlang_c(10_000.0, 1.0), 0.0); // one in more than a float can tell
        assert_eq!(erlang_c(0.0, 1.0), 1.0);
        assert_eq!(halfin_whitt(f64::NAN), 1.0);
        let full = Station { servers: 2.0, rate: 2.0, service: 1.0, variation: 1.0 };
        assert_eq!(full.wait(0.5, 1.0), f64::INFINITY);
        let spare = Station { rate: 1.0, ..full };
        assert!(spare.wait(1.0, 1.0).is_finite());
    }

    proptest! {
        #[test]
        fn it_is_the_recursion(servers in 1_u32..10_000, utilization in 0.0001..0.999_9_f64) {
            let load = f64::from(servers) * utilization;
            let (fast, slow) = (erlang_c(f64::from(servers), load), by_recursion(servers, load));
            prop_assert!((fast - slow).abs() <= 1e-11 + 1e-9 * slow, "{fast} {slow}");
        }

        /// More load waits more, more servers wait less, and shares stay shares.
        #[test]
        fn it_is_monotone(
            servers in 0.1..12_000.0_f64, more in 0.0..40.0_f64, utilization in 0.0..1.2_f64,
            heavier in 0.0..0.3_f64,
        ) {
            let load = servers * utilization;
            let c = erlang_c(servers, load);
            prop_assert!((0.0..=1.0).contains(&c));
            prop_assert!(c <= erlang_c(servers, load + servers * heavier) + 1e-12);
            if servers + more <= MOST_SERVERS {
                prop_assert!(erlang_c(servers + more, load) <= c + 1e-12);
            }
        }

        /// Where the spare is β times the root of the servers, waiting comes to the limit as they
        /// become more.
        #[test]
        fn many_servers_come_to_the_limit(beta in 0.05..3.0_f64) {
            let off = |servers: f64| {
                let load = servers - beta * sqrt(servers);
                (erlang_c(servers, load) - halfin_whitt(beta)).abs()
            };
            prop_assert!(off(100.0) < 0.04 && off(10_000.0) < 0.004);
        }
    }
}
