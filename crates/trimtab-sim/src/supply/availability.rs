//! How many nodes of a spot pool can be had, when: recorded steps.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::Moment;
use crate::cluster::MOST_SECONDS;

/// How many nodes can be had over time: counts that hold from their times on.
///
/// A recording that is shorter than the simulation begins again when it is over, where it has a length;
/// else its last count stays.
///
/// ```
/// use trimtab_manifest::{Limits, Source, from_str};
/// use trimtab_sim::{ClusterSpec, Moment, ServiceProfile};
///
/// let source = Source::new("cluster.yaml", "\
/// pools:
/// - spot:
///     availability:
///       steps: [{atSeconds: 0, nodes: 4}, {atSeconds: 60, nodes: 1}]
///       repeatSeconds: 100
/// ");
/// let spec: ClusterSpec = from_str(&source, &Limits::default())?;
/// let cluster = spec.check(&ServiceProfile::named("llama-3.1-8b-a100").unwrap())?;
///
/// let recorded = &cluster.pools()[0].spot.as_ref().unwrap().availability;
/// assert_eq!(recorded.nodes_at(Moment::from_seconds(60.0)), 1);
/// assert_eq!(recorded.next_step(Moment::from_seconds(60.0)), Moment::from_seconds(100.0));
/// assert_eq!(recorded.nodes_at(Moment::from_seconds(100.0)), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Availability {
    /// Never empty; the first is at 0, times rise, counts differ from one to the next.
    steps: Arc<[Step]>,
    /// After how many nanoseconds it begins again; beyond the last step.
    period: Option<i64>,
    /// The time of the recording at which the simulation starts, in nanoseconds.
    offset: i64,
}

#[derive(Copy, Clone, Debug, PartialEq)]
struct Step {
    nanos: i64,
    nodes: u32,
}

/// What is wrong with a file: at which field of the document, what, and what would be right.
pub(crate) struct Fault {
    pub(crate) field: &'static str,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Availability {
    /// The nodes that can be had at `now`.
    pub fn nodes_at(&self, now: Moment) -> u32 {
        let (_, inside) = self.place_in_recording(now);
        let after = self.steps.partition_point(|step| step.nanos <= inside);
        self.steps.get(after.saturating_sub(1)).map_or(0, |step| step.nodes)
    }

    /// When the count may change next after `now`; [`Moment::NEVER`] if it stays.
    pub fn next_step(&self, now: Moment) -> Moment {
        let (begin, inside) = self.place_in_recording(now);
        let after = self.steps.partition_point(|step| step.nanos <= inside);
        let next = match (self.steps.get(after), self.period) {
            (Some(step), _) => step.nanos,
            // Nothing ever changes.
            (None, Some(period)) if self.steps.len() > 1 => period,
            (None, _) => return Moment::NEVER,
        };
        Moment::from_nanos(begin.saturating_add(next))
    }

    /// When, in the simulation, the pass through the recording that `now` falls in began, and how far
    /// into it that is.
    fn place_in_recording(&self, now: Moment) -> (i64, i64) {
        let since = now.nanos().saturating_add(self.offset);
        let inside = self.period.map_or(since, |period| since.rem_euclid(period));
        (now.nanos().saturating_sub(inside), inside)
    }

    /// From counts by their seconds. The first is at 0 and they rise; `repeat_seconds` is beyond them.
    pub(crate) fn from_steps(
        steps: impl IntoIterator<Item = (f64, u32)>,
        repeat_seconds: Option<f64>,
    ) -> Self {
        let mut kept: Vec<Step> = Vec::new();
        for (seconds, nodes) in steps {
            if kept.last().is_none_or(|last| last.nodes != nodes) {
                kept.push(Step { nanos: Moment::from_seconds(seconds).nanos(), nodes });
            }
        }
        let whole = Self { steps: kept.into(), period: None, offset: 0 };
        match repeat_seconds {
            Some(seconds) => whole.repeating_after(seconds),
            None => whole,
        }
    }

    /// The same, beginning again after so many seconds, which are beyond its last change.
    pub(crate) fn repeating_after(self, seconds: f64) -> Self {
        Self { period: Some(Moment::from_seconds(seconds).nanos().max(1)), ..self }
    }

    /// The same, from so many seconds into the recording on.
    pub(crate) fn starting_at(self, seconds: f64) -> Self {
        Self { offset: Moment::from_seconds(seconds).nanos(), ..self }
    }

    /// The time of its last change in seconds.
    pub(crate) fn last_change_seconds(&self) -> f64 {
        Moment::from_nanos(self.steps.last().map_or(0, |step| step.nanos)).seconds()
    }

    /// From a column of a CSV file, gzipped if its name ends in `.gz`. The last row lasts as long as
    /// the one before it, and then the recording begins again.
    pub(crate) fn from_file(
        path: &Path,
        column: Option<&str>,
        nodes_per_unit: u32,
    ) -> Result<Self, Fault> {
        let file = File::open(path).map_err(|error| Fault {
            field: "file",
            message: format!("is `{}`, which can't be opened: {error}", path.display()),
            help: String::from("relative paths start at the folder of the document"),
        })?;
        let zipped = path.extension().is_some_and(|extension| extension == "gz");
        let source: Box<dyn Read> =
            if zipped { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
        Self::from_csv(source, &path.display().to_string(), column, nodes_per_unit)
    }

    fn from_csv(
        source: impl Read,
        name: &str,
        column: Option<&str>,
        nodes_per_unit: u32,
    ) -> Result<Self, Fault> {
        let mut reader = csv::Reader::from_reader(source);
        let header = reader.headers().map_err(|error| unreadable(name, &error))?.clone();
        let index = find_column(&header, column, name)?;
        let mut rows: Vec<(f64, u32)> = Vec::new();
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|error| unreadable(name, &error))? {
            let last = rows.last().map(|&(seconds, _)| seconds);
            rows.push(row(&record, index, last, nodes_per_unit).map_err(|(message, help)| {
                let line = record.position().map_or(0, csv::Position::line);
                Fault { field: "file", message: format!("`{name}:{line}` {message}"), help }
            })?);
        }
        let length = match rows.as_slice() {
            [] => {
                let message = format!("is `{name}`, which has no rows");
                return Err(Fault { field: "file", message, help: "record a time".into() });
            }
            [_] => None,
            [.., (before, _), (last, _)] => Some(last + (last - before)),
        };
        Ok(Self::from_steps(rows, length))
    }
}

fn find_column(
    header: &csv::StringRecord,
    column: Option<&str>,
    name: &str,
) -> Result<usize, Fault> {
    let columns: Vec<String> = header.iter().skip(1).map(|column| format!("`{column}`")).collect();
    let help = format!("`{name}` has the columns {}", columns.join(", "));
    let Some(column) = column else {
        return Err(Fault { field: "column", message: String::from("is missing"), help });
    };
    let found = header.iter().skip(1).position(|known| known == column);
    let message = format!("is `{column}`, which is no column of the file");
    found.map(|index| index + 1).ok_or(Fault { field: "column", message, help })
}

/// A row as seconds and nodes, or what is wrong with it and what would be right.
fn row(
    record: &csv::StringRecord,
    index: usize,
    last: Option<f64>,
    nodes_per_unit: u32,
) -> Result<(f64, u32), (String, String)> {
    let time = record.get(0).unwrap_or_default();
    let expected = match last {
        None => String::from("the first row has to be at 0 seconds"),
        Some(last) => format!("times are seconds, and this one has to be after {last}"),
    };
    let seconds = time.trim().parse().ok().filter(|&seconds: &f64| match last {
        None => seconds == 0.0,
        Some(last) => seconds > last && seconds <= MOST_SECONDS,
    });
    let seconds = seconds.ok_or_else(|| (format!("is at `{time}`"), expected))?;
    let units = record.get(index).unwrap_or_default();
    let nodes = units.trim().parse().ok().and_then(|units: u32| units.checked_mul(nodes_per_unit));
    let nodes = nodes.ok_or_else(|| {
        (format!("has `{units}` nodes"), String::from("nodes are a whole number, at least 0"))
    })?;
    Ok((seconds, nodes))
}

fn unreadable(name: &str, error: &csv::Error) -> Fault {
    let line = error.position().map(|position| format!(":{}", position.line())).unwrap_or_default();
    Fault {
        field: "file",
        message: format!("`{name}{line}` can't be read: {error}"),
        help: String::from("it has to be CSV, all rows of one length, gzipped if it ends in `.gz`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, column: Option<&str>, nodes_per_unit: u32) -> Result<Availability, String> {
        Availability::from_csv(text.as_bytes(), "spot.csv", column, nodes_per_unit)
            .map_err(|fault| format!("{} {}: {}", fault.field, fault.message, fault.help))
    }

    fn nodes(availability: &Availability, seconds: f64) -> u32 {
        availability.nodes_at(Moment::from_seconds(seconds))
    }

    #[test]
    fn a_file_repeats_after_its_last_row_has_lasted() {
        let read = read("t_s,a,b\n0,1,2\n10,1,0\n20,0,3\n", Some("b"), 2).unwrap();
        let seen = [0.0, 9.999, 10.0, 20.0, 29.999, 30.0, 40.0, 50.0].map(|at| nodes(&read, at));
        assert_eq!(seen, [4, 4, 0, 6, 6, 4, 0, 6]);
        let after = |at| read.next_step(Moment::from_seconds(at)).seconds();
        assert_eq!([0.0, 10.0, 15.0, 20.0, 30.0].map(after), [10.0, 20.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn a_single_row_stays() {
        let read = read("t_s,a\n0,3\n", Some("a"), 1).unwrap();
        assert_eq!(nodes(&read, 1e6), 3);
        assert_eq!(read.next_step(Moment::START), Moment::NEVER);
    }

    #[test]
    fn steps_that_change_nothing_are_no_steps() {
        let read = read("t_s,a\n0,3\n10,3\n20,3\n", Some("a"), 1).unwrap();
        assert_eq!(read.next_step(Moment::START), Moment::NEVER);
    }

    #[test]
    fn a_simulation_can_start_within_the_recording() {
        let steps = Availability::from_steps([(0.0, 1), (10.0, 2)], None).starting_at(4.0);
        assert_eq!(nodes(&steps, 5.999), 1);
        assert_eq!(steps.next_step(Moment::START).seconds(), 6.0);
        assert_eq!(steps.next_step(Moment::from_seconds(6.0)), Moment::NEVER);
        let again = steps.repeating_after(20.0);
        assert_eq!(again.next_step(Moment::from_seconds(6.0)).seconds(), 16.0);
        assert_eq!([6.0, 15.999, 16.0, 26.0].map(|at| nodes(&again, at)), [2, 2, 1, 2]);
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        for (text, column, expected) in [
            ("t_s,a,b\n", None, "column is missing: `spot.csv` has the columns `a`, `b`"),
            (
                "t_s,a,b\n",
                Some("t_s"),
                "column is `t_s`, which is no column of the file: `spot.csv` has the columns `a`, `b`",
            ),
            ("t_s,a\n", Some("a"), "file is `spot.csv`, which has no rows: record a time"),
            (
                "t_s,a\n5,1\n",
                Some("a"),
                "file `spot.csv:2` is at `5`: the first row has to be at 0 seconds",
            ),
            (
                "t_s,a\n0,1\nsoon,1\n",
                Some("a"),
                "file `spot.csv:3` is at `soon`: times are seconds, and this one has to be after 0",
            ),
            (
                "t_s,a\n0,1\n1,1\n1,1\n",
                Some("a"),
                "file `spot.csv:4` is at `1`: times are seconds, and this one has to be after 1",
            ),
            (
                "t_s,a\n0,1.5\n",
                Some("a"),
                "file `spot.csv:2` has `1.5` nodes: nodes are a whole number, at least 0",
            ),
        ] {
            assert_eq!(read(text, column, 1).unwrap_err(), expected);
        }
        let short = read("t_s,a\n0,1\n1\n", Some("a"), 1).unwrap_err();
        assert!(short.starts_with("file `spot.csv:3` can't be read: "), "{short}");
        let many = read("t_s,a\n0,4000000000\n", Some("a"), 2).unwrap_err();
        assert!(many.contains("has `4000000000` nodes"), "{many}");
    }
}
