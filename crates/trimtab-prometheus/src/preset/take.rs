//! How a value is made of what a server publishes.

use trimtab_metric::Span;

use super::PresetArgs;
use crate::query::Aggregate;

/// How a value is made of what a server publishes. Of several names the first that there is counts.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) enum Take {
    /// A gauge; the series of a pod, or all of them, as one.
    Gauge { names: &'static [&'static str], labels: &'static str, series: Aggregate },
    /// How fast a counter grows per second.
    Rate { names: &'static [&'static str] },
    /// A quantile, in thousandths, of a histogram, by its name without `_bucket`.
    Quantile { names: &'static [&'static str], permille: u16 },
    /// The mean of a histogram.
    Mean { names: &'static [&'static str] },
}

impl Take {
    /// It as a query.
    pub(crate) fn query(self, per_pod: bool, args: &PresetArgs) -> String {
        let by = if per_pod { format!(" by ({}) ", args.pod_label) } else { String::new() };
        let window = prometheus_text(args.window);
        let rate = |name: &str, suffix: &str| {
            format!("rate({}[{window}])", selector(&format!("{name}{suffix}"), "", args))
        };
        match self {
            Self::Gauge { names, labels, series } => {
                let any = either(names, |name| selector(name, labels, args));
                format!("{}{by}({any})", aggregation(series))
            }
            Self::Rate { names } => format!("sum{by}({})", either(names, |name| rate(name, ""))),
            Self::Quantile { names, permille } => {
                let share = f64::from(permille) / 1000.0;
                let by = if per_pod { format!("{}, le", args.pod_label) } else { "le".into() };
                let any = either(names, |name| rate(name, "_bucket"));
                format!("histogram_quantile({share}, sum by ({by}) ({any}))")
            }
            Self::Mean { names } => either(names, |name| {
                let (sum, count) = (rate(name, "_sum"), rate(name, "_count"));
                format!("sum{by}({sum}) / sum{by}({count})")
            }),
        }
    }
}

fn either(names: &[&str], each: impl Fn(&str) -> String) -> String {
    let all: Vec<String> = names.iter().map(|name| each(name)).collect();
    all.join(" or ")
}

fn selector(name: &str, labels: &str, args: &PresetArgs) -> String {
    match (labels, args.matchers.as_str()) {
        ("", "") => String::from(name),
        (one, "") | ("", one) => format!("{name}{{{one}}}"),
        (labels, matchers) => format!("{name}{{{labels},{matchers}}}"),
    }
}

fn aggregation(how: Aggregate) -> &'static str {
    match how {
        Aggregate::Sum => "sum",
        Aggregate::Max => "max",
        Aggregate::Min => "min",
        Aggregate::Mean => "avg",
    }
}

/// A span as PromQL reads it, which has no fractions.
fn prometheus_text(span: Span) -> String {
    let millis = span.as_millis();
    match (millis % 60_000, millis % 1_000) {
        (0, _) => format!("{}m", millis / 60_000),
        (_, 0) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}
