//! What is written down reads back as what it was.

use proptest::prelude::*;
use trimtab_metric::{Quantity, Reading, Sample, Span, Timestamp};

proptest! {
    #[test]
    fn every_timestamp(millis: i64) {
        let at = Timestamp::from_millis(millis);
        prop_assert_eq!(at.to_string().parse(), Ok(at));
        let json = serde_json::to_string(&at).unwrap();
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
    }

    #[test]
    fn an_offset_is_taken_away(seconds in 0_i64..4_000_000_000, hours in -23_i64..=23, minutes in 0_i64..60) {
        let utc = Timestamp::from_secs(seconds);
        let offset = hours * 3600 + if hours < 0 { -minutes } else { minutes } * 60;
        let local = Timestamp::from_secs(seconds + offset).to_string();
        let sign = if hours < 0 { '-' } else { '+' };
        let text = format!("{}{sign}{:02}:{minutes:02}", local.trim_end_matches('Z'), hours.abs());
        prop_assert_eq!(text.parse(), Ok(utc));
    }

    #[test]
    fn unix_seconds_as_prometheus_writes_them(millis in -4_000_000_000_000_i64..4_000_000_000_000) {
        let text = format!("{}", millis as f64 / 1000.0);
        let read: Timestamp = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, Timestamp::from_millis(millis));
    }

    #[test]
    fn every_span(millis: i64) {
        let span = Span::from_millis(millis);
        prop_assert_eq!(span.to_string().parse(), Ok(span));
    }

    #[test]
    fn spans_as_seconds(millis in -4_000_000_000_000_i64..4_000_000_000_000) {
        let span = Span::from_millis(millis);
        let json = serde_json::to_string(&span).unwrap();
        prop_assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span);
    }

    #[test]
    fn thousandths_as_quantities(milli: i64) {
        for quantity in [Quantity::from_milli(milli), Quantity::from_milli_binary(milli)] {
            let read: Quantity = quantity.to_string().parse().unwrap();
            prop_assert_eq!(&read, &quantity);
            prop_assert_eq!(read.checked_milli(), Some(milli));
            prop_assert_eq!(read.signum(), milli.signum() as i32);
        }
    }

    /// The milli-units that the HPA calculates with are exact wherever they do not overflow.
    #[test]
    fn milli_units_are_exact_in_range(milli in -999_999_999_999_999_999_i64..1_000_000_000_000_000_000) {
        let text = Quantity::from_milli(milli).to_string();
        prop_assert_eq!(text.parse::<Quantity>().unwrap().milli(), milli);
    }

    #[test]
    fn quantities_order_as_their_values(a: i64, b: i64) {
        prop_assert_eq!(Quantity::from_milli(a).cmp(&Quantity::from_milli(b)), a.cmp(&b));
        let (units, milli) = (Quantity::from_units(a / 1000), Quantity::from_milli(a / 1000 * 1000));
        prop_assert_eq!(units, milli);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,24}") {
        let _ = text.parse::<Quantity>();
        let _ = text.parse::<Timestamp>();
        let _ = text.parse::<Span>();
    }

    #[test]
    fn a_reading_is_a_number_or_says_why_not(value: f64, millis: i64, age: i64) {
        let (at, window) = (Timestamp::from_millis(millis), Span::from_secs(60));
        let reading = Reading::from_f64(value, at, window);
        match reading {
            Reading::Value(Sample { milli, .. }) => {
                prop_assert!(value.is_finite());
                let error = (milli as f64 / 1000.0 - value).abs();
                prop_assert!(error <= 0.0005 + value.abs() * 1e-15);
            }
            Reading::Invalid(_) => prop_assert!(!value.is_finite() || value.abs() >= 9.2e15),
            other => prop_assert!(false, "{other:?}"),
        }
        // Age takes a value away and gives none back.
        let aged = reading.aged(Timestamp::from_millis(age), Span::from_secs(30));
        prop_assert!(aged == reading || matches!(aged, Reading::Stale(_)));
        let json = serde_json::to_string(&aged).unwrap();
        prop_assert_eq!(serde_json::from_str::<Reading>(&json).unwrap(), aged);
    }
}
