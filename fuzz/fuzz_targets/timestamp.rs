//! Every instant prints a text that parses to the same instant, and no text makes the parser panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_metric::Timestamp;

fuzz_target!(|input: (i64, &str)| {
    let (millis, text) = input;
    for instant in [Some(Timestamp::from_millis(millis)), text.parse().ok()].into_iter().flatten() {
        let printed = instant.to_string();
        assert_eq!(printed.parse(), Ok(instant), "{instant:?} prints {printed:?}");
    }
});
