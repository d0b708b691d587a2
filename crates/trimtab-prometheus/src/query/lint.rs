//! What is most likely a mistake in a query, though a server would answer it.

use std::fmt;

use trimtab_engine::{Metric, MetricSource, Policy};
use trimtab_metric::Span;

use super::reading::is_per_pod;
use super::{MetricQuery, POD_LABEL};
use crate::promql::{Call, Matcher, Outline, Selector};

/// Something that is most likely a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The metric whose query it is, by its name in the policy.
    pub metric: String,
    /// What kind of mistake it is.
    pub rule: Rule,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// The kinds of mistakes that are looked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A metric of the policy has no query.
    NoQuery,
    /// A rate over a window that may hold fewer than two samples, and has no value then.
    ShortWindow,
    /// A counter as it stands, which grows for ever.
    RawCounter,
    /// Several series of a metric that is held against its target as one value are added up.
    AddedUp,
    /// An aggregation drops the label that names the pod.
    PodLabelLost,
    /// A quantile of buckets whose bounds were dropped.
    BoundsLost,
    /// A bound of a bucket without a fraction, such as `le="1"`, which Prometheus 3 writes as `1.0`.
    WholeBound,
    /// `or vector(0)`: what is unknown reads as zero.
    UnknownIsZero,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.metric, self.message)
    }
}

/// Functions that look at how a counter grew within a window.
const RATES: [&str; 4] = ["rate", "irate", "increase", "resets"];

/// What is most likely a mistake in the queries for a policy's metrics.
pub(crate) fn lint(policy: &Policy, queries: &[MetricQuery], interval: Span) -> Vec<Finding> {
    let mut findings = Vec::new();
    for metric in policy.metrics() {
        let mut add = |rule, message| {
            findings.push(Finding { metric: metric.name().to_owned(), rule, message });
        };
        match query_of(metric, queries) {
            Some(query) => look(metric, query, interval, &mut add),
            None if metric.resource().is_some() => {}
            None => {
                let message = "nothing is asked for it here, so that it is missing unless another source has it";
                add(Rule::NoQuery, String::from(message));
            }
        }
    }
    findings
}

/// The query of a metric.
pub(crate) fn query_of<'q>(metric: &Metric, queries: &'q [MetricQuery]) -> Option<&'q MetricQuery> {
    queries.iter().find(|query| {
        query.metric == metric.name()
            && (query.container.is_none() || query.container.as_deref() == metric.container())
    })
}

fn look(metric: &Metric, query: &MetricQuery, interval: Span, add: &mut impl FnMut(Rule, String)) {
    let outline = Outline::of(&query.query);
    for selector in &outline.selectors {
        short_window(&outline, selector, interval, add);
        raw_counter(&outline, selector, add);
        bounds_lost(&outline, selector, add);
        whole_bound(selector, add);
    }
    if or_zero(&query.query) {
        let message = "`or vector(0)` makes a metric that is unknown one that is 0, and a scale-down may follow: leave it out, \
             and say under `onUnknown` what a missing one means";
        add(Rule::UnknownIsZero, String::from(message));
    }
    let label = query.per_replica.as_ref().map_or(POD_LABEL, |per| per.label.as_str());
    if is_per_pod(metric) {
        pod_label_lost(&outline, label, add);
    } else if query.aggregate.is_none() && *metric.source() == MetricSource::External {
        added_up(metric, &outline, add);
    }
}

fn short_window(
    outline: &Outline<'_>,
    selector: &Selector<'_>,
    interval: Span,
    add: &mut impl FnMut(Rule, String),
) {
    let least = interval.saturating_add(interval);
    let function = outline.around(selector).next().filter(|call| call.is(&RATES));
    if let (Some(function), Some(window)) = (function, selector.range)
        && window < least
    {
        let (name, text) = (function.name, selector.text);
        let message = format!(
            "`{name}({text}[{window}])` needs two samples, and with a scrape every {interval} there may be one: \
             take {} or more",
            least.saturating_add(least)
        );
        add(Rule::ShortWindow, message);
    }
}

fn raw_counter(outline: &Outline<'_>, selector: &Selector<'_>, add: &mut impl FnMut(Rule, String)) {
    // By convention what ends so is a counter.
    let is_counter = selector.name.ends_with("_total") || selector.name.ends_with("_bucket");
    let known = ["timestamp", "absent", "count", "group", "deriv", "delta", "changes"];
    let is_read = outline.around(selector).any(|call| call.is(&RATES) || call.is(&known));
    if is_counter && !is_read && selector.range.is_none() {
        let name = selector.name;
        let message =
            format!("`{name}` is a counter, which only grows: take `rate({name}[2m])` of it");
        add(Rule::RawCounter, message);
    }
}

fn bounds_lost(outline: &Outline<'_>, selector: &Selector<'_>, add: &mut impl FnMut(Rule, String)) {
    let around: Vec<&Call<'_>> = outline.around(selector).collect();
    let Some(quantile) = around.iter().position(|call| call.is(&["histogram_quantile"])) else {
        return;
    };
    // Native histograms have no label for bounds.
    if !selector.name.ends_with("_bucket") {
        return;
    }
    let inside = around.iter().take(quantile);
    if inside.into_iter().any(|call| call.is_aggregation() && loses(call, "le")) {
        let message = "`histogram_quantile` needs the label `le`, and the aggregation drops it: `sum by (le) (…)`";
        add(Rule::BoundsLost, String::from(message));
    }
}

fn whole_bound(selector: &Selector<'_>, add: &mut impl FnMut(Rule, String)) {
    let is_whole =
        |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let mut matchers = selector.matchers.iter();
    let bound = matchers.find(|matcher| {
        let of_bound = ["le", "quantile"].contains(&matcher.label);
        of_bound && matcher.operator == "=" && is_whole(matcher.value)
    });
    if let Some(Matcher { label, value, .. }) = bound {
        let message = format!(
            "`{label}=\"{value}\"` matches nothing from Prometheus 3 on, which writes `{value}.0`: \
             `{label}=~\"{value}([.]0)?\"` matches both"
        );
        add(Rule::WholeBound, message);
    }
}

fn pod_label_lost(outline: &Outline<'_>, label: &str, add: &mut impl FnMut(Rule, String)) {
    let lost =
        |call: &&Call<'_>| call.is_aggregation() && !keeps_series(call) && loses(call, label);
    let of_selector = |selector: &Selector<'_>| outline.around(selector).any(|call| lost(&call));
    // One operand of a quotient may well be a total.
    if !outline.selectors.is_empty() && outline.selectors.iter().all(of_selector) {
        let name = outline.calls.iter().find(lost).map_or("sum", |call| call.name);
        let message = format!(
            "it has a value per pod, and `{name}` drops the label `{label}` that names it: `{name} by ({label}) (…)`"
        );
        add(Rule::PodLabelLost, message);
    }
}

fn added_up(metric: &Metric, outline: &Outline<'_>, add: &mut impl FnMut(Rule, String)) {
    let aggregated = |selector: &Selector<'_>| {
        outline.around(selector).any(|call| call.is_aggregation() && !keeps_series(call))
    };
    if outline.selectors.is_empty() || outline.selectors.iter().any(aggregated) {
        return;
    }
    let is_one_value = matches!(metric.target(), trimtab_engine::Target::Value { .. });
    let message = if is_one_value {
        "if it has several series they are added up, which a latency or a ratio can't be: aggregate them in the query, \
         or by `aggregate`"
    } else {
        "if it has several series they are added up: say so by `sum(…)`, lest it counts what it should not"
    };
    add(Rule::AddedUp, String::from(message));
}

fn or_zero(query: &str) -> bool {
    let plain: String = query.chars().filter(|char| !char.is_whitespace()).collect();
    plain.to_ascii_lowercase().contains("orvector(0)")
}

/// Whether an aggregation picks series and leaves them as they are.
fn keeps_series(call: &Call<'_>) -> bool {
    call.is(&["topk", "bottomk", "limitk", "limit_ratio"])
}

/// Whether a label is gone after an aggregation.
fn loses(call: &Call<'_>, label: &str) -> bool {
    match &call.grouping {
        None => true,
        Some(grouping) => grouping.without == grouping.labels.contains(&label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(metric: &str) -> Policy {
        let metric: serde_json::Value = serde_json::from_str(metric).unwrap();
        let spec = serde_json::json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "maxReplicas": 3,
            "metrics": [metric],
        });
        Policy::new(serde_json::from_value(spec).unwrap()).unwrap()
    }

    fn pods() -> Policy {
        policy(
            r#"{"type": "Pods", "pods": {"metric": {"name": "m"},
                "target": {"type": "AverageValue", "averageValue": "1"}}}"#,
        )
    }

    fn external(target: &str) -> Policy {
        let text =
            r#"{"type": "External", "external": {"metric": {"name": "m"}, "target": TARGET}}"#;
        policy(&text.replace("TARGET", target))
    }

    fn rules(policy: &Policy, query: &str) -> Vec<Rule> {
        let query =
            MetricQuery { metric: "m".into(), query: query.into(), ..MetricQuery::default() };
        let findings = lint(policy, &[query], Span::from_secs(15));
        findings.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn queries_of_pods() {
        for (query, expected) in [
            ("a", &[][..]),
            ("sum by (pod) (a)", &[]),
            ("sum(a) by (pod, zone)", &[]),
            ("sum without (instance) (a)", &[]),
            ("sum by (pod) (a) / on() group_left sum(b)", &[]),
            ("sum(a)", &[Rule::PodLabelLost]),
            ("sum without (pod) (a)", &[Rule::PodLabelLost]),
            ("topk(3, a)", &[]),
            ("sum by (pod) (rate(a_total[1m]))", &[]),
            ("sum by (pod) (rate(a_total[15s]))", &[Rule::ShortWindow]),
            ("sum by (pod) (rate(a_total[$__rate_interval]))", &[]),
            ("sum by (pod) (a_total)", &[Rule::RawCounter]),
            ("sum by (pod) (a) or vector(0)", &[Rule::UnknownIsZero]),
            ("sum by (pod) (rate(a_bucket{le=\"1\"}[1m]))", &[Rule::WholeBound]),
            ("sum by (pod) (rate(a_bucket{le=~\"1([.]0)?\"}[1m]))", &[]),
            ("sum by (pod) (rate(a_bucket{le=\"+Inf\"}[1m]))", &[]),
            ("sum by (pod) (rate({\"a.b_bucket\", le=\"0.5\"}[1m]))", &[]),
            ("sum by (pod) ({\"a.b_total\"})", &[Rule::RawCounter]),
        ] {
            assert_eq!(rules(&pods(), query), expected, "{query}");
        }
    }

    #[test]
    fn queries_of_totals() {
        let average = external(r#"{"type": "AverageValue", "averageValue": "1"}"#);
        for (query, expected) in [
            ("sum(a)", &[][..]),
            ("max(a) + b", &[]),
            ("a", &[Rule::AddedUp]),
            ("topk(1, a)", &[Rule::AddedUp]),
            ("vector(1)", &[]),
            ("histogram_quantile(0.95, sum by (le) (rate(a_bucket[1m])))", &[]),
            ("histogram_quantile(0.95, sum(rate(a_bucket[1m])))", &[Rule::BoundsLost]),
            ("histogram_quantile(0.95, sum(rate(a[1m])))", &[]),
        ] {
            assert_eq!(rules(&average, query), expected, "{query}");
        }
        let value = external(r#"{"type": "Value", "value": "1"}"#);
        assert_eq!(rules(&value, "rate(a_bucket[20s])"), [Rule::ShortWindow, Rule::AddedUp]);
    }

    #[test]
    fn a_metric_without_a_query() {
        let findings = lint(&pods(), &[], Span::from_secs(15));
        assert_eq!(findings[0].rule, Rule::NoQuery);
        assert!(findings[0].to_string().starts_with("`m`: nothing is asked"));
    }
}
