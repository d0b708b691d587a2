//! `input_series`: which metric takes what, and what the replicas do.

use trimtab_engine::{Metric, MetricSource, Policy};
use trimtab_manifest::{Block, Field, Problem, ProblemKind, did_you_mean};

use super::read::Reader;
use super::read_fleet::{FLEET, FleetReader};
use super::series_name::SeriesName;
use super::{FleetInput, MetricInput, Notation, Sample};
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
    let mut fleet = FleetReader::new(policy);
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
pub(super) fn samples(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Vec<Sample>> {
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
    if reader.values > reader.limits.max_values {
        let message = format!("the series have more than {} values", reader.limits.max_values);
        reader.unusable(field, message, "");
        return None;
    }
    Some(notation.samples().collect())
}
