//! No file makes reading a trace panic or hang, and what it gives is in order and has tokens.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use trimtab_sim::{Moment, Trace, TraceOptions, Workload};

/// A rate may stand for any number of requests.
const ENOUGH: usize = 5_000;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("it is written");
    for skip_zero_tokens in [false, true] {
        let options = TraceOptions { skip_zero_tokens, ..TraceOptions::default() };
        let trace = match Trace::open(file.path(), &options) {
            Ok(trace) => trace,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        let mut before = Moment::START;
        for request in trace.requests().expect("it was opened before").take(ENOUGH) {
            let Ok(request) = request else { break };
            assert!(request.arrival >= before && request.arrival < Moment::NEVER);
            assert!(request.input_tokens > 0 && request.output_tokens > 0);
            before = request.arrival;
        }
    }
});
