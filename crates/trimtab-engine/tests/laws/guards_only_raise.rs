//! Law 5: a guard never makes for a smaller count than there would be without it.

use proptest::prelude::*;

use crate::cases;
use crate::generate::signals::Seen;
use crate::signals::{any_policy, any_seen, compare, past};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn guards_only_raise(
        policy in any_policy(), before in past(), seen in any_seen(), cache in 0.0..1.2_f64,
    ) {
        let calm = Seen { cache: Some(0.0), ..seen.clone() };
        let full = Seen { cache: Some(cache), ..seen };
        let (calm, full) = compare(&policy, &before, &calm, &full);
        prop_assert!(
            full.desired_replicas >= calm.desired_replicas,
            "calm:\n{}\nfull:\n{}", calm.explain(), full.explain()
        );
    }
}
