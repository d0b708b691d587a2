//! Traces of rates: one row per window, into segments of a rate.

use std::io::Read;
use std::sync::Arc;

use crate::WorkloadError;

use super::arrivals::{MAX_RATE, Segment};
use super::field::{Clock, Place};
use super::format::Columns;
use super::source::{Source, csv_error};
use super::{TokenLengths, TraceOptions};

/// The columns that can be the rate, and whether they are per second or per window.
const RATE_COLUMNS: [(&str, Unit); 4] = [
    ("rate_rps", Unit::PerSecond),
    ("requests", Unit::PerWindow),
    ("mentions", Unit::PerWindow),
    ("generative_qps", Unit::PerSecond),
];

/// The most that is believed of a coefficient of variation in a trace.
const MAX_STATED_CV: f64 = 10.0;

/// What the numbers of a rate count.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    PerSecond,
    PerWindow,
}

/// A window as a trace has it. It lasts until the next one starts.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) place: Place,
    /// In seconds, by the clock of the trace.
    pub(super) start: f64,
    /// The rate, in the unit of the trace.
    pub(super) value: f64,
    /// The coefficient of variation of the gaps.
    pub(super) cv: Option<f64>,
    pub(super) mean_input_tokens: Option<f64>,
    pub(super) mean_output_tokens: Option<f64>,
}

/// The windows of a trace, checked and scaled, as segments. The last one is as long as the one
/// before it.
pub(super) struct Windows<I> {
    windows: I,
    unit: Unit,
    options: TraceOptions,
    source: Arc<str>,
    clock: Clock,
    /// The window whose end is not known yet, at its time since the start.
    open: Option<(f64, Window)>,
    last_length: Option<f64>,
    ended: bool,
}

impl<I: Iterator<Item = Result<Window, WorkloadError>>> Windows<I> {
    pub(super) fn new(windows: I, unit: Unit, options: TraceOptions, source: &Arc<str>) -> Self {
        Self {
            windows,
            unit,
            clock: Clock::new(options.time_scale),
            options,
            source: Arc::clone(source),
            open: None,
            last_length: None,
            ended: false,
        }
    }

    /// The window that was open, closed by the next one.
    fn close(&mut self, next: Window) -> Result<Option<Segment>, WorkloadError> {
        let start = self.clock.read(&next.place, next.start)?;
        let segment = match &self.open {
            None => None,
            Some((opened, _)) if start <= *opened => {
                return Err(next
                    .place
                    .error(format!("the window starts at `{}`, as the one before it", next.start))
                    .with_help("one row per window"));
            }
            Some((opened, window)) => {
                let seconds = start - opened;
                self.last_length = Some(seconds);
                Some(self.segment(*opened, seconds, window)?)
            }
        };
        self.open = Some((start, next));
        Ok(segment)
    }

    fn close_last(&mut self) -> Option<Result<Segment, WorkloadError>> {
        self.ended = true;
        let help = "at least two windows, so that their length can be told";
        match (self.open.take(), self.last_length) {
            (Some((opened, window)), Some(seconds)) => Some(self.segment(opened, seconds, &window)),
            (Some((_, window)), None) => {
                Some(Err(window.place.error("the trace has a single window").with_help(help)))
            }
            (None, _) => {
                let error = WorkloadError::new(Arc::clone(&self.source), "the trace has no rows");
                Some(Err(error.with_help(help)))
            }
        }
    }

    fn segment(&self, start: f64, seconds: f64, window: &Window) -> Result<Segment, WorkloadError> {
        let per_second = match self.unit {
            Unit::PerSecond => window.value / self.options.time_scale,
            Unit::PerWindow => window.value / seconds,
        };
        let rate = per_second * self.options.rate_scale;
        if !(0.0..=MAX_RATE).contains(&rate) {
            let message = format!("a rate of `{rate}` requests per second");
            return Err(window.place.error(message).with_help(format!("from 0 to {MAX_RATE}")));
        }
        let stated = || window.cv.map(|cv| cv.min(MAX_STATED_CV));
        Ok(Segment {
            start,
            seconds,
            from: rate,
            to: rate,
            cv: self.options.interarrival_cv.or_else(stated).unwrap_or(1.0),
            tokens: self.options.tokens.unwrap_or_else(|| lengths(window)),
        })
    }
}

impl<I: Iterator<Item = Result<Window, WorkloadError>>> Iterator for Windows<I> {
    type Item = Result<Segment, WorkloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        loop {
            let closed = match self.windows.next() {
                None => return self.close_last(),
                Some(window) => window.and_then(|window| self.close(window)),
            };
            match closed {
                Ok(None) => {}
                Ok(Some(segment)) => return Some(Ok(segment)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The default lengths, with the means of the window.
fn lengths(window: &Window) -> TokenLengths {
    let TokenLengths { input, output } = TokenLengths::default();
    TokenLengths {
        input: window.mean_input_tokens.map_or(input, |mean| input.with_mean(mean)),
        output: window.mean_output_tokens.map_or(output, |mean| output.with_mean(mean)),
    }
}

/// Windows as CSV.
pub(super) struct CsvWindows<R> {
    reader: csv::Reader<R>,
    record: csv::ByteRecord,
    source: Arc<str>,
    start: usize,
    rate: (&'static str, usize),
    cv: Option<(&'static str, usize)>,
    input: Option<(&'static str, usize)>,
    output: Option<(&'static str, usize)>,
}

/// The windows of a file, and what their numbers count.
pub(super) fn read_csv(
    source: Source,
) -> Result<(CsvWindows<impl Read + Send + use<>>, Unit), WorkloadError> {
    let mut head = csv::Reader::from_reader(source.head());
    let header = head.byte_headers().map_err(|error| csv_error(&source.name(), 1, error))?;
    let columns = Columns::new(header);
    let [start] = columns.all(&source, ["window_start_s"])?;
    let found = RATE_COLUMNS
        .into_iter()
        .find_map(|(name, unit)| columns.find(name).map(|column| ((name, column), unit)));
    let Some((rate, unit)) = found else {
        return Err(columns.missing(&source, &RATE_COLUMNS.map(|(name, _)| name), " or "));
    };
    let optional = |name: &'static str| columns.find(name).map(|column| (name, column));
    let cv = optional("iat_cv_rate_weighted");
    let input = optional("mean_input_tokens").or_else(|| optional("mean_text_tokens"));
    let output = optional("mean_output_tokens");
    let name = source.name();
    let reader = source.into_csv();
    let record = csv::ByteRecord::new();
    Ok((CsvWindows { reader, record, source: name, start, rate, cv, input, output }, unit))
}

impl<R: Read> CsvWindows<R> {
    fn parse(&self, place: Place) -> Result<Window, WorkloadError> {
        let field = |column: usize| self.record.get(column).unwrap_or_default();
        let (rate_name, rate) = self.rate;
        let value = place.amount(rate_name, place.number(rate_name, field(rate))?)?;
        let stated = |column: Option<(&str, usize)>| match column {
            Some((name, at)) if !field(at).trim_ascii().is_empty() => {
                place.amount(name, place.number(name, field(at))?).map(Some)
            }
            _ => Ok(None),
        };
        // A mean of 0 tokens is that of a window without requests.
        let mean = |column| stated(column).map(|mean| mean.filter(|mean| *mean > 0.0));
        Ok(Window {
            start: place.number("window_start_s", field(self.start))?,
            value,
            cv: stated(self.cv)?,
            mean_input_tokens: mean(self.input)?,
            mean_output_tokens: mean(self.output)?,
            place,
        })
    }
}

impl<R: Read> Iterator for CsvWindows<R> {
    type Item = Result<Window, WorkloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map(csv::Position::line);
                Some(self.parse(Place { source: Arc::clone(&self.source), line }))
            }
            Err(error) => Some(Err(csv_error(&self.source, self.reader.position().line(), error))),
        }
    }
}
