//! The series of `input_series` that say what replicas, warm pool and nodes do.

use trimtab_engine::Policy;
use trimtab_manifest::{Field, did_you_mean};
use trimtab_metric::Span;

use super::read::Reader;
use super::read_series::{Series, samples};
use super::series_name::SeriesName;
use super::{CountSeries, Ready, Sample};

/// The names that say what replicas do.
pub(super) const FLEET: [&str; 10] = [
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

/// What the replicas do, on the way.
pub(super) struct FleetReader<'p> {
    policy: &'p Policy,
    seen: Vec<SeriesName>,
}

impl<'p> FleetReader<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        Self { policy, seen: Vec::new() }
    }

    /// Takes a series of one of these names.
    pub(super) fn take(
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
