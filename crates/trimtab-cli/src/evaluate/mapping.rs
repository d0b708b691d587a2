//! Which series each metric of the policy takes.

use trimtab_engine::{Metric, MetricSource, Policy, Target};

use super::moment::Series;
use super::rows::list;
use crate::error::CommandError;

/// What may stand between the parts of a metric's name.
const SEPARATORS: [char; 5] = ['_', ':', '.', '-', '/'];

/// A metric and the series that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The metric's name, with its container before it if it has one.
    pub(super) metric: String,
    /// The series, by its place.
    pub(super) series: usize,
    /// How its values become readings.
    pub(super) form: Form,
}

/// How the values of a series become a reading of a metric.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The total: Object and External metrics.
    Total,
    /// The total, shared equally by the replicas.
    Shared,
    /// What each replica reports.
    Each,
    /// What each replica reports, in percent of what it requests.
    Percent,
}

/// Finds the series of every metric.
pub(super) fn pair(
    policy: &Policy,
    series: &[Series],
    maps: &[(String, String)],
    file: &str,
) -> Result<Vec<Pair>, CommandError> {
    let metrics = policy.metrics();
    let names: Vec<String> = metrics.iter().map(title).collect();
    for (metric, _) in maps {
        if !names.contains(metric) {
            let message = format!("the policy has no metric `{metric}` to map");
            return Err(
                CommandError::argument(message).with_help(format!("it has {}", list(&names)))
            );
        }
    }
    let columns: Vec<String> = series.iter().map(Series::column).collect();
    let mut pairs = Vec::new();
    for (metric, name) in metrics.iter().zip(names) {
        let mapped = maps.iter().rfind(|(metric, _)| *metric == name);
        let found = match mapped {
            Some((_, wanted)) => named(series, wanted, metric),
            None => fitting(series, metric),
        };
        let Some(index) = found else {
            let message = match mapped {
                Some((_, wanted)) => format!("there is no series `{wanted}` for `{name}`"),
                None => format!("there is no series for the policy's metric `{name}`"),
            };
            return Err(CommandError::in_file(file, message)
                .with_help(format!("choose one by `--map {name}=SERIES`: {}", list(&columns))));
        };
        let per_replica = series.get(index).is_some_and(|series| series.per_replica);
        let form = form(metric, per_replica).map_err(|message| {
            let column = columns.get(index).map_or("", String::as_str);
            CommandError::in_file(file, format!("`{name}` can't take `{column}`: {message}"))
        })?;
        pairs.push(Pair { metric: name, series: index, form });
    }
    Ok(pairs)
}

/// A metric's name; a container's resource with its container, as `container/resource`.
fn title(metric: &Metric) -> String {
    match metric.container() {
        Some(container) => format!("{container}/{}", metric.name()),
        None => metric.name().to_owned(),
    }
}

/// The series that is called `wanted`, with or without `/replica`.
fn named(series: &[Series], wanted: &str, metric: &Metric) -> Option<usize> {
    series
        .iter()
        .position(|series| series.column() == wanted)
        .filter(|_| wanted.ends_with("/replica"))
        .or_else(|| preferred(series, metric, |series| series.name == wanted))
}

/// The series of the metric's own name, or else the longest that its name ends with.
fn fitting(series: &[Series], metric: &Metric) -> Option<usize> {
    let name = metric.name();
    preferred(series, metric, |series| series.name == name).or_else(|| {
        let ends = |series: &Series| {
            let before = name.strip_suffix(series.name.as_str());
            before.is_some_and(|before| before.ends_with(SEPARATORS)) && !series.name.is_empty()
        };
        let longest = series.iter().filter(|series| ends(series)).map(|s| s.name.len()).max()?;
        preferred(series, metric, |series| ends(series) && series.name.len() == longest)
    })
}

/// Of a total and what each replica reports: the one that the metric is about.
fn preferred(
    series: &[Series],
    metric: &Metric,
    matches: impl Fn(&Series) -> bool,
) -> Option<usize> {
    let wants_total = matches!(metric.source(), MetricSource::Object | MetricSource::External);
    let exact = |series: &Series| matches(series) && series.per_replica != wants_total;
    series.iter().position(exact).or_else(|| series.iter().position(&matches))
}

fn form(metric: &Metric, per_replica: bool) -> Result<Form, &'static str> {
    let total = matches!(metric.source(), MetricSource::Object | MetricSource::External);
    match (total, metric.target(), per_replica) {
        (true, _, false) => Ok(Form::Total),
        (true, _, true) => Err("it is what each replica reports, and the metric is one total; \
            name the column without `/replica` if its values are the metric's"),
        (false, Target::Utilization { .. }, true) => Ok(Form::Percent),
        (false, Target::Utilization { .. }, false) => Err("a utilization is what each replica \
            reports, in percent of its request; name the column with `/replica` behind it"),
        (false, _, true) => Ok(Form::Each),
        (false, _, false) => Ok(Form::Shared),
    }
}

#[cfg(test)]
mod tests {
    use trimtab_engine::{Policy, PolicySpec};

    use super::*;

    fn policy(metrics: &str) -> Policy {
        let text = format!(
            r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
                "maxReplicas": 10, "metrics": [{metrics}]}}"#
        );
        Policy::new(serde_json::from_str::<PolicySpec>(&text).unwrap()).unwrap()
    }

    fn pods(name: &str) -> Policy {
        policy(&format!(
            r#"{{"type": "Pods", "pods": {{"metric": {{"name": "{name}"}},
                "target": {{"type": "AverageValue", "averageValue": "4"}}}}}}"#
        ))
    }

    fn taken(policy: &Policy, columns: &[&str], maps: &[(&str, &str)]) -> Result<String, String> {
        let series: Vec<Series> = columns.iter().map(|name| Series::of_column(name)).collect();
        let maps: Vec<_> = maps.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let pairs = pair(policy, &series, &maps, "x.csv").map_err(|error| error.to_string())?;
        Ok(format!("{} {:?}", columns[pairs[0].series], pairs[0].form))
    }

    #[test]
    fn a_metric_takes_the_longest_name_that_its_own_ends_with() {
        let columns = ["tokens_per_second", "input_tokens_per_second", "second"];
        let takes = |name: &str| taken(&pods(name), &columns, &[]);
        assert_eq!(takes("tokens_per_second").unwrap(), "tokens_per_second Shared");
        assert_eq!(
            takes("vllm:input_tokens_per_second").unwrap(),
            "input_tokens_per_second Shared"
        );
        assert_eq!(takes("x_tokens_per_second").unwrap(), "tokens_per_second Shared");
        assert!(takes("milliseconds").unwrap_err().contains("no series for"));
    }

    #[test]
    fn of_total_and_replica_the_metric_takes_its_own_kind() {
        let columns = ["q", "q/replica"];
        assert_eq!(taken(&pods("q"), &columns, &[]).unwrap(), "q/replica Each");
        let external = policy(
            r#"{"type": "External", "external": {"metric": {"name": "q"},
                "target": {"type": "AverageValue", "averageValue": "4"}}}"#,
        );
        assert_eq!(taken(&external, &columns, &[]).unwrap(), "q Total");
        assert!(taken(&external, &["q/replica"], &[]).unwrap_err().contains("one total"));
    }

    #[test]
    fn utilization_is_a_percentage_of_each() {
        let cpu = policy(
            r#"{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 80}}}"#,
        );
        assert_eq!(taken(&cpu, &["cpu/replica"], &[]).unwrap(), "cpu/replica Percent");
        assert!(taken(&cpu, &["cpu"], &[]).unwrap_err().contains("`/replica`"));
    }

    #[test]
    fn maps_come_first_and_have_to_exist() {
        let columns = ["q", "other"];
        assert_eq!(taken(&pods("q"), &columns, &[("q", "other")]).unwrap(), "other Shared");
        assert!(taken(&pods("q"), &columns, &[("q", "none")]).unwrap_err().contains("`none`"));
        assert!(taken(&pods("q"), &columns, &[("p", "q")]).unwrap_err().contains("no metric `p`"));
    }
}
