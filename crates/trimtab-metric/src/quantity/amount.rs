//! How much: a number as Kubernetes holds it, in one of two representations whose arithmetic differs at the edges.

use core::cmp::Ordering;

use super::magnitude::Magnitude;

/// A number `value * 10^exponent`.
#[derive(Clone, Debug)]
pub(crate) enum Amount {
    /// Up to 18 digits as written; anything from the constructors.
    Small { value: i64, exponent: i32 },
    /// Longer decimals, and binary suffixes on fractions or on large numbers.
    Big { negative: bool, magnitude: Magnitude, exponent: i32 },
}

/// The exponent of milli-units.
const MILLI: i32 = -3;

/// One number, one form: equal amounts have equal normal forms.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct NormalForm {
    pub(crate) signum: i32,
    /// Without trailing zeros.
    pub(crate) magnitude: Magnitude,
    /// Zero for the number zero.
    pub(crate) exponent: i64,
}

impl Amount {
    pub(crate) fn signum(&self) -> i32 {
        match self {
            Amount::Small { value, .. } => value.signum() as i32,
            Amount::Big { magnitude, .. } if magnitude.is_zero() => 0,
            Amount::Big { negative, .. } => {
                if *negative {
                    -1
                } else {
                    1
                }
            }
        }
    }

    pub(crate) fn normal_form(&self) -> NormalForm {
        let (full, exponent) = match self {
            Amount::Small { value, exponent } => {
                (Magnitude::from_u64(value.unsigned_abs()), *exponent)
            }
            Amount::Big { magnitude, exponent, .. } => (magnitude.clone(), *exponent),
        };
        let signum = self.signum();
        if signum == 0 {
            return NormalForm { signum, magnitude: full, exponent: 0 };
        }
        let (magnitude, zeros) = full.without_trailing_zeros();
        NormalForm { signum, magnitude, exponent: i64::from(exponent).saturating_add(zeros) }
    }

    /// Thousandths, with Kubernetes' overflow behaviour.
    pub(crate) fn milli(&self) -> i64 {
        match self {
            Amount::Small { value, exponent } if *exponent < MILLI => {
                round_away(*value, i64::from(MILLI) - i64::from(*exponent))
            }
            Amount::Small { value, exponent } => {
                scale_up(*value, i64::from(*exponent) - i64::from(MILLI))
            }
            Amount::Big { negative, magnitude, exponent } => {
                big_milli(*negative, magnitude, *exponent)
            }
        }
    }

    /// Thousandths, rounded away from zero; `None` for what does not fit.
    pub(crate) fn checked_milli(&self) -> Option<i64> {
        if let Amount::Small { value, exponent: -3 } = self {
            return Some(*value);
        }
        let NormalForm { signum, magnitude, exponent } = self.normal_form();
        let places = exponent.saturating_add(3);
        let magnitude = match usize::try_from(places) {
            _ if signum == 0 => return Some(0),
            Ok(places) if places > 19 => return None,
            Ok(places) => magnitude.times_pow10(places),
            Err(_) => {
                let places = usize::try_from(places.unsigned_abs()).unwrap_or(usize::MAX);
                magnitude.div_pow10_up(places)
            }
        };
        let sign = if signum < 0 { "-" } else { "" };
        alloc::format!("{sign}{}", magnitude.to_digits()).parse().ok()
    }

    pub(crate) fn approx_f64(&self) -> f64 {
        let (base, exponent) = match self {
            Amount::Small { value, exponent } => (*value as f64, *exponent),
            Amount::Big { negative, magnitude, exponent } => {
                let base = magnitude.to_f64();
                (if *negative { -base } else { base }, *exponent)
            }
        };
        if exponent == 0 { base } else { base * pow10(exponent) }
    }
}

/// `value / 10^places`, away from zero when that is not whole.
fn round_away(value: i64, places: i64) -> i64 {
    let divisor = u32::try_from(places).ok().and_then(|places| 10_i64.checked_pow(places));
    match divisor {
        Some(divisor) if value % divisor == 0 => value / divisor,
        Some(divisor) => value / divisor + value.signum(),
        // 10^19 is more than any value.
        None => value.signum(),
    }
}

/// `value * 10^places`. On overflow it wraps when the factor is one of those Kubernetes has a shortcut for, and is zero otherwise.
fn scale_up(value: i64, places: i64) -> i64 {
    let exact = u32::try_from(places)
        .ok()
        .and_then(|places| 10_i64.checked_pow(places))
        .and_then(|factor| value.checked_mul(factor));
    match (exact, places) {
        (Some(product), _) => product,
        // Its shortcuts refuse the one value whose negation overflows.
        _ if value == i64::MIN => 0,
        (None, 1) => value.wrapping_mul(10),
        (None, 2) => value.wrapping_mul(100),
        (None, 3) => value.wrapping_mul(1_000),
        (None, 6) => value.wrapping_mul(1_000_000),
        (None, 9) => value.wrapping_mul(1_000_000_000),
        (None, _) => 0,
    }
}

/// The low 64 bits of a signed number.
fn low_i64(negative: bool, magnitude: &Magnitude) -> i64 {
    let low = magnitude.low_u64() as i64;
    if negative { low.wrapping_neg() } else { low }
}

/// The other representation is at exponent -9 (rounded to nano), or 0 (capped), or anywhere if it is zero.
fn big_milli(negative: bool, magnitude: &Magnitude, exponent: i32) -> i64 {
    if magnitude.is_zero() {
        return 0;
    }
    let places = MILLI.saturating_sub(exponent);
    if places <= 0 {
        let factor = 10_i64.wrapping_pow(places.unsigned_abs());
        return low_i64(negative, magnitude).wrapping_mul(factor);
    }
    if negative || *magnitude < Magnitude::from_u64(i64::MAX as u64) {
        // 64-bit arithmetic on what fits, which for negative numbers is not checked; then one up, whatever the sign.
        let value = low_i64(negative, magnitude);
        let divisor = u32::try_from(places)
            .ok()
            .and_then(|places| 10_i64.checked_pow(places))
            .unwrap_or(i64::MAX);
        let up = i64::from(value % divisor != 0);
        return value / divisor + up;
    }
    let up = magnitude.clone().div_pow10_up(usize::try_from(places).unwrap_or(usize::MAX));
    low_i64(false, &up)
}

/// A power of ten as a 64-bit float the way Go has it: two table entries multiplied or divided, zero below 10^-323, infinite above
/// 10^308.
fn pow10(exponent: i32) -> f64 {
    /// 10^0 to 10^31.
    const UNITS: [f64; 32] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
    ];
    /// 10^0, 10^32, ... 10^288.
    const UP: [f64; 10] = [1e0, 1e32, 1e64, 1e96, 1e128, 1e160, 1e192, 1e224, 1e256, 1e288];
    /// 10^-0, 10^-32, ... 10^-320.
    const DOWN: [f64; 11] =
        [1e-0, 1e-32, 1e-64, 1e-96, 1e-128, 1e-160, 1e-192, 1e-224, 1e-256, 1e-288, 1e-320];
    if exponent > 308 {
        return f64::INFINITY;
    }
    if exponent < -323 {
        return 0.0;
    }
    let steps = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    let unit = UNITS.get(steps % 32).copied().unwrap_or(1.0);
    if exponent >= 0 {
        UP.get(steps / 32).copied().unwrap_or(f64::INFINITY) * unit
    } else {
        DOWN.get(steps / 32).copied().unwrap_or(0.0) / unit
    }
}

impl Amount {
    pub(crate) fn cmp(&self, other: &Amount) -> Ordering {
        if let (Amount::Small { value: a, exponent: p }, Amount::Small { value: b, exponent: q }) =
            (self, other)
            && p == q
        {
            return a.cmp(b);
        }
        let (a, b) = (self.normal_form(), other.normal_form());
        a.signum.cmp(&b.signum).then_with(|| match a.signum {
            0 => Ordering::Equal,
            1 => a.cmp_magnitude(&b),
            _ => b.cmp_magnitude(&a),
        })
    }
}

impl NormalForm {
    /// Compares numbers without regard to sign; neither is zero. Nothing is expanded, so far-apart exponents cost nothing.
    pub(crate) fn cmp_magnitude(&self, other: &NormalForm) -> Ordering {
        let (a, b) = (self.magnitude.to_digits(), other.magnitude.to_digits());
        let top = |digits: &str, exponent: i64| {
            exponent.saturating_add(i64::try_from(digits.len()).unwrap_or(i64::MAX))
        };
        // Equal leading places: without trailing zeros, a digit string that is a prefix of the other is the smaller number.
        top(&a, self.exponent).cmp(&top(&b, other.exponent)).then_with(|| a.cmp(&b))
    }
}
