//! The HPA's two conversions from float to integer, as its binaries for amd64 make them.

/// To `i32`: the fraction is cut off; what does not fit (NaN, infinities) is `i32::MIN`.
///
/// Go leaves the out-of-range case to the processor. Recorded behaviour is that of amd64, and the
/// engine does the same on every platform.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(crate) fn to_i32(value: f64) -> i32 {
    if value > -2_147_483_649.0 && value < 2_147_483_648.0 { value as i32 } else { i32::MIN }
}

/// To `i64`, likewise.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(crate) fn to_i64(value: f64) -> i64 {
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    if (-EDGE..EDGE).contains(&value) { value as i64 } else { i64::MIN }
}

/// To `f64`, rounding to nearest even as Go's conversion does.
#[expect(clippy::cast_precision_loss, reason = "the loss is the HPA's own")]
pub(crate) fn from_i64(value: i64) -> f64 {
    value as f64
}

/// A count to `i32`: what does not fit is the nearest that does.
pub(crate) fn saturated(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// A count of pods to `f64`; exact, since no table has 2^53 rows.
#[expect(clippy::cast_precision_loss, reason = "no table has 2^53 rows")]
pub(crate) fn from_count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_least() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2_147_483_648.0, -2_147_483_649.0]
        {
            assert_eq!(to_i32(value), i32::MIN, "{value}");
        }
        assert_eq!(to_i32(2_147_483_647.9), i32::MAX);
        assert_eq!(to_i32(-2_147_483_648.9), i32::MIN);
        assert_eq!(to_i64(9.3e18), i64::MIN);
        assert_eq!(to_i64(-1.9), -1);
    }
}
