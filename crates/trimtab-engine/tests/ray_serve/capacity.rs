//! Bounds at a share of the cluster.

use proptest::prelude::*;
use trimtab_engine::TargetCapacityDirection;
use trimtab_engine::strategy::ray_serve::{Capacity, Limits};

fn capacity() -> impl Strategy<Value = Capacity> {
    let percentage = prop_oneof![
        Just(None),
        (0_u32..=1000).prop_map(|tenths| Some(f64::from(tenths) / 10.0)),
        (0.0..=100.0_f64).prop_map(Some),
    ];
    let direction = prop_oneof![
        Just(None),
        Just(Some(TargetCapacityDirection::Up)),
        Just(Some(TargetCapacityDirection::Down)),
    ];
    (percentage, direction).prop_map(|(percentage, direction)| Capacity { percentage, direction })
}

/// `min <= initial <= max`
fn counts() -> impl Strategy<Value = (i32, Option<i32>, i32)> {
    (0_i32..50, 0_i32..50, 0_i32..50, any::<bool>())
        .prop_map(|(min, some, more, set)| (min, set.then_some(min + some), min + some + more))
}

proptest! {
    /// Tenths of a percent, in whole numbers.
    #[test]
    fn a_share_is_rounded_half_up(count in 0_i64..1_000_000, tenths in 0_i64..=1000) {
        let whole = (count * tenths + 500) / 1000;
        let expected = if count * tenths == 0 { 0 } else { whole.max(1) };
        let capacity = Capacity { percentage: Some(tenths as f64 / 10.0), direction: None };
        let got = capacity.of(i32::try_from(count).unwrap_or(i32::MAX));
        // Halves of a count depend on how the percentage is as a float.
        let half = (count * tenths) % 1000 == 500;
        prop_assert!(i64::from(got) == expected || half && i64::from(got) == expected - 1);
    }

    /// The bounds are in order, and so is what comes out of them.
    #[test]
    fn what_is_registered_is_within_the_bounds(
        capacity in capacity(),
        (min, initial, max) in counts(),
        target in 0_i32..200,
    ) {
        let limits = Limits::new(min, max, initial, capacity);
        prop_assert!(0 <= limits.lower && limits.lower <= limits.upper && limits.upper <= max);
        let registered = limits.register(target);
        prop_assert!(limits.lower <= registered && registered <= limits.upper);
        prop_assert_eq!(limits.bound(registered), registered);
    }
}

#[test]
fn the_largest_count_stays() {
    for percentage in [None, Some(100.0), Some(99.999_999_999_999)] {
        let capacity = Capacity { percentage, direction: None };
        assert_eq!(capacity.of(i32::MAX), i32::MAX);
    }
}
