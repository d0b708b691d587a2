//! Python numbers as amounts: thousandths, exactly as a document's numbers become them.

use libm::fabs;
use trimtab_metric::Quantity;

/// Up to here a float tells thousandths apart.
const EXACT: f64 = 1e12;

/// The thousandths of the shortest decimal that reads back as `value`, rounded away from zero; `None` for what is no amount: NaN,
/// infinities, and what no `i64` of thousandths holds.
pub(crate) fn milli(value: f64) -> Option<i64> {
    near(value).or_else(|| {
        let text = if value.is_finite() { format!("{value:e}") } else { return None };
        text.parse::<Quantity>().ok()?.checked_milli()
    })
}

/// Without printing it, where floats tell thousandths apart.
///
/// Reading a decimal never turns the order of two round. So a value beyond the float of a whole number of thousandths has its shortest
/// decimal beyond that number, and one that is the float has the number itself: no two decimals of 15 digits read alike.
#[expect(clippy::cast_possible_truncation, reason = "within 1e15")]
fn near(value: f64) -> Option<i64> {
    let size = fabs(value);
    if size < EXACT {
        let nearest = (size * 1000.0 + 0.5) as i64;
        let away = if size > nearest as f64 / 1000.0 { nearest + 1 } else { nearest };
        Some(if value < 0.0 { -away } else { away })
    } else {
        None
    }
}

/// An amount as it is written in a record; `None` for what is no amount.
pub(crate) fn quantity(value: f64) -> Option<Quantity> {
    let milli = near(value).filter(|milli| *milli as f64 / 1000.0 == value);
    milli.map(Quantity::from_milli).or_else(|| {
        let text = if value.is_finite() { format!("{value:e}") } else { return None };
        text.parse().ok()
    })
}
