//! Quantiles of bucketed observations lie where the observations do.

#![expect(clippy::disallowed_methods, reason = "which zero comes back does not matter here")]

use proptest::collection::vec;
use proptest::prelude::*;
use trimtab_metric::{Bucket, Histogram, histogram_quantile};

const BOUNDS: [f64; 6] = [0.5, 1.0, 2.5, 5.0, 10.0, f64::INFINITY];

fn buckets_of(observations: &[f64]) -> Vec<Bucket> {
    BOUNDS
        .into_iter()
        .map(|upper_bound| Bucket {
            upper_bound,
            count: observations.iter().filter(|value| **value <= upper_bound).count() as f64,
        })
        .collect()
}

proptest! {
    /// The quantile falls into the bucket that holds the observation of that rank, or onto the
    /// highest finite bound if that is beyond all of them.
    #[test]
    fn a_quantile_is_in_the_bucket_of_its_observation(
        mut observations in vec(0.0..20.0_f64, 1..60),
        quantile in 0.001..=1.0_f64,
    ) {
        let got = histogram_quantile(quantile, &buckets_of(&observations));
        observations.sort_by(f64::total_cmp);
        let rank = (quantile * observations.len() as f64).ceil().max(1.0) as usize;
        let value = observations[rank - 1];
        let upper = BOUNDS.into_iter().find(|bound| value <= *bound).unwrap();
        let lower = BOUNDS.into_iter().rev().find(|bound| *bound < value).unwrap_or(0.0);
        if upper == f64::INFINITY {
            prop_assert_eq!(got, 10.0);
        } else {
            prop_assert!(lower <= got && got <= upper, "{got} is not in {lower}..{upper}");
        }
    }

    #[test]
    fn a_higher_quantile_is_never_lower(
        observations in vec(0.0..20.0_f64, 1..60),
        a in 0.0..=1.0_f64,
        b in 0.0..=1.0_f64,
    ) {
        let buckets = buckets_of(&observations);
        let low = histogram_quantile(a.min(b), &buckets);
        let high = histogram_quantile(a.max(b), &buckets);
        prop_assert!(low.is_nan() || low <= high);
    }

    /// Order, and how a bucket is split into equal bounds, do not matter.
    #[test]
    fn the_order_of_buckets_does_not_matter(
        observations in vec(0.0..20.0_f64, 1..60),
        shuffle in Just((0..BOUNDS.len()).collect::<Vec<_>>()).prop_shuffle(),
        quantile in 0.0..=1.0_f64,
    ) {
        let buckets = buckets_of(&observations);
        let shuffled: Vec<Bucket> = shuffle.iter().map(|index| buckets[*index]).collect();
        prop_assert_eq!(
            histogram_quantile(quantile, &shuffled).to_bits(),
            histogram_quantile(quantile, &buckets).to_bits()
        );
        let halves: Vec<Bucket> = buckets
            .iter()
            .flat_map(|bucket| [Bucket { count: bucket.count / 2.0, ..*bucket }; 2])
            .collect();
        prop_assert_eq!(
            histogram_quantile(quantile, &halves).to_bits(),
            histogram_quantile(quantile, &buckets).to_bits()
        );
    }

    /// Nothing makes it panic, and without a `+Inf` bucket there is no answer.
    #[test]
    fn any_buckets_have_an_answer(buckets in vec((any::<f64>(), any::<f64>()), 0..12), quantile: f64) {
        let buckets: Vec<Bucket> = buckets
            .into_iter()
            .map(|(upper_bound, count)| Bucket { upper_bound, count })
            .collect();
        let got = histogram_quantile(quantile, &buckets);
        let bounded = buckets.iter().all(|bucket| bucket.upper_bound != f64::INFINITY);
        if bounded && (0.0..=1.0).contains(&quantile) {
            prop_assert!(got.is_nan());
        }
        let _refused_or_not = Histogram::new(buckets);
    }

    /// What came between two scrapes is what was observed between them.
    #[test]
    fn a_change_is_what_was_added(
        before in vec(0.0..20.0_f64, 0..40),
        added in vec(0.0..20.0_f64, 0..40),
    ) {
        let all: Vec<f64> = before.iter().chain(&added).copied().collect();
        let scrape = |values: &[f64]| Histogram::new(buckets_of(values)).unwrap();
        let change = scrape(&all).change_since(&scrape(&before)).unwrap();
        prop_assert!(!change.reset);
        prop_assert_eq!(change.added, scrape(&added));
    }
}

#[test]
fn the_edges_are_those_of_prometheus() {
    let bucket = |upper_bound, count| Bucket { upper_bound, count };
    let buckets = [bucket(-1.0, 2.0), bucket(1.0, 4.0), bucket(f64::INFINITY, 4.0)];
    assert_eq!(histogram_quantile(-0.1, &buckets), f64::NEG_INFINITY);
    assert_eq!(histogram_quantile(1.1, &buckets), f64::INFINITY);
    assert!(histogram_quantile(f64::NAN, &buckets).is_nan());
    assert_eq!(histogram_quantile(0.25, &buckets), -1.0, "a lowest bound below zero is the answer");
    assert!(histogram_quantile(0.5, &[bucket(1.0, 0.0), bucket(f64::INFINITY, 0.0)]).is_nan());
    assert!(histogram_quantile(0.5, &[bucket(f64::INFINITY, 5.0)]).is_nan());
    let falling = [bucket(1.0, 5.0), bucket(2.0, 3.0), bucket(f64::INFINITY, 10.0)];
    assert_eq!(histogram_quantile(0.5, &falling), 1.0, "a falling count is raised");
}
