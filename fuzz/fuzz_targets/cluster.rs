//! No document makes reading a cluster or a profile panic or hang, and what is read can be written and
//! read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_manifest::{Limits, Source, from_str};
use trimtab_sim::{ClusterSpec, ServiceProfile};

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_bytes("fuzz.yaml", bytes) else { return };
    if let Ok(profile) = from_str::<ServiceProfile>(&source, &Limits::default()) {
        let _either = profile.check();
    }
    let Ok(spec) = from_str::<ClusterSpec>(&source, &Limits::default()) else { return };
    let text = serde_json::to_string(&spec).expect("it serializes");
    assert_eq!(serde_json::from_str::<ClusterSpec>(&text).expect("and reads back"), spec);
    let spots = spec.pools.iter().filter_map(|pool| pool.spot.as_ref());
    if spots.into_iter().any(|spot| spot.availability.file.is_some()) {
        return; // which would read whatever file the input names
    }
    let profile = ServiceProfile::named("llama-3.1-8b-a100").expect("it is built in");
    match spec.check(&profile) {
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
        Ok(cluster) => {
            assert!(cluster.least_start_seconds() >= 0.0);
            assert!(!cluster.lead_time_text().is_empty() && !cluster.details().is_empty());
        }
    }
});
