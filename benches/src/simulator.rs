//! Prints what simulating costs: time per request on one core, and memory on a trace of ten million.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use trimtab_benches::Fleet;
use trimtab_sim::{Trace, TraceOptions, Workload, survey};

const REQUESTS: f64 = 2_000_000.0;
const LONG: f64 = 10_000_000.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let fleet = Fleet::of(10);
    let workload = fleet.steady(REQUESTS);
    writeln!(out, "ten replicas of {}, 60 requests/s, on one core\n", fleet.profile.name)?;
    writeln!(out, "| what | requests/s | each |")?;
    writeln!(out, "| --- | ---: | ---: |")?;
    row(&mut out, "generating alone", REQUESTS, || {
        drop(black_box(workload.requests().map(Iterator::count)));
    })?;
    row(&mut out, "surveying: the generator, the totals and the bound", REQUESTS, || {
        drop(black_box(survey(&workload, &fleet.profile, &fleet.objectives)));
    })?;
    row(&mut out, "simulating", REQUESTS, || {
        drop(black_box(fleet.simulate(&workload, None)));
    })?;
    row(&mut out, "simulating, with a timeline", REQUESTS, || {
        drop(black_box(fleet.simulate(&workload, Some(60.0))));
    })?;

    let many = Fleet::of(200);
    let workload = many.steady(REQUESTS);
    row(&mut out, "simulating 200 replicas, 1200 requests/s", REQUESTS, || {
        drop(black_box(many.simulate(&workload, None)));
    })?;

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("trace.csv");
    write_trace(&fleet.steady(LONG), &path)?;
    let before = most_memory();
    let trace = Trace::open(&path, &TraceOptions::default())?;
    row(&mut out, "a trace of 10 million from a CSV file", LONG, || {
        drop(black_box(fleet.simulate(&trace, Some(300.0))));
    })?;
    if let (Some(before), Some(after)) = (before, most_memory()) {
        let bytes = fs::metadata(&path)?.len() / 1_000_000;
        writeln!(
            out,
            "\nmost memory: {before} MB before the trace, {after} MB after it ({bytes} MB of CSV)"
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, name: &str, requests: f64, run: impl Fn()) -> io::Result<()> {
    let start = Instant::now();
    run();
    let seconds = start.elapsed().as_secs_f64();
    writeln!(out, "| {name} | {:.0} | {:.0} ns |", requests / seconds, seconds / requests * 1e9)
}

fn write_trace(workload: &dyn Workload, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "timestamp_s,input_tokens,output_tokens")?;
    for request in workload.requests()? {
        let request = request?;
        let (input, output) = (request.input_tokens, request.output_tokens);
        writeln!(file, "{:.6},{input},{output}", request.arrival.seconds())?;
    }
    file.flush()?;
    Ok(())
}

/// The most memory that this process ever had, in MB, where Linux tells.
fn most_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1_000)
}
