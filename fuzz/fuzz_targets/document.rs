//! No document makes reading panic or hang, and a policy that is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_engine::Policy;
use trimtab_manifest::{Source, read_policies};

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_bytes("fuzz.yaml", bytes) else { return };
    match read_policies(&source) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(read) => {
            for document in read.policies {
                let text = serde_json::to_string(document.policy.spec()).expect("it serializes");
                let spec = serde_json::from_str(&text).expect("and reads back");
                let again = Policy::new(spec).expect("and is as valid as it was");
                assert_eq!(again.digest(), document.policy.digest());
            }
        }
    }
});
