//! Recorded requests, made into the series that a server would have shown.

use serde::Serialize;
use trimtab_metric::{Span, Timestamp};
use trimtab_test::Series;

use super::moment::{Moment, Recorded};
use super::offered_load::{Arrival, Integrals, OfferedLoad};
use super::rows::{Rows, list};
use crate::args::ServerArgs;
use crate::error::CommandError;

/// More tokens than any request has.
const MOST_TOKENS: u64 = 1_000_000_000;

/// The series, in the order in which [`Requests::moment`] gives their values.
const SERIES: [&str; 7] = [
    "requests_per_second",
    "input_tokens_per_second",
    "output_tokens_per_second",
    "tokens_per_second",
    "requests_in_flight",
    "requests_waiting",
    "kv_cache_usage_ratio/replica",
];

/// How a replica serves requests. By default as was measured of Llama-3.1-70B on 4 A100s with vLLM: 182 ms
/// for 1,000 input tokens, 33.1 ms per output token with 32 requests in a batch, 396,000 tokens of KV
/// cache; at most 16 requests at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// What was measured, where the times are not the user's own.
    pub measured: Option<&'static str>,
    /// Seconds that an input token takes.
    pub seconds_per_input_token: f64,
    /// Seconds that an output token takes.
    pub seconds_per_output_token: f64,
    /// Requests that a replica serves at once.
    pub max_concurrency: u32,
    /// Tokens that a replica's KV cache holds.
    pub kv_tokens: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            measured: Some("Llama-3.1-70B on 4 A100 GPUs, decoding in batches of 32"),
            seconds_per_input_token: 0.000_182,
            seconds_per_output_token: 0.0331,
            max_concurrency: 16,
            kv_tokens: 396_000,
        }
    }
}

impl Server {
    /// What the arguments say, and the rest as it is by default.
    pub(super) fn new(args: &ServerArgs) -> Self {
        let usual = Self::default();
        let (input, output) = (args.seconds_per_input_token, args.seconds_per_output_token);
        Self {
            measured: usual.measured.filter(|_| input.is_none() && output.is_none()),
            seconds_per_input_token: input.unwrap_or(usual.seconds_per_input_token),
            seconds_per_output_token: output.unwrap_or(usual.seconds_per_output_token),
            max_concurrency: args.max_concurrency.unwrap_or(usual.max_concurrency),
            kv_tokens: args.kv_tokens.unwrap_or(usual.kv_tokens),
        }
    }
}

/// The requests of a file, averaged between two decisions.
pub(super) struct Requests {
    rows: Rows,
    columns: Columns,
    series: Vec<Series>,
    server: Server,
    scale: f64,
    sync: f64,
    load: OfferedLoad,
    /// The first request's time.
    start: f64,
    /// Intervals that are over.
    intervals: u64,
    /// The next request.
    following: Option<Request>,
    read: u64,
}

#[derive(Copy, Clone)]
struct Columns {
    input: usize,
    output: usize,
}

#[derive(Copy, Clone)]
struct Request {
    at: f64,
    input: u64,
    output: u64,
}

/// What came in between two decisions.
#[derive(Copy, Clone, Default)]
struct Arrived {
    requests: u64,
    input: u64,
    output: u64,
}

impl Requests {
    pub(super) fn open(
        rows: Rows,
        server: Server,
        sync: Span,
        scale: f64,
    ) -> Result<Self, CommandError> {
        let column = |name: &str| {
            rows.columns().iter().position(|column| column == name).ok_or_else(|| {
                let message =
                    format!("there is no column `{name}`; there is {}", list(rows.columns()));
                CommandError::at(rows.name(), 1, message).with_help(
                    "requests have the columns `timestamp_s`, `input_tokens` and `output_tokens`; \
                     series are read by `--series`",
                )
            })
        };
        let columns = Columns { input: column("input_tokens")?, output: column("output_tokens")? };
        let mut requests = Self {
            rows,
            columns,
            series: SERIES.iter().map(|column| Series::of_column(column)).collect(),
            server,
            scale,
            sync: sync.as_secs_f64(),
            load: OfferedLoad::default(),
            start: 0.0,
            intervals: 0,
            following: None,
            read: 0,
        };
        let Some(first) = requests.read_row()? else {
            return Err(CommandError::in_file(requests.rows.name(), "the file has no requests")
                .with_help("a row has a time and two token counts, such as `0.0,374,44`"));
        };
        requests.start = first.at;
        requests.load = OfferedLoad::at(first.at);
        requests.following = Some(first);
        Ok(requests)
    }

    fn read_row(&mut self) -> Result<Option<Request>, CommandError> {
        let Some(at) = self.rows.advance()? else {
            return Ok(None);
        };
        let tokens = |column: usize, name: &str| {
            let text = self.rows.cell(column);
            text.parse::<u64>().ok().filter(|count| *count <= MOST_TOKENS).ok_or_else(|| {
                let message = format!("column `{name}`: `{text}` is not a number of tokens");
                self.rows.wrong(message).with_help("whole numbers from 0 to a billion are")
            })
        };
        let input = tokens(self.columns.input, "input_tokens")?;
        let output = tokens(self.columns.output, "output_tokens")?;
        self.read += 1;
        Ok(Some(Request { at, input, output }))
    }

    fn arrival(&self, request: Request) -> Arrival {
        let Server { seconds_per_input_token, seconds_per_output_token, .. } = self.server;
        let Request { at, input, output } = request;
        Arrival {
            at,
            seconds: input as f64 * seconds_per_input_token
                + output as f64 * seconds_per_output_token,
            half_tokens: 2 * input + output,
        }
    }

    fn moment(&self, sums: Integrals, arrived: Arrived, replicas: i32) -> Vec<Option<f64>> {
        let each = |count: u64| count as f64 * self.scale / self.sync;
        let mean = |integral: f64| integral * self.scale / self.sync;
        let cache = f64::from(replicas) * self.server.kv_tokens as f64;
        let Arrived { requests, input, output } = arrived;
        vec![
            Some(each(requests)),
            Some(each(input)),
            Some(each(output)),
            Some(each(input + output)),
            Some(mean(sums.requests)),
            Some(mean(sums.excess)),
            Some(mean(sums.half_tokens) / 2.0 / cache).filter(|ratio| ratio.is_finite()),
        ]
    }
}

impl Recorded for Requests {
    fn name(&self) -> &str {
        self.rows.name()
    }

    fn series(&self) -> &[Series] {
        &self.series
    }

    fn next(&mut self, replicas: i32) -> Result<Option<Moment>, CommandError> {
        let end = self.start + (self.intervals + 1) as f64 * self.sync;
        // A request that counts `scale` times is waiting beyond a capacity that is as much smaller.
        let capacity = f64::from(replicas) * f64::from(self.server.max_concurrency) / self.scale;
        let (mut sums, mut arrived) = (Integrals::default(), Arrived::default());
        while let Some(request) = self.following.take_if(|request| request.at < end) {
            self.load.advance(request.at, capacity, &mut sums);
            self.load.arrive(self.arrival(request));
            arrived.requests += 1;
            arrived.input += request.input;
            arrived.output += request.output;
            self.following = self.read_row()?;
        }
        // An interval that the recording does not reach the end of would look emptier than it was.
        if self.following.is_none() {
            return Ok(None);
        }
        self.load.advance(end, capacity, &mut sums);
        self.intervals += 1;
        Ok(Some(Moment {
            time: Timestamp::from_secs_f64(end).unwrap_or(Timestamp::MAX),
            values: self.moment(sums, arrived, replicas),
            recorded: None,
        }))
    }

    fn extent(&self) -> String {
        format!("{} requests", self.read)
    }
}
