//! `input_series`: which metric takes what, and what the replicas do.

use trimtab_engine::{Metric, MetricSource, Policy};
use trimtab_manifest::{Block, Field, Problem, ProblemKind, did_you_mean};
use trimtab_metric::Span;

use super::read::Reader;
use super::series_name::SeriesName;
use super::{CountSeries, FleetInput, MetricInput, Notation, Ready, Sample};
use crate::feed::{self, Form, Pair, PairError, pair, title};

/// What is fed into a test.
#[derive(Default)]
pub(super) struct Series {
    pub(super) pairs: Vec<Pair>,
    pub(super) inputs: Vec<MetricInput>,
    pub(super) fleet: FleetInput,
    /// As many as the longest series has values.
    pub(super) steps: u64,
}

/// The names that say what replicas do.
const FLEET: [&str; 10] = [
    "replicas",
    "ready_replicas",
    "unready_replicas",
    "replica_in_flight",
    "warm_ready",
    "warm_starting",
    "free_gpus",
    "allocatable_gpus",
    "coming_gpus",
    "coming_nodes",
];
/// Of a node pool, in the order of [`FleetInput::pools`].
const POOL: [&str; 4] = ["free_gpus", "allocatable_gpus", "coming_gpus", "coming_nodes"];

/// Series of one name, on the way.
struct Group<'n> {
    series: feed::Series,
    input: MetricInput,
    field: Field<'n>,
    labels: Vec<Vec<(String, String)>>,
}

pub(super) fn series(reader: &mut Reader<'_>, block: &mut Block<'_>, policy: &Policy) -> Series {
    let mut found = Series::default();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut maps: Vec<(String, String)> = Vec::new();
    let mut fleet = FleetReader { policy, seen: Vec::new() };
    let list = block.field("input_series");
    let items = list.as_ref().map(|list| list.items(&mut reader.problems)).unwrap_or_default();
    let before = reader.problems.len();
    for item in items {
        let Some(mut entry) = Block::new(item, &mut reader.problems) else { continue };
        let name = entry.required::<String>("series", &mut reader.problems);
        let metric = entry.get::<String>("metric", &mut reader.problems);
        let values = entry.field("values");
        if values.is_none() {
            reader.problems.push(entry.missing("values"));
        }
        entry.refuse_rest(&mut reader.problems);
        let (Some((text, field)), Some(values)) = (name, values) else { continue };
        let name = match SeriesName::parse(&text) {
            Ok(name) => name,
            Err(why) => {
                reader.unusable(&field, format!("`{text}` is no name of a series"), why);
                continue;
            }
        };
        if metric.is_none() && FLEET.contains(&name.series.name.as_str()) {
            fleet.take(reader, &mut found, &name, &field, &values);
            continue;
        }
        if let Some((metric, field)) = metric {
            let names: Vec<String> = policy.metrics().iter().map(title).collect();
            if !names.contains(&metric) {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let message = format!("the policy has no metric `{metric}`");
                reader.unusable(&field, message, &did_you_mean(&metric, &known));
                continue;
            }
            let per_replica = name.label("replica").is_some() || name.series.per_replica;
            let series = feed::Series { per_replica, ..name.series.clone() };
            maps.push((metric, series.column()));
        }
        let Some(samples) = samples(reader, &values) else { continue };
        add(reader, &mut groups, name, field, samples);
    }
    found.steps = groups.iter().map(|group| group.input.len()).max().unwrap_or(0).max(found.steps);
    if reader.problems.len() == before && (list.is_some() || block_decides(block)) {
        pairs(reader, block, policy, &groups, &maps, &mut found);
    }
    found.inputs = groups.into_iter().map(|group| group.input).collect();
    found
}

/// Whether a test without series decides anything: else its metrics need none.
fn block_decides(block: &mut Block<'_>) -> bool {
    ["expect", "always", "never", "eventually", "totals"]
        .into_iter()
        .any(|key| block.field(key).is_some())
}

/// Puts a series where those of its name are.
fn add<'n>(
    reader: &mut Reader<'_>,
    groups: &mut Vec<Group<'n>>,
    name: SeriesName,
    field: Field<'n>,
    samples: Vec<Sample>,
) {
    let replica = name.label("replica").map(str::to_owned);
    let others: Vec<(String, String)> =
        name.labels.iter().filter(|(label, _)| label != "replica").cloned().collect();
    if replica.is_some() && !others.is_empty() {
        let help = "a replica is told by `replica` alone";
        return reader.unusable(&field, "`replica` stands beside other labels", help);
    }
    let mut series = name.series;
    series.per_replica |= replica.is_some();
    let mut labels = name.labels;
    labels.sort();
    let group = match groups.iter().position(|group| group.series == series) {
        Some(index) => index,
        None => {
            let (input, labels) = (MetricInput::default(), Vec::new());
            groups.push(Group { series, input, field: field.clone(), labels });
            groups.len() - 1
        }
    };
    let Some(group) = groups.get_mut(group) else { return };
    if group.labels.contains(&labels) {
        let column = group.series.column();
        return reader.unusable(&field, format!("the series `{column}` is there twice"), "");
    }
    group.labels.push(labels);
    match replica {
        Some(number) => match number.parse::<u32>() {
            Ok(number) if number > 0 => group.input.of_replicas.push((number, samples)),
            _ => {
                let help = "replicas have the numbers 1, 2, 3, …";
                reader.unusable(&field, format!("there is no replica `{number}`"), help);
            }
        },
        None if others.is_empty() => group.input.plain = Some(samples),
        None => group.input.labelled.push(samples),
    }
}

/// Gives each metric its series.
fn pairs(
    reader: &mut Reader<'_>,
    block: &Block<'_>,
    policy: &Policy,
    groups: &[Group<'_>],
    maps: &[(String, String)],
    found: &mut Series,
) {
    let series: Vec<feed::Series> = groups.iter().map(|group| group.series.clone()).collect();
    let pairs = match pair(policy, &series, maps) {
        Ok(pairs) => pairs,
        Err(error) => return unpaired(reader, block, groups, &error),
    };
    for (pair, metric) in pairs.iter().zip(policy.metrics()) {
        let Some(group) = groups.get(pair.series) else { continue };
        let several = !group.input.labelled.is_empty();
        let of_replicas = !group.input.of_replicas.is_empty();
        if several && !takes_several(metric) {
            let message = format!("`{}` takes one series", pair.metric);
            let help = "several, told apart by labels, are for External metrics; a replica's own has \
                        the label `replica`";
            reader.unusable(&group.field, message, help);
        } else if of_replicas && matches!(pair.form, Form::Total | Form::Shared) {
            let message = format!("`{}` is no replica's own", pair.metric);
            reader.unusable(&group.field, message, "leave the label `replica` out");
        }
    }
    for (index, group) in groups.iter().enumerate() {
        if !pairs.iter().any(|pair| pair.series == index) {
            let names: Vec<String> = policy.metrics().iter().map(title).collect();
            let known: Vec<&str> = names.iter().map(String::as_str).chain(FLEET).collect();
            let message = format!("no metric takes the series `{}`", group.series.column());
            let help = format!(
                "{}; or say which by `metric: NAME`",
                did_you_mean(&group.series.name, &known)
            );
            reader.unusable(&group.field, message, &help);
        }
    }
    found.pairs = pairs;
}

fn takes_several(metric: &Metric) -> bool {
    matches!(metric.source(), MetricSource::External)
}

fn unpaired(reader: &mut Reader<'_>, block: &Block<'_>, groups: &[Group<'_>], error: &PairError) {
    match error {
        PairError::NoSeries { metric, .. } => {
            let message = format!("there is no series for the policy's metric `{metric}`");
            let problem = block.missing("input_series");
            let help = format!(
                "add `{{series: {metric}, values: …}}`; one that is missing throughout has the values `_x40`"
            );
            reader.problems.push(
                Problem::new(ProblemKind::Unusable, problem.span(), message)
                    .with_field(problem.field().unwrap_or_default())
                    .with_help(help),
            );
        }
        PairError::Unfit { series, .. } => {
            if let Some(group) = groups.get(*series) {
                reader.unusable(&group.field, error.to_string(), "");
            }
        }
        // Those that a series is given by hand were looked up before.
        PairError::NoMetric { .. } => {}
    }
}

/// The values of a series.
fn samples(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Vec<Sample>> {
    let Some(text) = field.text() else {
        let message = format!("expected the values of a series, found {}", field.describe());
        reader.unusable(field, message, "write them as `60x3 120 _x2`");
        return None;
    };
    let notation = match Notation::parse(text) {
        Ok(notation) => notation,
        Err(error) => {
            let whole = field.problem(ProblemKind::Unusable, &error.message);
            let problem = match field.span_within(reader.source, error.start, error.end) {
                Some(place) => Problem::new(ProblemKind::Unusable, place, &error.message)
                    .with_field(field.path()),
                None => whole,
            };
            reader.problems.push(match error.help {
                Some(help) => problem.with_help(help),
                None => problem,
            });
            return None;
        }
    };
    let most = reader.limits.max_steps;
    if notation.len() > most {
        let message = format!("the series has {} values, more than {most}", notation.len());
        reader.unusable(field, message, "");
        return None;
    }
    reader.values = reader.values.saturating_add(notation.len());
    if reader.values > reader.limits.max_work {
        let message = format!("the series have more than {} values", reader.limits.max_work);
        reader.unusable(field, message, "");
        return None;
    }
    Some(notation.samples().collect())
}

/// What the replicas do, on the way.
struct FleetReader<'p> {
    policy: &'p Policy,
    seen: Vec<SeriesName>,
}

impl FleetReader<'_> {
    fn take(
        &mut self,
        reader: &mut Reader<'_>,
        found: &mut Series,
        name: &SeriesName,
        field: &Field<'_>,
        values: &Field<'_>,
    ) {
        if self.seen.contains(name) {
            let message = format!("the series `{}` is there twice", name.series.name);
            return reader.unusable(field, message, "");
        }
        self.seen.push(name.clone());
        let key = name.series.name.as_str();
        let label = match key {
            "replica_in_flight" => Some("replica"),
            pool if POOL.contains(&pool) => Some("pool"),
            _ => None,
        };
        if name.series.per_replica || name.labels.iter().any(|(own, _)| Some(own.as_str()) != label)
        {
            let help = label.map_or(String::from("it has no labels"), |label| {
                format!("it has the label `{label}` alone")
            });
            return reader.unusable(field, format!("`{key}` has no such labels"), &help);
        }
        match key {
            "replicas" if is_follow(values) => {}
            "ready_replicas" if is_follow(values) => {
                if let Some(delay) = delay(reader, values) {
                    found.fleet.ready = Ready::After(delay);
                }
            }
            _ => self.counts(reader, found, name, field, values),
        }
    }

    fn counts(
        &mut self,
        reader: &mut Reader<'_>,
        found: &mut Series,
        name: &SeriesName,
        field: &Field<'_>,
        values: &Field<'_>,
    ) {
        let key = name.series.name.as_str();
        let may_miss = !matches!(key, "ready_replicas" | "unready_replicas");
        let Some(counts) = counts(reader, values, may_miss) else { return };
        found.steps = found.steps.max(counts.counts.len() as u64);
        let fleet = &mut found.fleet;
        match key {
            "replicas" => fleet.replicas = Some(counts),
            "ready_replicas" => fleet.ready = Ready::Counts(counts),
            "unready_replicas" => fleet.unready = counts,
            "warm_ready" => fleet.warm.get_or_insert_default().0 = counts,
            "warm_starting" => fleet.warm.get_or_insert_default().1 = counts,
            "replica_in_flight" => match name.label("replica").map(str::parse::<u32>) {
                None => fleet.in_flight = Some(counts),
                Some(Ok(number)) if number > 0 => fleet.own_in_flight.push((number, counts)),
                Some(_) => {
                    let help = "replicas have the numbers 1, 2, 3, …";
                    reader.unusable(field, "there is no such replica", help);
                }
            },
            _ => {
                let known: Vec<&str> = self.policy.supply().map_or(Vec::new(), |supply| {
                    supply.pools.iter().map(|pool| pool.name.as_str()).collect()
                });
                let Some(pool) = name.label("pool").filter(|pool| known.contains(pool)) else {
                    let message = match name.label("pool") {
                        Some(pool) => format!("the policy has no pool `{pool}`"),
                        None => format!("`{key}` is a pool's: write `{key}{{pool=\"NAME\"}}`"),
                    };
                    let help = match known.as_slice() {
                        [] => String::from("it has no `supply.pools`"),
                        known => did_you_mean(name.label("pool").unwrap_or_default(), known),
                    };
                    return reader.unusable(field, message, &help);
                };
                let index = match fleet.pools.iter().position(|(own, _)| own == pool) {
                    Some(index) => index,
                    None => {
                        fleet.pools.push((pool.to_owned(), [const { None }; 4]));
                        fleet.pools.len() - 1
                    }
                };
                let place = POOL.iter().position(|own| *own == key);
                let slot = fleet.pools.get_mut(index).zip(place);
                if let Some(slot) = slot.and_then(|((_, slots), place)| slots.get_mut(place)) {
                    *slot = Some(counts);
                }
            }
        }
    }
}

fn is_follow(values: &Field<'_>) -> bool {
    values.text().is_some_and(|text| text.split_whitespace().next() == Some("follow"))
}

/// `follow`, `follow after 2m`
fn delay(reader: &mut Reader<'_>, values: &Field<'_>) -> Option<Span> {
    const FORM: &str = "write `follow`, or `follow after 2m` where a start takes its time";
    let words: Vec<&str> = values.text().unwrap_or_default().split_whitespace().collect();
    match words.as_slice() {
        ["follow"] => Some(Span::ZERO),
        ["follow", "after", delay] => match delay.parse::<Span>() {
            Ok(delay) if delay >= Span::ZERO => Some(delay),
            Ok(_) => {
                reader.unusable(values, format!("`{delay}` is no time that a start takes"), FORM);
                None
            }
            Err(error) => {
                reader.unusable(values, error.to_string(), FORM);
                None
            }
        },
        _ => {
            reader.unusable(values, "replicas follow in no such way", FORM);
            None
        }
    }
}

/// Whole numbers from 0; `_` is unknown, where that can be.
fn counts(reader: &mut Reader<'_>, field: &Field<'_>, may_miss: bool) -> Option<CountSeries> {
    let samples = samples(reader, field)?;
    let mut counts = Vec::with_capacity(samples.len());
    for sample in samples {
        let most = f64::from(reader.limits.max_replicas);
        match sample {
            Sample::Missing if may_miss => counts.push(None),
            Sample::Value(value) if value >= 0.0 && value.fract() == 0.0 && value <= most => {
                counts.push(Some(value as u32));
            }
            Sample::Value(value) => {
                let message = format!("`{value}` is no count");
                reader.unusable(field, message, &format!("it is a whole number from 0 to {most}"));
                return None;
            }
            Sample::Missing | Sample::Stale => {
                let help = if may_miss { "a count that is unknown is `_`" } else { "" };
                reader.unusable(field, "counts are always known here, and never stale", help);
                return None;
            }
        }
    }
    Some(CountSeries { counts })
}
