//! `**`, with the roundings that expr has of Go.

/// `base` to the power of `exponent`.
///
/// Go multiplies a whole exponent out, bit by bit, with mantissa and exponent apart, and rounds
/// otherwise than a correctly rounded power does; so does this. Of a broken exponent the whole part
/// goes that way and the rest through `exp` and `log`, whose last bits are this library's.
pub(super) fn power(base: f64, exponent: f64) -> f64 {
    let magnitude = exponent.abs();
    let special = !base.is_finite() || !exponent.is_finite() || base == 0.0 || exponent == 0.0;
    if special || magnitude >= 9_223_372_036_854_775_808.0 {
        return libm::pow(base, exponent);
    }
    let (mut rest, mut whole) = libm::modf(magnitude);
    if rest != 0.0 && base < 0.0 {
        return f64::NAN;
    }
    if magnitude.to_bits() == 0.5_f64.to_bits() {
        let root = libm::sqrt(base);
        return if exponent < 0.0 { 1.0 / root } else { root };
    }
    if base == 1.0 || exponent == 1.0 {
        return base;
    }
    let mut mantissa = 1.0;
    let mut scale = 0_i32;
    if rest != 0.0 {
        if rest > 0.5 {
            rest -= 1.0;
            whole += 1.0;
        }
        mantissa = libm::exp(rest * libm::log(base));
    }
    multiply(base, crate::float::to_i64(whole), &mut mantissa, &mut scale);
    if exponent < 0.0 {
        mantissa = 1.0 / mantissa;
        scale = -scale;
    }
    libm::scalbn(mantissa, scale)
}

/// Multiplies by `base` as often as `times` says, by its bits from the lowest.
fn multiply(base: f64, mut times: i64, mantissa: &mut f64, scale: &mut i32) {
    const FAR: i32 = 1 << 12;
    let (mut square, mut square_scale) = libm::frexp(base);
    while times != 0 {
        if !(-FAR..=FAR).contains(&square_scale) {
            // It overflows or vanishes whatever comes.
            *scale += square_scale;
            break;
        }
        if times & 1 == 1 {
            *mantissa *= square;
            *scale += square_scale;
        }
        square *= square;
        square_scale <<= 1;
        if square < 0.5 {
            square += square;
            square_scale -= 1;
        }
        times >>= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured on Go.
    const POWERS: [(f64, f64, u64); 12] = [
        (1.1, 7.0, 0x3fff_2df1_fb5a_7ed7),
        (0.3, 5.0, 0x3f63_e814_50ef_dc9c),
        (1.0001, 365.0, 0x3ff0_9842_192d_b9d4),
        (12.488, 3.0, 0x409e_6e05_871f_e6c7),
        (7.25, -4.0, 0x3f37_b881_3d37_e452),
        (-1.7, 11.0, 0xc075_6b80_df6d_3de4),
        (33.333, 2.0, 0x4091_5c5b_05b7_cfe5),
        (0.1, 17.0, 0x3c67_0ef5_4646_d4a2),
        (3.0, 200.0, 0x53bf_d586_3c3e_b046),
        (0.001, 100.0, 0x01a5_6e1f_c2f8_f353),
        (2.5, 1000.0, 0x7ff0_0000_0000_0000),
        (0.9, -10.0, 0x4006_f19b_4c92_615e),
    ];

    #[test]
    fn whole_powers_round_as_go_does() {
        for (base, exponent, bits) in POWERS {
            assert_eq!(power(base, exponent).to_bits(), bits, "{base} ** {exponent}");
        }
    }

    #[test]
    fn special_values_are_those_of_ieee_754() {
        assert_eq!(power(f64::NAN, 0.0), 1.0);
        assert_eq!(power(1.0, f64::NAN), 1.0);
        assert_eq!(power(-1.0, f64::INFINITY), 1.0);
        assert_eq!(power(0.0, -1.0), f64::INFINITY);
        assert_eq!(power(-0.0, -3.0), f64::NEG_INFINITY);
        assert_eq!(power(-2.0, 3.0), -8.0);
        assert!(power(-2.0, 0.5).is_nan());
        assert_eq!(power(2.0, -1074.0), 5e-324);
        assert_eq!(power(10.0, 400.0), f64::INFINITY);
        assert_eq!(power(4.0, -0.5), 0.5);
    }

    #[test]
    fn broken_powers_are_near() {
        for (base, exponent) in [(2.0, 0.3), (10.0, 1.7), (0.1, 2.5), (7.3, -3.25)] {
            let exact = libm::pow(base, exponent);
            assert!((power(base, exponent) / exact - 1.0).abs() < 1e-14, "{base} ** {exponent}");
        }
    }
}
