//! Targets that are never reached, or mean something else than they seem to.

use crate::lint::autoscaler::{Aim, Autoscaler, Form, Role, Signal, Source};
use crate::lint::documents::running;
use crate::lint::engine_metrics::{is_of_engine, is_share};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::query::{Combined, Query, Read};
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[
    &SHARE_OUT_OF_REACH,
    &UTILIZATION_OUT_OF_REACH,
    &QUERY_WITHOUT_SUM,
    &SHARE_DIVIDED,
    &COUNTER_WITHOUT_RATE,
];

static SHARE_OUT_OF_REACH: Rule = Rule {
    id: "share-out-of-reach",
    severity: Severity::Error,
    summary: "a target of 1 or more for a metric that is a share from 0 to 1",
    why: "vLLM's `kv_cache_usage_perc` is a share in spite of its name, and so is a usage or utilization that \
          ends in `_ratio`: at most 1, so a target of 1 or more is never exceeded and the metric never asks for \
          a replica",
    fix: "Write the target as a share: 0.75 or `750m` for 75 %.",
    check: share_out_of_reach,
};

fn share_out_of_reach(set: &Set<'_>, findings: &mut Findings<'_>) {
    for signal in own_targets(set).map(|(_, signal)| signal) {
        let Some((aim, field)) = signal.aim.filter(|(aim, _)| *aim != Aim::Utilization) else {
            continue;
        };
        let Some(amount) = field.quantity().map(|amount| amount.approx_f64()) else { continue };
        if amount < 1.0 || !is_plain_share(signal, aim) {
            continue;
        }
        let written = shortened(field.text().unwrap_or_default());
        let message =
            format!("`{}` is a share, at most 1, and never above `{written}`", signal.title());
        let added = findings.add(&SHARE_OUT_OF_REACH, field, message);
        if amount > 1.0 && amount < 100.0 {
            added.help(format!("for {amount} % write `\"{}\"`", amount / 100.0));
        } else {
            added.help("for 80 % write `\"0.8\"`");
        }
    }
}

/// Whether what is compared is a share: the metric as it is, or a query that only picks or averages.
fn is_plain_share(signal: &Signal<'_>, aim: Aim) -> bool {
    let Some(text) = signal.query.and_then(|query| query.text()) else {
        let name = signal.name.and_then(|name| name.text());
        return name.is_some_and(is_share)
            && matches!(signal.source, Source::Pods | Source::Object | Source::External);
    };
    let query = Query::parse(text);
    let [read] = query.reads.as_slice() else { return false };
    let plain = [
        "sum",
        "avg",
        "max",
        "min",
        "quantile",
        "avg_over_time",
        "max_over_time",
        "min_over_time",
        "quantile_over_time",
    ];
    let picks = read.within.iter().all(|call| call.is(&plain));
    // A sum is as much as there are pods, and AverageValue divides it again.
    let sums = read.has("sum") && aim != Aim::Average;
    is_share(read.metric) && !query.calculates && picks && !sums
}

/// Every signal with the autoscaler that has it, where the target is compared with the signal itself.
fn own_targets<'a, 'n>(
    set: &'a Set<'n>,
) -> impl Iterator<Item = (&'a Autoscaler<'n>, &'a Signal<'n>)> + use<'a, 'n> {
    // With a formula, KEDA compares what that makes of all triggers.
    let modified = |autoscaler: &&Autoscaler<'n>| {
        let formula = autoscaler.spec.at("advanced.scalingModifiers.formula");
        let of_policy = autoscaler.spec.at("keda.scalingModifiers.formula");
        formula.or(of_policy).is_none()
    };
    let autoscalers = set.autoscalers().iter().filter(modified);
    autoscalers
        .flat_map(|autoscaler| autoscaler.signals.iter().map(move |signal| (autoscaler, signal)))
}

static UTILIZATION_OUT_OF_REACH: Rule = Rule {
    id: "utilization-out-of-reach",
    severity: Severity::Error,
    summary: "a utilization that the containers' limits do not let them reach",
    why: "utilization is usage in percent of the request, and a limit ends the usage: at a limit of as much \
          as the request it is 100 at most",
    fix: "Aim below the limit: 50 to 80 percent of the request leave room while replicas start.",
    check: utilization_out_of_reach,
};

fn utilization_out_of_reach(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let Some(pods) = pods(autoscaler) else { continue };
        for signal in &autoscaler.signals {
            let Some((Aim::Utilization, aim)) = signal.aim else { continue };
            let (Some(percent), Some(resource)) = (number(aim), resource(signal)) else { continue };
            let containers: Vec<Field<'_>> = measured(signal, pods).collect();
            // One that may use as much as it likes reaches everything.
            let amounts: Option<Vec<(f64, f64)>> = containers
                .iter()
                .map(|container| request_and_limit(*container, resource))
                .collect();
            let Some(amounts) = amounts.filter(|amounts| !amounts.is_empty()) else { continue };
            let request: f64 = amounts.iter().map(|(request, _)| request).sum();
            let limit: f64 = amounts.iter().map(|(_, limit)| limit).sum();
            if request <= 0.0 || limit < request {
                continue;
            }
            let most = limit / request * 100.0;
            if percent < most {
                continue;
            }
            let message = format!(
                "{resource} cannot exceed {percent} percent of the request: its limit is {most:.0} percent of it"
            );
            let at =
                containers.first().and_then(|first| first.at("resources.limits")?.get(resource));
            let added = findings
                .add(&UTILIZATION_OUT_OF_REACH, aim, message)
                .help(format!("write at most {:.0}", (most * 0.8).floor()));
            if let Some(at) = at {
                added.related(at, "the limit");
            }
        }
    }
}

/// The `spec` of the pods that are scaled.
pub(super) fn pods<'n>(autoscaler: &Autoscaler<'n>) -> Option<Field<'n>> {
    autoscaler.workload()?.pod_template()?.get("spec")
}

/// The resource that a metric of utilization is about.
pub(super) fn resource<'n>(signal: &Signal<'n>) -> Option<&'n str> {
    if signal.source != Source::Resource {
        return None;
    }
    let name = match signal.name {
        Some(name) => name.text()?,
        // `targetCPUUtilizationPercentage`
        None => "cpu",
    };
    (!name.is_empty()).then_some(name)
}

/// The containers that a metric is about.
pub(super) fn measured<'n>(
    signal: &Signal<'n>,
    pods: Field<'n>,
) -> impl Iterator<Item = Field<'n>> + use<'n> {
    let named = container(signal).and_then(|name| name.text());
    running(pods)
        .filter(move |container| named.is_none_or(|named| container.text_of("name") == Some(named)))
}

/// Where a metric names the one container that it is about.
pub(super) fn container<'n>(signal: &Signal<'n>) -> Option<Field<'n>> {
    let of_hpa = signal.field.at("containerResource.container");
    of_hpa.or_else(|| signal.field.at("metadata.containerName"))
}

/// What a container asks for and may use; none if either is not there.
fn request_and_limit(container: Field<'_>, resource: &str) -> Option<(f64, f64)> {
    let of = |kind: &str| {
        let amount = container.get("resources")?.get(kind)?.get(resource)?.quantity()?;
        Some(amount.approx_f64())
    };
    let limit = of("limits")?;
    Some((of("requests").unwrap_or(limit), limit))
}

fn number(field: Field<'_>) -> Option<f64> {
    field.number()
}

static QUERY_WITHOUT_SUM: Rule = Rule {
    id: "query-without-sum",
    severity: Severity::Error,
    summary: "a query that gives one value per pod where one value is asked for",
    why: "every replica reports its own series; KEDA's Prometheus scaler fails on a result of more than \
          one, which is so from the second replica on, and others take the first that comes",
    fix: "Sum over the pods: `sum(...)`. The threshold is then what one replica may have.",
    check: query_without_sum,
};

fn query_without_sum(set: &Set<'_>, findings: &mut Findings<'_>) {
    for (read, query, signal) in prometheus(set) {
        let several = match read.combined() {
            Combined::Not => is_per_pod(read.metric, signal.role),
            Combined::ByLabels => by_pod(query),
            Combined::Sum | Combined::Share => false,
        };
        let Some(at) = signal.query.filter(|_| several) else { continue };
        let message = format!(
            "`{}` has a value for every pod, and the query leaves them",
            shortened(read.metric)
        );
        let text = at.text().unwrap_or_default().trim();
        let added = findings.add(&QUERY_WITHOUT_SUM, at, message);
        if read.combined() == Combined::Not && text.len() <= 120 && !text.contains('\n') {
            added.help(format!("write `sum({text})`"));
        } else {
            added.help("take the sum over all pods, without `by`");
        }
    }
}

/// Whether pods report a series each: those of inference servers do, and requests of this name.
fn is_per_pod(metric: &str, role: Role) -> bool {
    // Recording rules have the level of aggregation in front: `namespace:requests:sum`.
    let recorded = metric.matches(':').count() >= 2;
    let whole =
        ["gateway", "pool", "kafka", "rabbitmq", "sqs", "redis", "nats", "pubsub", "celery", "epp"];
    let words = || metric.split(|char: char| !char.is_ascii_alphanumeric());
    let serves = ["inference", "requests", "request", "kv", "llm", "dcgm"];
    is_of_engine(metric)
        || !recorded
            && !words().any(|word| whole.contains(&&*word.to_ascii_lowercase()))
            && words().any(|word| serves.contains(&&*word.to_ascii_lowercase()))
            && matches!(role, Role::Queue | Role::Load | Role::KvCache | Role::Gpu | Role::Latency)
}

/// Whether a query groups by the pods themselves.
fn by_pod(query: &str) -> bool {
    let words = query.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let mut grouped = false;
    let mut found = false;
    for word in words.filter(|word| !word.is_empty()) {
        match word {
            "by" => grouped = true,
            "pod" | "instance" | "pod_name" | "kubernetes_pod_name" if grouped => found = true,
            _ => {}
        }
    }
    found
}

/// What the Prometheus queries of KEDA read, where the query gives what is compared.
fn prometheus<'a, 'n>(
    set: &'a Set<'n>,
) -> impl Iterator<Item = (Read<'n>, &'n str, &'a Signal<'n>)> + use<'a, 'n> {
    own_targets(set)
        .filter(|(autoscaler, signal)| {
            let type_ = signal.field.text_of("type");
            autoscaler.form == Form::KServe || type_ == Some("prometheus")
        })
        .filter_map(|(_, signal)| Some((signal.query?.text()?, signal)))
        .filter_map(|(text, signal)| {
            let query = Query::parse(text);
            let mut reads = query.reads.into_iter();
            let only = reads.next().filter(|_| !query.calculates && reads.next().is_none());
            Some((only?, text, signal))
        })
}

static SHARE_DIVIDED: Rule = Rule {
    id: "average-divided-again",
    severity: Severity::Warning,
    summary: "a mean or a quantile over all pods, divided by the number of replicas once more",
    why: "with AverageValue, KEDA's default, the count is the value over the threshold, whatever the \
          present count: a KV cache 90 % full at a threshold of 0.75 asks for 2 replicas, be there 1 or \
          10; only a sum over the pods grows with them",
    fix: "Take the sum over the pods, or compare the value as it is with `metricType: Value`.",
    check: share_divided,
};

fn share_divided(set: &Set<'_>, findings: &mut Findings<'_>) {
    for (read, _, signal) in prometheus(set) {
        let Some((Aim::Average, _)) = signal.aim else { continue };
        let about_pods = match signal.role {
            Role::Latency | Role::KvCache | Role::Gpu => true,
            Role::Queue | Role::Load | Role::Usage | Role::Resource | Role::Time => {
                is_of_engine(read.metric)
            }
        };
        if read.combined() != Combined::Share || !about_pods {
            continue;
        }
        let message = format!(
            "`{}` is combined to one value that does not grow with the replicas, and divided by them",
            shortened(read.metric)
        );
        findings
            .add(&SHARE_DIVIDED, signal.at_name(), message)
            .help("add `metricType: Value` to the trigger, beside `type: prometheus`");
    }
}

static COUNTER_WITHOUT_RATE: Rule = Rule {
    id: "counter-without-rate",
    severity: Severity::Error,
    summary: "a counter that is compared as it is",
    why: "a counter only grows until its pod restarts, so sooner or later it is above every threshold and \
          asks for the most replicas for ever",
    fix: "Take its rate: `sum(rate(NAME[1m]))`.",
    check: counter_without_rate,
};

fn counter_without_rate(set: &Set<'_>, findings: &mut Findings<'_>) {
    for (_, signal) in own_targets(set) {
        let Some(text) = signal.query.and_then(|query| query.text()) else { continue };
        for read in Query::parse(text).reads {
            let changes = [
                "rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets",
                "count", "absent", "group",
            ];
            if changes.iter().any(|name| read.has(name)) || !is_counter(read.metric) {
                continue;
            }
            let message = format!("`{}` is a counter, and only grows", shortened(read.metric));
            findings
                .add(&COUNTER_WITHOUT_RATE, signal.at_name(), message)
                .help(format!("write `sum(rate({}[1m]))`", shortened(read.metric)));
        }
    }
}

/// By its ending, unless another word says that it is a number at a moment.
fn is_counter(metric: &str) -> bool {
    let ends = ["_total", "_bucket"].iter().any(|ending| metric.ends_with(ending));
    let moment = [
        "waiting",
        "running",
        "pending",
        "active",
        "inflight",
        "queue",
        "queued",
        "depth",
        "ready",
        "flight",
        "size",
        "current",
        "lag",
        "length",
        "backlog",
        "outstanding",
        "sessions",
        "connections",
        "replicas",
        "pods",
        "nodes",
    ];
    let words = metric.split(|char: char| !char.is_ascii_alphanumeric());
    let is_histogram = metric.ends_with("_bucket");
    ends && (is_histogram || !words.into_iter().any(|word| moment.contains(&word)))
}
