//! No manifest makes importing panic or hang; a policy that is imported is written as YAML that reads
//! back as the same policy, and what is said of it can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_manifest::{Colour, Source, import, read_policies};

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_bytes("fuzz.yaml", bytes) else { return };
    match import(&source) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(imported) => {
            let notes = imported.render_notes(Colour::Never);
            assert!(!notes.chars().any(|char| char.is_control() && char != '\n'), "{notes:?}");
            let text = imported.to_yaml();
            let again = read_policies(&Source::new("policies.yaml", text)).expect("it reads back");
            assert_eq!(again.policies.len(), imported.policies.len());
            for (read, policy) in again.policies.iter().zip(&imported.policies) {
                assert_eq!((&read.policy, &read.metadata), (&policy.policy, &policy.metadata));
            }
        }
    }
});
