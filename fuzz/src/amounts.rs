//! Numbers and times, most of them small; and whether and how many of a thing there are.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::Finite;
use trimtab_metric::Timestamp;

pub(crate) fn small(u: &mut Unstructured<'_>) -> Result<i32> {
    if u.ratio(7, 8)? { u.int_in_range(0..=40) } else { i32::arbitrary(u) }
}

pub(crate) fn amount(u: &mut Unstructured<'_>) -> Result<i64> {
    if u.ratio(7, 8)? { u.int_in_range(0..=100_000) } else { i64::arbitrary(u) }
}

pub(crate) fn time(u: &mut Unstructured<'_>) -> Result<Timestamp> {
    if u.ratio(7, 8)? {
        u.int_in_range(0..=4_000).map(Timestamp::from_secs)
    } else {
        i64::arbitrary(u).map(Timestamp::from_millis)
    }
}

pub(crate) fn counts(u: &mut Unstructured<'_>) -> Result<u32> {
    if u.ratio(7, 8)? { u.int_in_range(0..=40) } else { u32::arbitrary(u) }
}

pub(crate) fn number(u: &mut Unstructured<'_>) -> Result<Option<Finite>> {
    let value =
        option(
            u,
            |u| {
                if u.ratio(7, 8)? { Ok(f64::from(small(u)?) / 8.0) } else { f64::arbitrary(u) }
            },
        )?;
    Ok(value.and_then(Finite::new))
}

/// From 0 to 1, as a rule.
pub(crate) fn share(u: &mut Unstructured<'_>) -> Result<Option<Finite>> {
    let value = if u.ratio(7, 8)? {
        f64::from(u.int_in_range(0..=100)?) / 100.0
    } else {
        f64::arbitrary(u)?
    };
    Ok(Finite::new(value))
}

pub(crate) fn option<T>(
    u: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if u.ratio(3, 4)? { make(u).map(Some) } else { Ok(None) }
}

pub(crate) fn list<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    mut make: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| make(u)).collect()
}
