//! Which series each metric of the policy takes.

use std::fmt;

use trimtab_engine::{Metric, MetricSource, Policy, Target};

use super::Series;

/// What may stand between the parts of a metric's name.
const SEPARATORS: [char; 5] = ['_', ':', '.', '-', '/'];

/// What stands behind a resource's name where a series is a utilization.
const UTILIZATION: &str = "_utilization";

/// A metric and the series that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The metric's name, with its container before it if it has one.
    pub metric: String,
    /// The series, by its place.
    pub series: usize,
    /// How its values become readings.
    pub form: Form,
}

/// How the values of a series become a reading of a metric.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The total: Object and External metrics.
    Total,
    /// The total, shared equally by the replicas.
    Shared,
    /// What each replica reports.
    Each,
    /// What each replica reports, in percent of what it requests.
    Percent,
}

/// Why some metric can't take a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairError {
    /// A metric that the policy does not have was given a series.
    NoMetric {
        /// Its name.
        metric: String,
        /// Those that the policy has.
        known: Vec<String>,
    },
    /// A metric was given a series that does not exist, or no series is called as it is.
    NoSeries {
        /// The metric.
        metric: String,
        /// The series that it was given.
        wanted: Option<String>,
    },
    /// A metric can't take the series that is called as it is.
    Unfit {
        /// The metric.
        metric: String,
        /// The series, by its place.
        series: usize,
        /// Its name.
        column: String,
        /// Why.
        why: &'static str,
    },
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMetric { metric, .. } => {
                write!(f, "the policy has no metric `{metric}` to map")
            }
            Self::NoSeries { metric, wanted: Some(wanted) } => {
                write!(f, "there is no series `{wanted}` for `{metric}`")
            }
            Self::NoSeries { metric, wanted: None } => {
                write!(f, "there is no series for the policy's metric `{metric}`")
            }
            Self::Unfit { metric, column, why, .. } => {
                write!(f, "`{metric}` can't take `{column}`: {why}")
            }
        }
    }
}

impl std::error::Error for PairError {}

/// Finds the series of every metric; `maps` are those that were chosen by hand, as a metric and a series.
///
/// # Errors
///
/// The first metric that has none, or none that it can take.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
/// use trimtab_test::{Form, Series, pair};
///
/// let spec: PolicySpec = serde_json::from_str(
///     r#"{"maxReplicas": 10, "metrics": [{"type": "Resource", "resource": {"name": "cpu",
///         "target": {"type": "Utilization", "averageUtilization": 60}}}]}"#,
/// )?;
/// let series = [Series::of_column("cpu_utilization")];
/// let pairs = pair(&Policy::from_stored(spec), &series, &[])?;
/// assert_eq!(pairs[0].form, Form::Percent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pair(
    policy: &Policy,
    series: &[Series],
    maps: &[(String, String)],
) -> Result<Vec<Pair>, PairError> {
    let metrics = policy.metrics();
    let names: Vec<String> = metrics.iter().map(title).collect();
    for (metric, _) in maps {
        if !names.contains(metric) {
            return Err(PairError::NoMetric { metric: metric.clone(), known: names });
        }
    }
    let mut pairs = Vec::new();
    for (metric, name) in metrics.iter().zip(names) {
        let mapped = maps.iter().rfind(|(metric, _)| *metric == name);
        let found = match mapped {
            Some((_, wanted)) => named(series, wanted, metric),
            None => fitting(series, metric),
        };
        let Some((index, found)) = found.and_then(|index| Some((index, series.get(index)?))) else {
            let wanted = mapped.map(|(_, wanted)| wanted.clone());
            return Err(PairError::NoSeries { metric: name, wanted });
        };
        match form(metric, found) {
            Ok(form) => pairs.push(Pair { metric: name, series: index, form }),
            Err(why) => {
                let column = found.column();
                return Err(PairError::Unfit { metric: name, series: index, column, why });
            }
        }
    }
    Ok(pairs)
}

/// A metric's name; a container's resource with its container, as `container/resource`.
pub(crate) fn title(metric: &Metric) -> String {
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
    let own = |series: &Series| {
        let resource = series.name.strip_suffix(UTILIZATION).unwrap_or(&series.name);
        series.name == name || (is_utilization(metric) && resource == name)
    };
    preferred(series, metric, own).or_else(|| {
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

fn is_utilization(metric: &Metric) -> bool {
    matches!(metric.target(), Target::Utilization { .. })
}

fn form(metric: &Metric, series: &Series) -> Result<Form, &'static str> {
    // A utilization is nobody's total.
    let per_replica =
        series.per_replica || (is_utilization(metric) && series.name.ends_with(UTILIZATION));
    let total = matches!(metric.source(), MetricSource::Object | MetricSource::External);
    match (total, metric.target(), per_replica) {
        (true, _, false) => Ok(Form::Total),
        (true, _, true) => Err("it is what each replica reports, and the metric is one total; \
            name it without `/replica` if its values are the metric's"),
        (false, Target::Utilization { .. }, true) => Ok(Form::Percent),
        (false, Target::Utilization { .. }, false) => Err("a utilization is what each replica \
            reports, in percent of its request; name it with `/replica` or `_utilization` behind it"),
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
        let pairs = pair(policy, &series, &maps).map_err(|error| error.to_string())?;
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
        assert_eq!(taken(&cpu, &["cpu_utilization"], &[]).unwrap(), "cpu_utilization Percent");
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
