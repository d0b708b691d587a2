//! No line makes reading a decision log panic, and a record that is read can be decided again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_engine::{LogEntry, Policy};

fuzz_target!(|text: &str| {
    let mut policy = None;
    for line in text.lines().take(16) {
        match serde_json::from_str::<LogEntry>(line) {
            Ok(LogEntry::Policy(spec)) => policy = Policy::new(spec).ok(),
            Ok(LogEntry::Decision(record)) => {
                let Some(policy) = &policy else { continue };
                if let Ok(again) = record.again(policy) {
                    assert_eq!(again.again(policy).expect("it fitted before"), again);
                }
            }
            Err(_) => {}
        }
    }
});
