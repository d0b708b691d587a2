//! What the policy is tried on: one observation after another, whatever they are made from.

use std::io::BufRead as _;

use trimtab_engine::{ObservationRecord, Policy};
use trimtab_metric::{Span, Timestamp};
use trimtab_test::{Given, Observer, PairError, Replica, Sample, Series, pair};

use super::moment::{Moment, Recorded};
use super::observations::Observations;
use super::requests::{Requests, Server};
use super::rows::{Rows, list};
use super::table::Table;
use super::trial::{Kind, Load, Trial};
use crate::error::CommandError;
use crate::input::Input;

/// Where observations come from.
pub(super) enum Feed {
    /// They are made from series.
    Series { recorded: Box<dyn Recorded>, observer: Observer, server: Option<Server> },
    /// They were recorded themselves.
    Observations(Observations),
}

/// An observation, and what was recorded beside it.
pub(super) struct Seen {
    pub(super) observation: ObservationRecord,
    /// The value of each metric's series, for series.
    pub(super) values: Vec<Option<f64>>,
    /// The count that was recorded.
    pub(super) recorded: Option<i32>,
    /// The policy's own count goes on from its decision; else the recorded one counts.
    pub(super) follows: bool,
}

impl Feed {
    pub(super) fn open(trial: Trial, policy: &Policy, sync: Span) -> Result<Self, CommandError> {
        let Trial { load: Load(load), sync: asked, maps, rate_scale, .. } = trial;
        let (recorded, server): (Box<dyn Recorded>, _) = match load {
            Kind::Requests(input, server) => {
                let requests =
                    Requests::open(Rows::open(input)?, server.clone(), sync, rate_scale)?;
                (Box::new(requests), Some(server))
            }
            Kind::Series(mut input) => {
                let start = input.reader.fill_buf();
                let is_json = start
                    .map_err(|error| CommandError::Read { file: input.name.clone(), error })?
                    .trim_ascii_start()
                    .starts_with(b"{");
                if is_json {
                    return observations(asked, &maps, rate_scale, input);
                }
                (Box::new(Table::open(Rows::open(input)?, sync, rate_scale)?), None)
            }
        };
        let pairs = pair(policy, recorded.series(), &maps)
            .map_err(|error| unpaired(&error, recorded.series(), recorded.name()))?;
        Ok(Self::Series { recorded, observer: Observer::new(policy, pairs), server })
    }

    /// The next observation, up to which there were `replicas` replicas; nothing at the end.
    pub(super) fn next(&mut self, replicas: i32) -> Result<Option<Seen>, CommandError> {
        match self {
            Self::Series { recorded, observer, .. } => {
                Ok(recorded.next(replicas)?.map(|moment| Seen {
                    observation: observe(observer, &moment, replicas),
                    values: observer
                        .pairs()
                        .map(|pair| moment.values.get(pair.series).copied().flatten())
                        .collect(),
                    recorded: moment.recorded,
                    follows: true,
                }))
            }
            Self::Observations(observations) => Ok(observations.next()?.map(|observation| {
                let recorded = observation.replicas;
                let replicas = recorded.or(Some(replicas));
                Seen {
                    observation: ObservationRecord { replicas, ..observation },
                    values: Vec::new(),
                    recorded,
                    follows: recorded.is_none(),
                }
            })),
        }
    }

    /// The recorded count at the start.
    pub(super) fn first_count(&self) -> Option<i32> {
        match self {
            Self::Series { recorded, .. } => recorded.first_count(),
            Self::Observations(_) => None,
        }
    }

    /// An error of the present observation.
    pub(super) fn wrong(&self, message: String) -> CommandError {
        match self {
            Self::Series { recorded, .. } => CommandError::in_file(recorded.name(), message),
            Self::Observations(observations) => observations.wrong(message),
        }
    }

    /// What the file is called.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Series { recorded, .. } => recorded.name(),
            Self::Observations(observations) => observations.name(),
        }
    }

    /// What was read, in a few words.
    pub(super) fn extent(&self) -> String {
        match self {
            Self::Series { recorded, .. } => recorded.extent(),
            Self::Observations(observations) => format!("{} observations", observations.read()),
        }
    }
}

/// As many replicas as were decided, all of them ready.
fn observe(observer: &Observer, moment: &Moment, replicas: i32) -> ObservationRecord {
    let fleet: Vec<Replica> =
        (1..=u32::try_from(replicas).unwrap_or(0)).map(Replica::ready).collect();
    observer.observe(moment.time, Some(replicas), &fleet, |pair| {
        let value = moment.values.get(pair.series).copied().flatten();
        Given::One(value.map_or(Sample::Missing, Sample::Value))
    })
}

/// Which metric has no series, and what to do about it.
fn unpaired(error: &PairError, series: &[Series], file: &str) -> CommandError {
    let columns: Vec<String> = series.iter().map(Series::column).collect();
    match error {
        PairError::NoMetric { known, .. } => {
            CommandError::argument(error.to_string()).with_help(format!("it has {}", list(known)))
        }
        PairError::NoSeries { metric, .. } => CommandError::in_file(file, error.to_string())
            .with_help(format!("choose one by `--map {metric}=SERIES`: {}", list(&columns))),
        PairError::Unfit { .. } => CommandError::in_file(file, error.to_string()),
    }
}

/// Observations have their own times and names; what would change those can't be meant.
fn observations(
    sync: Option<Span>,
    maps: &[(String, String)],
    rate_scale: f64,
    input: Input,
) -> Result<Feed, CommandError> {
    let refused = [
        ("--sync", sync.is_some()),
        ("--map", !maps.is_empty()),
        ("--rate-scale", rate_scale.total_cmp(&1.0).is_ne()),
    ];
    if let Some((argument, _)) = refused.iter().find(|(_, given)| *given) {
        let message = format!("`{argument}` can't be given with recorded observations");
        return Err(CommandError::argument(message)
            .with_help("each of them is decided with at its own time, as it is"));
    }
    Ok(Feed::Observations(Observations::open(input)))
}

/// How times are shown: by the calendar, or as what has passed since 0.
#[derive(Copy, Clone, Debug)]
pub(super) struct Clock {
    since_zero: bool,
}

impl Clock {
    /// Times that begin before 1980 are not the calendar's.
    pub(super) fn of(first: Timestamp) -> Self {
        Self { since_zero: first < Timestamp::from_secs(315_532_800) }
    }

    pub(super) fn show(self, time: Timestamp) -> String {
        if !self.since_zero {
            return time.to_string();
        }
        let seconds = time.as_millis().div_euclid(1000);
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let clock = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
        if days == 0 { clock } else { format!("{days}d {clock}") }
    }
}
