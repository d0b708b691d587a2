//! Requests from a file: a trace of requests, or of a rate.

mod arrivals;
mod copies;
mod date_time;
mod field;
mod format;
mod options;
mod prometheus;
mod rate_rows;
mod request_rows;
mod source;
mod spread;
mod token_lengths;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Moment, Request, Requests, Workload, WorkloadError};

pub(crate) use arrivals::{Arrivals, Segment};
pub use format::TraceFormat;
pub use options::TraceOptions;
pub(crate) use options::{CV_RANGE, RATE_SCALE_RANGE, in_range};
pub use token_lengths::{TokenLength, TokenLengths};

use copies::Copies;
use rate_rows::{Unit, Window, Windows};
use request_rows::{CsvLayout, ReadRow, Row, Rows};
use source::Source;
use spread::Spread;

/// A workload from a file, which may be compressed by gzip. The formats are those of
/// [`TraceFormat`]; a file begins in a way that tells which one it has.
///
/// A trace of requests is replayed as it is. From a rate, requests are made: the rate of a window
/// holds until the next window starts, and arrivals are a renewal process on its integral, with
/// gaps that are gamma distributed ([`TraceOptions::interarrival_cv`]) and lognormal lengths
/// ([`TraceOptions::tokens`]).
///
/// The file is opened anew for each pass and read in a stream, except that the answer of Prometheus
/// is read as a whole.
///
/// ```
/// use trimtab_sim::{Trace, TraceFormat, TraceOptions, Workload};
///
/// # let path = std::env::temp_dir().join(format!("trimtab-trace-{}.csv", std::process::id()));
/// std::fs::write(&path, "timestamp_s,input_tokens,output_tokens\n0.5,300,20\n2,150,80\n")?;
/// let trace = Trace::open(&path, &TraceOptions::default())?;
/// assert_eq!(trace.format(), TraceFormat::Requests);
///
/// let requests = trace.requests()?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(requests.len(), 2);
/// assert_eq!(requests[0].arrival.seconds(), 0.5);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trace {
    name: String,
    origin: Origin,
    /// The path or name, as errors have it.
    source: Arc<str>,
    format: TraceFormat,
    options: TraceOptions,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

impl Trace {
    /// Opens a trace, and reads it up to its first request.
    ///
    /// # Errors
    ///
    /// When the file can't be read, has no known format, lacks columns, has no rows, or is wrong up
    /// to its first request; and when an option is out of its range.
    pub fn open(path: impl AsRef<Path>, options: &TraceOptions) -> Result<Self, WorkloadError> {
        let path = path.as_ref();
        let source = path.display().to_string().into();
        Self::of(Origin::File(path.to_owned()), name_of(path), source, options)
    }

    /// A trace that is in memory, as a file has it, under a name. It is read up to its first request.
    ///
    /// ```
    /// use trimtab_sim::{Trace, TraceOptions, Workload};
    ///
    /// let text = "timestamp_s,input_tokens,output_tokens\n0.5,300,20\n2,150,80\n";
    /// let trace = Trace::from_bytes("afternoon", text.as_bytes(), &TraceOptions::default())?;
    /// assert_eq!((trace.name(), trace.requests()?.count()), ("afternoon", 2));
    /// # Ok::<(), trimtab_sim::WorkloadError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Trace::open`], where the name stands for the path.
    pub fn from_bytes(
        name: &str,
        bytes: impl Into<Arc<[u8]>>,
        options: &TraceOptions,
    ) -> Result<Self, WorkloadError> {
        Self::of(Origin::Memory(bytes.into()), name.to_owned(), name.into(), options)
    }

    fn of(
        origin: Origin,
        name: String,
        source: Arc<str>,
        options: &TraceOptions,
    ) -> Result<Self, WorkloadError> {
        options.check(&source)?;
        let format = TraceFormat::detect(&source, origin.open(&source)?.head())?;
        let trace = Self { name, origin, source, format, options: options.clone() };
        match trace.requests()?.next() {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Ok(trace),
        }
    }

    /// All bytes that it is read from, as they are, compressed or not.
    ///
    /// ```
    /// # use trimtab_sim::{Trace, TraceOptions};
    /// let text = "timestamp_s,input_tokens,output_tokens\n0.5,300,20\n";
    /// let trace = Trace::from_bytes("afternoon", text.as_bytes(), &TraceOptions::default())?;
    /// assert_eq!(trace.bytes()?, text.as_bytes());
    /// # Ok::<(), trimtab_sim::WorkloadError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the file can't be read any more.
    pub fn bytes(&self) -> Result<Vec<u8>, WorkloadError> {
        match &self.origin {
            Origin::File(path) => {
                std::fs::read(path).map_err(|error| source::read_error(&self.source, None, &error))
            }
            Origin::Memory(bytes) => Ok(bytes.to_vec()),
        }
    }

    /// The format that the file had when it was opened.
    pub fn format(&self) -> TraceFormat {
        self.format
    }

    /// How many requests [`TraceOptions::skip_zero_tokens`] leaves out: one pass over the file. 0 if
    /// it is not set, and for rates.
    ///
    /// # Errors
    ///
    /// When the trace is wrong anywhere.
    pub fn skipped_requests(&self) -> Result<u64, WorkloadError> {
        match self.format {
            TraceFormat::Requests => count_skipped(self.csv_rows(CsvLayout::REQUESTS)?),
            TraceFormat::Azure => count_skipped(self.csv_rows(CsvLayout::AZURE)?),
            TraceFormat::BurstGpt => count_skipped(self.csv_rows(CsvLayout::BURST_GPT)?),
            TraceFormat::Mooncake => count_skipped(self.json_rows()?),
            TraceFormat::Rates | TraceFormat::Prometheus => Ok(0),
        }
    }

    fn source(&self) -> Result<Source, WorkloadError> {
        self.origin.open(&self.source)
    }

    fn csv_rows(&self, layout: CsvLayout) -> Result<Rows<impl ReadRow + use<>>, WorkloadError> {
        Ok(self.checked(layout.read(self.source()?)?))
    }

    fn json_rows(&self) -> Result<Rows<impl ReadRow + use<>>, WorkloadError> {
        Ok(self.checked(request_rows::read_json_lines(self.source()?)))
    }

    fn checked<R: ReadRow>(&self, reader: R) -> Rows<R> {
        Rows::new(reader, &self.source, &self.options)
    }

    /// Rows as requests: spread, and as many of them as asked for.
    fn replay<I>(&self, rows: I) -> Requests
    where
        I: Iterator<Item = Result<Row, WorkloadError>> + Send + 'static,
    {
        if self.options.spread.unwrap_or(self.format == TraceFormat::Mooncake) {
            self.copied(Spread::new(rows))
        } else {
            self.copied(rows)
        }
    }

    fn copied<I>(&self, rows: I) -> Requests
    where
        I: Iterator<Item = Result<Row, WorkloadError>> + Send + 'static,
    {
        let TraceOptions { rate_scale, seed, .. } = self.options;
        let requests = rows.map(|row| {
            row.map(|row| Request {
                arrival: Moment::from_seconds(row.seconds),
                input_tokens: row.input_tokens,
                output_tokens: row.output_tokens,
            })
        });
        if rate_scale == 1.0 {
            until_error(requests)
        } else {
            until_error(Copies::new(requests, rate_scale, seed))
        }
    }

    /// Windows as requests.
    fn generate<I>(&self, windows: I, unit: Unit) -> Requests
    where
        I: Iterator<Item = Result<Window, WorkloadError>> + Send + 'static,
    {
        let segments = Windows::new(windows, unit, self.options.clone(), &self.source);
        until_error(Arrivals::new(segments, self.options.seed))
    }
}

impl Workload for Trace {
    fn name(&self) -> &str {
        &self.name
    }

    fn requests(&self) -> Result<Requests, WorkloadError> {
        Ok(match self.format {
            TraceFormat::Requests => self.replay(self.csv_rows(CsvLayout::REQUESTS)?),
            TraceFormat::Azure => self.replay(self.csv_rows(CsvLayout::AZURE)?),
            TraceFormat::BurstGpt => self.replay(self.csv_rows(CsvLayout::BURST_GPT)?),
            TraceFormat::Mooncake => self.replay(self.json_rows()?),
            TraceFormat::Rates => {
                let (windows, unit) = rate_rows::read_csv(self.source()?)?;
                self.generate(windows, unit)
            }
            TraceFormat::Prometheus => {
                let windows = prometheus::read(self.source()?)?;
                self.generate(windows.into_iter().map(Ok), Unit::PerSecond)
            }
        })
    }
}

impl Origin {
    /// The bytes from the first on.
    fn open(&self, name: &Arc<str>) -> Result<Source, WorkloadError> {
        match self {
            Self::File(path) => Source::open(path, name),
            Self::Memory(bytes) => Source::new(Cursor::new(Arc::clone(bytes)), name),
        }
    }
}

/// The name of the file, without `.gz` and the extension of the format.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let endings = [".csv", ".jsonl", ".json"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name).to_owned()
}

/// Up to the first error, and nothing behind it.
fn until_error<I>(requests: I) -> Requests
where
    I: Iterator<Item = Result<Request, WorkloadError>> + Send + 'static,
{
    let mut failed = false;
    Box::new(requests.take_while(move |request| {
        let go_on = !failed;
        failed = request.is_err();
        go_on
    }))
}

fn count_skipped<R: ReadRow>(mut rows: Rows<R>) -> Result<u64, WorkloadError> {
    for row in &mut rows {
        row?;
    }
    Ok(rows.skipped())
}
