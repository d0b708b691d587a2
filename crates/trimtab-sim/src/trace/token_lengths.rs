//! How many tokens requests have, where no trace says it: lognormal lengths.

use crate::Random;

/// The 95th percentile of the standard normal distribution.
const NORMAL_P95: f64 = 1.644_853_626_951_472_2;

/// A lognormal number of tokens, rounded and held within 1 and [`TokenLength::MAX`].
///
/// ```
/// use trimtab_sim::TokenLength;
///
/// let input = TokenLength::from_median_and_p95(1020.0, 4083.0).unwrap();
/// assert!((input.median() - 1020.0).abs() < 1e-6);
/// assert!(input.mean() > input.median());
/// assert!(TokenLength::from_median_and_p95(500.0, 100.0).is_none()); // p95 below the median
/// ```
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct TokenLength {
    /// The mean of the logarithm.
    mu: f64,
    /// The standard deviation of the logarithm.
    sigma: f64,
}

/// The lengths of prompts and answers, drawn independently of each other.
///
/// The default has the medians and 95th percentiles of the Azure conversation trace of 2023:
/// prompts 1020 and 4083 tokens, answers 129 and 451.
///
/// ```
/// use trimtab_sim::{TokenLength, TokenLengths};
///
/// let lengths = TokenLengths { output: TokenLength::constant(100), ..TokenLengths::default() };
/// assert!((lengths.input.median() - 1020.0).abs() < 1e-6);
/// assert!((lengths.output.mean() - 100.0).abs() < 1e-6);
/// ```
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct TokenLengths {
    /// Of the prompts.
    pub input: TokenLength,
    /// Of the answers.
    pub output: TokenLength,
}

impl TokenLength {
    /// The most tokens that are ever drawn: 131 072, the context of the models of the built-in
    /// profiles.
    pub const MAX: u32 = 131_072;

    /// With this median and this 95th percentile, in tokens. `None` unless
    /// 1 ≤ `median` ≤ `p95` ≤ [`TokenLength::MAX`].
    pub fn from_median_and_p95(median: f64, p95: f64) -> Option<Self> {
        let sound = 1.0 <= median && median <= p95 && p95 <= f64::from(Self::MAX);
        sound.then(|| Self::fitted(median, p95))
    }

    /// With this mean in tokens and this standard deviation of the logarithm. `None` unless
    /// 1 ≤ `mean` ≤ [`TokenLength::MAX`] and 0 ≤ `sigma` ≤ 5.
    pub fn from_mean_and_sigma(mean: f64, sigma: f64) -> Option<Self> {
        let sound = (1.0..=f64::from(Self::MAX)).contains(&mean) && (0.0..=5.0).contains(&sigma);
        sound.then(|| Self { mu: 0.0, sigma }.with_mean(mean))
    }

    /// Always so many tokens, held within 1 and [`TokenLength::MAX`].
    pub fn constant(tokens: u32) -> Self {
        Self { mu: libm::log(f64::from(tokens.clamp(1, Self::MAX))), sigma: 0.0 }
    }

    /// The median in tokens, before rounding and bounds.
    pub fn median(&self) -> f64 {
        libm::exp(self.mu)
    }

    /// The mean in tokens, before rounding and bounds.
    pub fn mean(&self) -> f64 {
        libm::exp(self.mu + 0.5 * self.sigma * self.sigma)
    }

    /// The same spread around another mean.
    pub(super) fn with_mean(self, mean: f64) -> Self {
        Self { mu: libm::log(mean) - 0.5 * self.sigma * self.sigma, sigma: self.sigma }
    }

    fn fitted(median: f64, p95: f64) -> Self {
        Self { mu: libm::log(median), sigma: libm::log(p95 / median) / NORMAL_P95 }
    }

    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        // The cast saturates, and rounds down what was rounded up by a half.
        ((random.lognormal(self.mu, self.sigma) + 0.5) as u32).clamp(1, Self::MAX)
    }
}

impl Default for TokenLengths {
    fn default() -> Self {
        Self {
            input: TokenLength::fitted(1020.0, 4083.0),
            output: TokenLength::fitted(129.0, 451.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_has_the_stated_quantiles() {
        let mut random = Random::new(1, "tokens");
        for (length, median, p95) in [
            (TokenLengths::default().input, 1020.0, 4083.0),
            (TokenLengths::default().output, 129.0, 451.0),
        ] {
            let mut drawn: Vec<u32> = (0..50_000).map(|_| length.draw(&mut random)).collect();
            drawn.sort_unstable();
            let near = |index: usize, stated: f64| {
                assert!((f64::from(drawn[index]) / stated - 1.0).abs() < 0.03, "{}", drawn[index]);
            };
            near(25_000, median);
            near(47_500, p95);
        }
    }

    #[test]
    fn bounds_hold() {
        let mut random = Random::new(1, "tokens");
        let huge = TokenLength::from_mean_and_sigma(131_072.0, 5.0).unwrap();
        let tiny = TokenLength::constant(1).with_mean(1e-9);
        for _ in 0..1000 {
            assert!((1..=TokenLength::MAX).contains(&huge.draw(&mut random)));
            assert_eq!(tiny.draw(&mut random), 1);
            assert_eq!(TokenLength::constant(77).draw(&mut random), 77);
        }
    }

    #[test]
    fn unsound_parameters_are_refused() {
        assert!(TokenLength::from_median_and_p95(0.5, 10.0).is_none());
        assert!(TokenLength::from_median_and_p95(f64::NAN, 10.0).is_none());
        assert!(TokenLength::from_median_and_p95(10.0, f64::INFINITY).is_none());
        assert!(TokenLength::from_mean_and_sigma(10.0, -1.0).is_none());
        assert!(TokenLength::from_mean_and_sigma(0.0, 1.0).is_none());
    }
}
