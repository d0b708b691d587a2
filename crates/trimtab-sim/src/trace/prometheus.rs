//! The answer of Prometheus to a range query, as a rate.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::WorkloadError;

use super::field::Place;
use super::rate_rows::Window;
use super::source::Source;

const HELP: &str = "the answer to `/api/v1/query_range` with requests per second, such as `sum(rate(http_requests_total[1m]))`";

/// The answer, as far as it is of interest.
#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Series {
    values: Vec<(f64, String)>,
}

/// The samples of a file, the series added up by timestamp. It is read as a whole.
pub(super) fn read(source: Source) -> Result<Vec<Window>, WorkloadError> {
    let place = Place { source: source.name(), line: None };
    let answer: Answer = serde_json::from_reader(source.into_reader()).map_err(|error| {
        let line = u64::try_from(error.line()).ok().filter(|line| *line > 0);
        Place { line, ..place.clone() }
            .error(format!("is not an answer of Prometheus: {error}"))
            .with_help(HELP)
    })?;
    let data = match answer {
        Answer { status, data: Some(data), .. } if status == "success" => data,
        Answer { status, error, .. } => {
            let why = error.unwrap_or_else(|| String::from("no `data`"));
            return Err(place
                .error(format!("the query has the status `{status}`: {why}"))
                .with_help(HELP));
        }
    };
    if data.result_type != "matrix" {
        return Err(place
            .error(format!("the result is a `{}`, not a `matrix`", data.result_type))
            .with_help(HELP));
    }
    let series: Vec<Series> = serde_json::from_value(data.result).map_err(|error| {
        place.error(format!("`result` is not a matrix: {error}")).with_help(HELP)
    })?;
    Ok(windows(&place, summed(&place, &series)?))
}

/// By the bits of the timestamp: what is not negative sorts as its bits do.
fn summed(place: &Place, all: &[Series]) -> Result<BTreeMap<u64, f64>, WorkloadError> {
    let mut sums = BTreeMap::new();
    for (series, number) in all.iter().zip(1..) {
        let mut last = f64::NEG_INFINITY;
        for (time, value) in &series.values {
            let rate = sample(place, last, *time, value).map_err(|error| WorkloadError {
                message: format!("series {number} at `{time}`: {}", error.message),
                ..error
            })?;
            last = *time;
            // Adding 0 makes -0 the 0 that it is equal to.
            *sums.entry((time + 0.0).to_bits()).or_insert(0.0) += rate;
        }
    }
    Ok(sums)
}

/// The value of a sample that comes after `last`.
fn sample(place: &Place, last: f64, time: f64, value: &str) -> Result<f64, WorkloadError> {
    place.amount("timestamp", time)?;
    if time <= last {
        let message = format!("the timestamp is not after `{last}`, the one before it");
        return Err(place.error(message));
    }
    place.amount("value", place.number("value", value.as_bytes())?)
}

fn windows(place: &Place, sums: BTreeMap<u64, f64>) -> Vec<Window> {
    let first = sums.keys().next().copied().map_or(0.0, f64::from_bits);
    sums.into_iter()
        .map(|(time, value)| Window {
            place: Place { source: Arc::clone(&place.source), line: None },
            start: f64::from_bits(time) - first,
            value,
            cv: None,
            mean_input_tokens: None,
            mean_output_tokens: None,
        })
        .collect()
}
