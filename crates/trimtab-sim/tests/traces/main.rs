//! Reading traces: every format, every error, and laws of what comes out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail by panic, and says what it skips"
)]

mod errors;
mod formats;
mod laws;
mod shared;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use trimtab_sim::{Request, Trace, TraceOptions, Workload, WorkloadError};

/// A file that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("trimtab-traces-{}-{unique}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn open(&self, options: &TraceOptions) -> Result<Trace, WorkloadError> {
        Trace::open(&self.0, options)
    }

    fn read(&self, options: &TraceOptions) -> Result<Vec<Request>, WorkloadError> {
        self.open(options)?.requests()?.collect()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn plain() -> TraceOptions {
    TraceOptions::default()
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Seconds, input and output tokens of each request.
fn rows(content: impl AsRef<[u8]>, options: &TraceOptions) -> Vec<(f64, u32, u32)> {
    File::new("trace", content)
        .read(options)
        .unwrap()
        .iter()
        .map(|r| (r.arrival.seconds(), r.input_tokens, r.output_tokens))
        .collect()
}

/// What is wrong, with the line but without the path.
fn error(content: impl AsRef<[u8]>, options: &TraceOptions) -> String {
    let file = File::new("trace", content);
    let error = file.read(options).unwrap_err();
    assert_eq!(*error.source_name, *file.0.display().to_string());
    error.line.map_or_else(String::new, |line| format!("{line}: ")) + &error.message
}

const HEADER: &str = "timestamp_s,input_tokens,output_tokens\n";
