//! Columns of many workloads, row by row as what the engine reads.

use std::iter::repeat;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab_engine::{
    MetricReading, MetricSource, Observation, PodReadings, PodRow, PodTable, Policy, Readiness,
    Requests, Scale, Unavailable,
};
use trimtab_metric::{Reading, Timestamp};
use trimtab_test::{Form, PairError, Series, pair};

use crate::amount;
use crate::column::{self, Eights, Piece, Values};
use crate::error::{Fault, Kind};

/// More replicas of one workload than are listed pod by pod.
const MOST_PODS: i64 = 1_000_000;

/// When the replicas started: before anything else.
const LONG_AGO: Timestamp = Timestamp::from_secs(-62_135_596_800);

/// One request of every replica, for metrics that are a share of it.
const REQUEST_MILLI: i64 = 1000;

/// The columns of a batch.
pub(crate) struct Columns {
    pub(crate) times: Times,
    pub(crate) replicas: Eights<i64>,
    pub(crate) status: Option<Eights<i64>>,
    pub(crate) metrics: Vec<Column>,
}

/// One time for all, or one each, in milliseconds.
pub(crate) enum Times {
    One(Timestamp),
    Each(Vec<i64>),
}

/// The values of one metric of the policy.
pub(crate) struct Column {
    form: Form,
    is_object: bool,
    values: Values,
}

/// There has to be one value a row.
pub(crate) fn one_a_row(count: usize, name: &str, rows: usize) -> PyResult<()> {
    if count == rows {
        return Ok(());
    }
    let message = format!("column `{name}` has {count} rows, and there are {rows} workloads");
    Err(PyValueError::new_err(message))
}

/// The columns that the policy's metrics take, in the policy's order.
pub(crate) fn taken(
    policy: &Policy,
    given: &Bound<'_, PyDict>,
    rows: usize,
) -> PyResult<Vec<Column>> {
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
    let convert = py.import("trimtab._columns")?.getattr("pieces_of")?;
    let metrics = policy.metrics().iter().zip(pairs);
    metrics
        .map(|(metric, pair)| {
            let name = names.get(pair.series).cloned().unwrap_or_default();
            let pieces: Vec<Piece<'_>> =
                convert.call1((given.get_item(&name)?, &name))?.extract()?;
            let values = column::values(&pieces, &name)?;
            one_a_row(values.len(), &name, rows)?;
            let is_object = *metric.source() == MetricSource::Object;
            if is_object && matches!(values, Values::Lists(_)) {
                return Err(PyTypeError::new_err(format!(
                    "column `{name}` has lists, and an Object metric has one value"
                )));
            }
            Ok(Column { form: pair.form, is_object, values })
        })
        .collect()
}

impl Column {
    /// Whether it is about single pods.
    fn is_per_pod(&self) -> bool {
        self.form != Form::Total
    }

    /// How many pods a row is about at least.
    fn pods(&self, row: usize) -> usize {
        match &self.values {
            Values::Lists(lists) if self.is_per_pod() => lists.get(row).map_or(0, <[f64]>::len),
            _ => 0,
        }
    }
}

impl Columns {
    /// Refuses what is no count or no time before anything is decided.
    pub(crate) fn check(&self) -> Result<(), String> {
        let per_pod = self.metrics.iter().any(Column::is_per_pod);
        for (name, column) in
            [("replicas", Some(&self.replicas)), ("status_replicas", self.status.as_ref())]
        {
            let most = if per_pod { MOST_PODS } else { i64::from(i32::MAX) };
            let mut counts = column.into_iter().flat_map(Eights::iter).enumerate();
            if let Some((row, count)) = counts.find(|(_, count)| !(0..=most).contains(count)) {
                return Err(format!(
                    "`{name}` of row {row} is {count}: from 0 to {most} it may be"
                ));
            }
        }
        Ok(())
    }

    fn time(&self, row: usize) -> Timestamp {
        match &self.times {
            Times::One(time) => *time,
            Times::Each(column) => {
                Timestamp::from_millis(column.get(row).copied().unwrap_or_default())
            }
        }
    }

    fn scale(&self, row: usize) -> Scale {
        let count = |column: &Eights<i64>| {
            i32::try_from(column.get(row).unwrap_or_default()).unwrap_or(i32::MAX)
        };
        let spec_replicas = count(&self.replicas);
        Scale { spec_replicas, status_replicas: self.status.as_ref().map_or(spec_replicas, count) }
    }
}

/// One observation, filled again for each row, so that nothing is allocated row by row.
pub(crate) struct Scratch {
    observation: Observation,
    per_pod: bool,
}

impl Scratch {
    pub(crate) fn new(columns: &Columns) -> Self {
        let mut observation = Observation::new(Timestamp::UNIX_EPOCH, Scale::steady(0));
        let missing = || MetricReading::Unavailable(Unavailable::Missing);
        observation.readings = columns.metrics.iter().map(|_| missing()).collect();
        Self { observation, per_pod: columns.metrics.iter().any(Column::is_per_pod) }
    }

    /// What is seen of one workload: all its replicas are ready since long ago.
    pub(crate) fn fill(&mut self, columns: &Columns, row: usize) -> &Observation {
        let scale = columns.scale(row);
        let observation = &mut self.observation;
        observation.now = columns.time(row);
        observation.scale = Some(scale);
        let mut pods = usize::try_from(scale.status_replicas).unwrap_or(0);
        if self.per_pod {
            pods = columns.metrics.iter().map(|column| column.pods(row)).fold(pods, usize::max);
            stand(&mut observation.pods, pods);
        }
        for (column, reading) in columns.metrics.iter().zip(&mut observation.readings) {
            match &column.values {
                Values::Numbers(numbers) => {
                    set(reading, column, numbers.get(row).unwrap_or(f64::NAN), pods);
                }
                Values::Lists(lists) => set_list(reading, column, lists.get(row), pods),
            }
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

fn set(reading: &mut MetricReading, column: &Column, value: f64, pods: usize) {
    let milli = match amount(column.form, value) {
        Ok(milli) => milli,
        Err(why) => return *reading = MetricReading::Unavailable(why),
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

/// An amount in thousandths. In a column, what is not there is NaN.
fn amount(form: Form, value: f64) -> Result<i64, Unavailable> {
    let scaled = if form == Form::Percent { value / 100.0 } else { value };
    let why = if value.is_nan() { Unavailable::Missing } else { Unavailable::Invalid };
    amount::milli(scaled).ok_or(why)
}

/// A list is what the pods report one by one, or the values of an External metric's series.
fn set_list(reading: &mut MetricReading, column: &Column, list: Option<&[f64]>, pods: usize) {
    let Some(list) = list else {
        return *reading = MetricReading::Unavailable(Unavailable::Missing);
    };
    let amounts = list.iter().map(|value| amount(column.form, *value));
    // What is known counts; an amount that nobody can count with spoils its series.
    let is_known = |value: &&f64| amount::quantity(**value).is_some();
    let Some(_) = list.iter().find(is_known) else {
        let why = amounts.filter_map(Result::err).next().unwrap_or(Unavailable::Missing);
        let why = if column.form == Form::Total { why } else { Unavailable::Missing };
        return *reading = MetricReading::Unavailable(why);
    };
    if column.form == Form::Total {
        let values = list.iter().filter(is_known).map(|value| amount::milli(*value));
        return *reading = values
            .collect::<Option<_>>()
            .map_or(MetricReading::Unavailable(Unavailable::Invalid), MetricReading::Totals);
    }
    let mut readings = match std::mem::replace(reading, MetricReading::Total(0)) {
        MetricReading::PerPod(readings) => readings,
        _ => PodReadings::with_capacity(pods),
    };
    readings.clear();
    // A pod that has no value has not reported.
    for amount in amounts.map(Some).chain(repeat(None)).take(pods) {
        match amount {
            Some(Ok(milli)) => readings.push_milli(milli),
            _ => readings.push(Reading::Missing),
        }
    }
    if column.form == Form::Percent {
        readings.set_requests(Requests::Milli(vec![REQUEST_MILLI; pods]));
    }
    *reading = MetricReading::PerPod(readings);
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
