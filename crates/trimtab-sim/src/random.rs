//! Chance, from a seed: the same seed gives the same bits on every platform.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A seeded source of random numbers. What is transcendental goes through `libm`, so that
/// platforms agree to the bit.
///
/// ```
/// use trimtab_sim::Random;
///
/// let mut a = Random::new(7, "arrivals");
/// let mut b = Random::new(7, "arrivals");
/// assert_eq!(a.unit().to_bits(), b.unit().to_bits());
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    source: Pcg64Mcg,
    /// The second normal of a pair.
    spare: Option<f64>,
}

impl Random {
    /// A stream of its own for every seed and purpose, so that drawing more for one purpose changes
    /// nothing for another.
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a over the purpose keeps the streams apart.
        let tag = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { source: Pcg64Mcg::seed_from_u64(seed ^ tag), spare: None }
    }

    /// Uniform in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.source.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in (0, 1].
    fn positive_unit(&mut self) -> f64 {
        1.0 - self.unit()
    }

    /// Uniform below `count`; 0 if that is 0.
    pub fn below(&mut self, count: u64) -> u64 {
        // Lemire's multiplication; its bias is below 2^-32 for the counts of a fleet.
        u64::try_from((u128::from(self.source.next_u64()) * u128::from(count)) >> 64).unwrap_or(0)
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.positive_unit())
    }

    /// Standard normal (Marsaglia's polar method, 1964).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square > 0.0 {
                let scale = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * scale);
                return x * scale;
            }
        }
    }

    /// Lognormal: `exp(mu + sigma * normal)`.
    pub fn lognormal(&mut self, mu: f64, sigma: f64) -> f64 {
        libm::exp(mu + sigma * self.normal())
    }

    /// Gamma with this shape and mean (Marsaglia and Tsang, 2000). Shape 1 is the exponential.
    pub fn gamma(&mut self, shape: f64, mean: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::exp(libm::log(self.positive_unit()) / shape);
            return self.standard_gamma(shape + 1.0) * boost * mean / shape;
        }
        self.standard_gamma(shape) * mean / shape
    }

    fn standard_gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v <= 0.0 {
                continue;
            }
            let v = v * v * v;
            let u = self.positive_unit();
            // The squeeze decides nearly always, without logarithms.
            let certain = u < 1.0 - 0.0331 * (x * x) * (x * x);
            if certain || libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_pinned() {
        let mut random = Random::new(1, "test");
        let drawn: Vec<u64> = (0..4).map(|_| random.source.next_u64()).collect();
        insta::assert_debug_snapshot!(drawn);
    }

    #[test]
    fn moments_are_right() {
        let mut random = Random::new(3, "moments");
        let mut check = |name: &str, mean: f64, variance: f64, draw: fn(&mut Random) -> f64| {
            let n = 200_000;
            let drawn: Vec<f64> = (0..n).map(|_| draw(&mut random)).collect();
            let m = drawn.iter().sum::<f64>() / f64::from(n);
            let v = drawn.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / f64::from(n);
            assert!((m - mean).abs() < 0.02 * (1.0 + mean), "{name}: mean {m}");
            assert!((v - variance).abs() < 0.05 * (1.0 + variance), "{name}: variance {v}");
        };
        check("unit", 0.5, 1.0 / 12.0, Random::unit);
        check("exponential", 2.0, 4.0, |r| r.exponential(2.0));
        check("normal", 0.0, 1.0, Random::normal);
        check("gamma 0.5", 2.0, 8.0, |r| r.gamma(0.5, 2.0));
        check("gamma 4", 2.0, 1.0, |r| r.gamma(4.0, 2.0));
    }
}
