//! How big: a non-negative whole number of any length, in limbs of nine decimal digits.
//!
//! Quantities are decimal in, decimal out, so decimal limbs make the frequent operations (reading, printing, shifting by powers of
//! ten) linear, and leave only single-limb multiplication and division to do.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::Write as _;

const LIMB_BASE: u64 = 1_000_000_000;
const LIMB_DIGITS: usize = 9;

/// A non-negative whole number. Limbs are least significant first.
// INVARIANT: the last limb is not zero, so zero has no limbs and equal numbers have equal limbs; every limb is below `LIMB_BASE`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Magnitude {
    limbs: Vec<u32>,
}

impl Magnitude {
    /// From decimal digits; the caller passes digits only. Leading zeros are fine, and no digits mean zero.
    pub(crate) fn from_digits(digits: &str) -> Self {
        let limbs = digits
            .as_bytes()
            .rchunks(LIMB_DIGITS)
            .map(|chunk| {
                chunk.iter().fold(0, |limb: u32, digit| {
                    limb * 10 + u32::from(digit.wrapping_sub(b'0') % 10)
                })
            })
            .collect();
        Magnitude { limbs }.trimmed()
    }

    pub(crate) fn from_u64(value: u64) -> Self {
        let mut limbs = Vec::new();
        let mut rest = value;
        while rest != 0 {
            limbs.push((rest % LIMB_BASE) as u32);
            rest /= LIMB_BASE;
        }
        Magnitude { limbs }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The number modulo 2^64, which is what is left of it in 64 bits after wrapping.
    pub(crate) fn low_u64(&self) -> u64 {
        self.limbs
            .iter()
            .rev()
            .fold(0_u64, |low, limb| low.wrapping_mul(LIMB_BASE).wrapping_add(u64::from(*limb)))
    }

    /// The number rounded to the nearest `f64`, ties to even; infinite beyond the range.
    pub(crate) fn to_f64(&self) -> f64 {
        // Every digit string is a number to the standard parser, which rounds correctly at any length.
        self.to_digits().parse().unwrap_or(f64::INFINITY)
    }

    /// Decimal digits without leading zeros; `0` for zero.
    pub(crate) fn to_digits(&self) -> String {
        let mut limbs = self.limbs.iter().rev();
        let mut digits = String::with_capacity(self.limbs.len() * LIMB_DIGITS + 1);
        // Writing to a `String` cannot fail.
        let _ = write!(digits, "{}", limbs.next().copied().unwrap_or(0));
        for limb in limbs {
            let _ = write!(digits, "{limb:09}");
        }
        digits
    }

    /// Times a number below 2^32.
    pub(crate) fn times(mut self, factor: u32) -> Self {
        let mut carry: u64 = 0;
        for limb in &mut self.limbs {
            // Below 2^30 * 2^32 + 2^32.
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = (product % LIMB_BASE) as u32;
            carry = product / LIMB_BASE;
        }
        while carry != 0 {
            self.limbs.push((carry % LIMB_BASE) as u32);
            carry /= LIMB_BASE;
        }
        self.trimmed()
    }

    /// Times 10^`power`. Takes memory for `power` more digits; the caller bounds it.
    pub(crate) fn times_pow10(self, power: usize) -> Self {
        if self.is_zero() {
            return self;
        }
        let mut limbs = vec![0; power / LIMB_DIGITS];
        limbs.extend_from_slice(&self.limbs);
        Magnitude { limbs }.times(pow10_below_limb(power % LIMB_DIGITS))
    }

    /// Divided by a number from 1 to 2^32 - 1, and what remains. A zero divisor counts as one.
    pub(crate) fn div_rem(mut self, divisor: u32) -> (Self, u32) {
        let divisor = u64::from(divisor.max(1));
        let mut remainder: u64 = 0;
        for limb in self.limbs.iter_mut().rev() {
            // Below 2^32 * 10^9 + 10^9, and the quotient below 10^9.
            let dividend = remainder * LIMB_BASE + u64::from(*limb);
            *limb = (dividend / divisor) as u32;
            remainder = dividend % divisor;
        }
        (self.trimmed(), remainder as u32)
    }

    /// Divided by 10^`power`, rounded up to a whole number. Takes no more memory than the number itself, however large the power.
    pub(crate) fn div_pow10_up(self, power: usize) -> Self {
        let whole_limbs = power / LIMB_DIGITS;
        let dropped_some = self.limbs.iter().take(whole_limbs).any(|limb| *limb != 0);
        let kept = Magnitude { limbs: self.limbs.into_iter().skip(whole_limbs).collect() };
        let (quotient, remainder) = kept.div_rem(pow10_below_limb(power % LIMB_DIGITS));
        if dropped_some || remainder != 0 { quotient.plus_one() } else { quotient }
    }

    /// The number without its factors `factor`, and how many there were. Zero has none.
    pub(crate) fn without_factors(self, factor: u32) -> (Self, i64) {
        let mut value = self;
        let mut times = 0;
        if factor < 2 || value.is_zero() {
            return (value, times);
        }
        loop {
            let (quotient, remainder) = value.clone().div_rem(factor);
            if remainder != 0 {
                return (value, times);
            }
            value = quotient;
            times += 1;
        }
    }

    /// The number without its trailing decimal zeros, and how many there were. Zero has none.
    pub(crate) fn without_trailing_zeros(self) -> (Self, i64) {
        let zero_limbs = self.limbs.iter().take_while(|limb| **limb == 0).count();
        let rest = Magnitude { limbs: self.limbs.into_iter().skip(zero_limbs).collect() };
        let (value, times) = rest.without_factors(10);
        let skipped = i64::try_from(zero_limbs * LIMB_DIGITS).unwrap_or(i64::MAX);
        (value, times.saturating_add(skipped))
    }

    fn plus_one(mut self) -> Self {
        for limb in &mut self.limbs {
            if u64::from(*limb) + 1 < LIMB_BASE {
                *limb += 1;
                return self;
            }
            *limb = 0;
        }
        self.limbs.push(1);
        self
    }

    fn trimmed(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self
    }
}

fn pow10_below_limb(power: usize) -> u32 {
    u32::try_from(power).ok().and_then(|power| 10_u32.checked_pow(power)).unwrap_or(1)
}

impl PartialOrd for Magnitude {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Magnitude {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(magnitude: &Magnitude) -> u128 {
        magnitude.to_digits().parse().unwrap()
    }

    proptest! {
        #[test]
        fn agrees_with_128_bit_arithmetic(a in 0..u128::MAX >> 40, b in any::<u64>(), factor in any::<u32>(), power in 0_usize..8) {
            let ma = Magnitude::from_digits(&alloc::format!("{a}"));
            let mb = Magnitude::from_u64(b);
            let scale = 10_u128.pow(power as u32);
            prop_assert_eq!(value(&ma), a);
            prop_assert_eq!(value(&mb), u128::from(b));
            prop_assert_eq!(ma.cmp(&mb), a.cmp(&u128::from(b)));
            prop_assert_eq!(ma.low_u64(), a as u64);
            prop_assert_eq!(ma.to_f64(), a as f64);
            prop_assert_eq!(value(&ma.clone().times(factor)), a * u128::from(factor));
            prop_assert_eq!(value(&ma.clone().times_pow10(power)), a * scale);
            prop_assert_eq!(value(&ma.clone().div_pow10_up(power)), a.div_ceil(scale));
            let divisor = factor.max(1);
            let (quotient, remainder) = ma.div_rem(divisor);
            prop_assert_eq!(value(&quotient), a / u128::from(divisor));
            prop_assert_eq!(u128::from(remainder), a % u128::from(divisor));
        }

        #[test]
        fn factors_come_off_and_go_back(a in 1..u64::MAX, zeros in 0_usize..60) {
            let full = Magnitude::from_u64(a).times_pow10(zeros);
            let (rest, times) = full.clone().without_trailing_zeros();
            prop_assert!(times >= zeros as i64);
            prop_assert_ne!(rest.clone().div_rem(10).1, 0);
            prop_assert_eq!(rest.times_pow10(times as usize), full.clone());
            let (rest, times) = full.clone().without_factors(1024);
            prop_assert_eq!((0..times).fold(rest, |m, _| m.times(1024)), full);
        }

        #[test]
        fn a_power_of_any_size_divides_up_to_one(a in 1..u64::MAX, power in 20_usize..usize::MAX) {
            prop_assert_eq!(value(&Magnitude::from_u64(a).div_pow10_up(power)), 1);
        }
    }
}
