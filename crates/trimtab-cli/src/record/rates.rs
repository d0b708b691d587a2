//! The values of a recorded metric as a trace of rates.

use std::path::Path;

use trimtab_engine::{ObservationRecord, ReadingRecord};
use trimtab_metric::Timestamp;

use crate::error::CommandError;
use crate::input::Input;
use crate::replace_file::FileToBe;

/// The longest line, in bytes.
const LONGEST_LINE: u64 = 16 << 20;

/// Writes a metric's values as windows; where there is none, the window before goes on. How many they are.
pub(super) fn write(recording: &Path, metric: &str, path: &Path) -> Result<u64, CommandError> {
    let mut input = Input::open(recording)?;
    let mut file = FileToBe::create(path)?;
    file.write(b"window_start_s,rate_rps\n")?;
    let (mut line, mut windows, mut start) = (Vec::new(), 0, None);
    loop {
        let read = input.read_line(&mut line, LONGEST_LINE);
        read.map_err(|error| input.unreadable(error))?;
        if line.is_empty() {
            break;
        }
        let observation: ObservationRecord = serde_json::from_slice(&line)?;
        let reading = observation.readings.iter().find(|reading| reading.metric == metric);
        let Some(rate) = reading.and_then(total) else { continue };
        let start: Timestamp = *start.get_or_insert(observation.time);
        let seconds = observation.time.since(start).as_secs_f64();
        file.write(format!("{seconds},{rate}\n").as_bytes())?;
        windows += 1;
    }
    if windows < 2 {
        let message = format!("`{metric}` has {windows} values: a trace of rates has two or more");
        return Err(CommandError::in_file(&recording.display().to_string(), message)
            .with_help("name a metric of the policy that is a rate, and has a query"));
    }
    file.commit()?;
    Ok(windows)
}

/// All that a metric says, as one number; nothing below zero.
fn total(reading: &ReadingRecord) -> Option<f64> {
    let mut amounts: Vec<f64> = Vec::new();
    amounts.extend(reading.value.iter().map(|value| value.approx_f64()));
    amounts.extend(reading.values.iter().flatten().map(|value| value.approx_f64()));
    let pods = reading.pods.iter().flatten();
    amounts.extend(pods.map(|(_, sample)| sample.value.approx_f64()));
    let sum: f64 = amounts.iter().sum();
    (!amounts.is_empty() && sum >= 0.0).then_some(sum)
}
