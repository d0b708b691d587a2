//! Python numbers as amounts: thousandths, exactly as a document's numbers become them.

use libm::{ceil, fabs, round};
use trimtab_metric::Quantity;

/// Up to here a float tells thousandths apart, and whether a thousandth is whole.
const EXACT: f64 = 1e12;

/// The thousandths of the shortest decimal that reads back as `value`, rounded away from zero; `None` for what is no amount: NaN,
/// infinities, and what no `i64` of thousandths holds.
pub(crate) fn milli(value: f64) -> Option<i64> {
    near(value).or_else(|| {
        let text = if value.is_finite() { format!("{value:e}") } else { return None };
        text.parse::<Quantity>().ok()?.checked_milli()
    })
}

/// Without printing it, where that is sure to give the same.
///
/// A whole number of thousandths that the value is nearest to is its shortest decimal. Otherwise a value that lies
/// well between two thousandths lies between the same two as its decimal does.
#[expect(clippy::cast_possible_truncation, reason = "within 1e15")]
fn near(value: f64) -> Option<i64> {
    if fabs(value) < EXACT {
        let scaled = value * 1000.0;
        let nearest = round(scaled);
        if nearest / 1000.0 == value {
            return Some(nearest as i64);
        }
        let (size, off) = (fabs(scaled), fabs(scaled - nearest));
        if off > 0.01 {
            let up = ceil(size);
            return Some(if value < 0.0 { -up as i64 } else { up as i64 });
        }
    }
    None
}

/// An amount as it is written in a record; `None` for what is no amount.
pub(crate) fn quantity(value: f64) -> Option<Quantity> {
    let milli = near(value).filter(|milli| *milli as f64 / 1000.0 == value);
    milli.map(Quantity::from_milli).or_else(|| {
        let text = if value.is_finite() { format!("{value:e}") } else { return None };
        text.parse().ok()
    })
}
