//! Columns of many workloads, row by row as what the engine reads.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use trimtab_engine::{
    MetricReading, MetricSource, Observation, PodReadings, PodRow, PodTable, Policy, Readiness,
    Requests, Scale, Unavailable,
};
use trimtab_metric::Timestamp;
use trimtab_test::{Form, PairError, Series, pair};

use crate::amount;
use crate::error::{Fault, Kind};

/// More replicas of one workload than are listed pod by pod.
const MOST_PODS: i64 = 1_000_000;

/// When the replicas started: before anything else.
const LONG_AGO: Timestamp = Timestamp::from_secs(-62_135_596_800);

/// One request of every replica, for metrics that are a share of it.
const REQUEST_MILLI: i64 = 1000;

/// The columns of a batch, as bytes that Python keeps.
pub(crate) struct Columns<'a> {
    pub(crate) times: Times<'a>,
    pub(crate) replicas: &'a [[u8; 8]],
    pub(crate) status: Option<&'a [[u8; 8]]>,
    pub(crate) metrics: Vec<Column<'a>>,
}

/// One time for all, or one each, in milliseconds.
#[derive(Copy, Clone)]
pub(crate) enum Times<'a> {
    One(Timestamp),
    Each(&'a [[u8; 8]]),
}

/// The values of one metric of the policy.
pub(crate) struct Column<'a> {
    form: Form,
    is_object: bool,
    values: &'a [[u8; 8]],
}

/// The numbers of a column, of which there has to be one a row.
pub(crate) fn numbers<'a>(
    bytes: &'a Bound<'_, PyBytes>,
    name: &str,
    rows: usize,
) -> PyResult<&'a [[u8; 8]]> {
    let (numbers, _) = bytes.as_bytes().as_chunks::<8>();
    if numbers.len() == rows {
        return Ok(numbers);
    }
    let message =
        format!("column `{name}` has {} rows, and there are {rows} workloads", numbers.len());
    Err(pyo3::exceptions::PyValueError::new_err(message))
}

/// How a metric takes a column, whether it is an Object metric, the column's name, and its bytes.
type Taken<'py> = (Form, bool, String, Bound<'py, PyBytes>);

/// The columns that the policy's metrics take, as bytes, in the policy's order.
pub(crate) fn taken<'py>(policy: &Policy, given: &Bound<'py, PyDict>) -> PyResult<Vec<Taken<'py>>> {
    let py = given.py();
    let names: Vec<String> = given.keys().extract()?;
    let series: Vec<Series> = names.iter().map(|name| Series::of_column(name)).collect();
    let pairs = pair(policy, &series, &[]).map_err(|error| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let help = match &error {
            PairError::NoSeries { .. } if names.is_empty() => {
                Some("give a column of its name".to_owned())
            }
            PairError::NoSeries { .. } => Some(format!("there is {}", quoted.join(", "))),
            _ => None,
        };
        let message = error.to_string().replace("series", "column");
        Fault { help, ..Fault::new(message) }.raise(py, Kind::Observation)
    })?;
    let convert = py.import("trimtab._frames")?.getattr("floats_of")?;
    let metrics = policy.metrics().iter().zip(pairs);
    metrics
        .map(|(metric, pair)| {
            let name = names.get(pair.series).cloned().unwrap_or_default();
            let column = given.get_item(&name)?;
            let bytes = convert.call1((column, &name))?.cast_into::<PyBytes>()?;
            Ok((pair.form, *metric.source() == MetricSource::Object, name, bytes))
        })
        .collect()
}

impl<'a> Column<'a> {
    pub(crate) fn new(form: Form, is_object: bool, values: &'a [[u8; 8]]) -> Self {
        Self { form, is_object, values }
    }

    /// Whether it is about single pods.
    fn is_per_pod(&self) -> bool {
        self.form != Form::Total
    }
}

impl Columns<'_> {
    /// Refuses what is no count or no time before anything is decided.
    pub(crate) fn check(&self) -> Result<(), String> {
        let per_pod = self.metrics.iter().any(Column::is_per_pod);
        for (name, column) in [("replicas", Some(self.replicas)), ("status_replicas", self.status)]
        {
            let most = if per_pod { MOST_PODS } else { i64::from(i32::MAX) };
            let mut counts =
                column.unwrap_or_default().iter().map(|bytes| i64::from_ne_bytes(*bytes));
            if let Some((row, count)) =
                counts.by_ref().enumerate().find(|(_, count)| !(0..=most).contains(count))
            {
                return Err(format!(
                    "`{name}` of row {row} is {count}: from 0 to {most} it may be"
                ));
            }
        }
        Ok(())
    }

    fn time(&self, row: usize) -> Timestamp {
        match self.times {
            Times::One(time) => time,
            Times::Each(column) => Timestamp::from_millis(whole(column, row)),
        }
    }

    fn scale(&self, row: usize) -> Scale {
        let count = |column: &[[u8; 8]]| i32::try_from(whole(column, row)).unwrap_or(i32::MAX);
        let spec_replicas = count(self.replicas);
        Scale { spec_replicas, status_replicas: self.status.map_or(spec_replicas, count) }
    }
}

fn whole(column: &[[u8; 8]], row: usize) -> i64 {
    column.get(row).map_or(0, |bytes| i64::from_ne_bytes(*bytes))
}

/// One observation, filled again for each row, so that nothing is allocated row by row.
pub(crate) struct Scratch {
    observation: Observation,
    per_pod: bool,
}

impl Scratch {
    pub(crate) fn new(columns: &Columns<'_>) -> Self {
        let mut observation = Observation::new(Timestamp::UNIX_EPOCH, Scale::steady(0));
        let missing = || MetricReading::Unavailable(Unavailable::Missing);
        observation.readings = columns.metrics.iter().map(|_| missing()).collect();
        Self { observation, per_pod: columns.metrics.iter().any(Column::is_per_pod) }
    }

    /// What is seen of one workload: all its replicas are ready since long ago.
    pub(crate) fn fill(&mut self, columns: &Columns<'_>, row: usize) -> &Observation {
        let scale = columns.scale(row);
        let observation = &mut self.observation;
        observation.now = columns.time(row);
        observation.scale = Some(scale);
        let pods = usize::try_from(scale.status_replicas).unwrap_or(0);
        if self.per_pod {
            stand(&mut observation.pods, pods);
        }
        for (column, reading) in columns.metrics.iter().zip(&mut observation.readings) {
            let value = column.values.get(row).map_or(f64::NAN, |bytes| f64::from_ne_bytes(*bytes));
            set(reading, column, value, pods);
        }
        observation
    }
}

/// So many ready pods.
fn stand(table: &mut PodTable, pods: usize) {
    if table.len() > pods {
        table.clear();
    }
    while table.len() < pods {
        table.push(PodRow {
            readiness: Readiness::True,
            start_time: Some(LONG_AGO),
            ready_since: LONG_AGO,
            ..PodRow::default()
        });
    }
}

fn set(reading: &mut MetricReading, column: &Column<'_>, value: f64, pods: usize) {
    // In a column, what is not there is NaN.
    let unavailable = || if value.is_nan() { Unavailable::Missing } else { Unavailable::Invalid };
    let scaled = if column.form == Form::Percent { value / 100.0 } else { value };
    let Some(milli) = amount::milli(scaled) else {
        *reading = MetricReading::Unavailable(unavailable());
        return;
    };
    match (column.form, reading) {
        (Form::Total, MetricReading::Totals(values)) => {
            values.clear();
            values.push(milli);
        }
        (Form::Total, reading) if column.is_object => *reading = MetricReading::Total(milli),
        (Form::Total, reading) => *reading = MetricReading::Totals(vec![milli]),
        (form, MetricReading::PerPod(readings)) => per_pod(readings, form, milli, pods),
        (form, reading) => {
            let mut readings = PodReadings::with_capacity(pods);
            per_pod(&mut readings, form, milli, pods);
            *reading = MetricReading::PerPod(readings);
        }
    }
}

/// What each pod reports: its share of the total, or the same as the others.
fn per_pod(readings: &mut PodReadings, form: Form, milli: i64, pods: usize) {
    readings.clear();
    let count = i64::try_from(pods).unwrap_or(i64::MAX).max(1);
    let (each, rest) = match form {
        Form::Shared => (milli.div_euclid(count), milli.rem_euclid(count)),
        _ => (milli, 0),
    };
    for pod in (0_i64..).take(pods) {
        readings.push_milli(if pod < rest { each.saturating_add(1) } else { each });
    }
    if form == Form::Percent {
        readings.set_requests(Requests::Milli(vec![REQUEST_MILLI; pods]));
    }
}
