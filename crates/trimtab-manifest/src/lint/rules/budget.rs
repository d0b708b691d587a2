//! How many replicas may be away at once when nodes are drained.

use crate::lint::documents::{Budget, Kind, LabelSelector, Labels, Service, Workload};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[&MISSING, &BLOCKS, &NOTHING];

static MISSING: Rule = Rule {
    id: "pdb-missing",
    severity: Severity::Note,
    summary: "a model server with several replicas has no PodDisruptionBudget",
    why: "drains, upgrades and consolidation evict whatever pods are on a node, and without a \
          PodDisruptionBudget they may evict all replicas at once; each is away for a whole start. It counts \
          as missing where the workload and its autoscaler are among the documents",
    fix: "Add a PodDisruptionBudget that lets one replica go at a time.",
    check: missing,
};

static BLOCKS: Rule = Rule {
    id: "pdb-blocks-drain",
    severity: Severity::Warning,
    summary: "a PodDisruptionBudget lets no replica go",
    why: "an eviction that the budget does not allow is refused, so a drain never ends, and Karpenter neither \
          consolidates nor upgrades the node (Kubernetes, PodDisruptionBudget; Karpenter, Disruption): \
          maxUnavailable 0, or minAvailable as large as the number of replicas. The count is the \
          autoscaler's minimum, or what the workload asks for; percentages round up",
    fix: "Let one go: `maxUnavailable: 1`, with at least two replicas.",
    check: blocks,
};

static NOTHING: Rule = Rule {
    id: "pdb-matches-nothing",
    severity: Severity::Warning,
    summary: "a PodDisruptionBudget selects none of the pods that it seems to be for",
    why: "a budget guards the pods in its namespace whose labels match all of its selector, and nobody says \
          that there are none; one without a selector guards no pod at all",
    fix: "Select by the labels of the pod template.",
    check: nothing,
};

fn missing(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    // What is meant for a service and selects nothing is not missing but wrong.
    let wrong: Vec<_> = around.budgets.iter().filter(|budget| is_for_none(set, budget)).collect();
    for service in around.serving() {
        let least = service.least().filter(|least| least.value >= 2);
        let Some(least) = least.filter(|_| !service.scalers.is_empty()) else { continue };
        if service.budget.is_some() || wrong.iter().any(|budget| is_meant(set, budget, service)) {
            continue;
        }
        let document = service.workload.document;
        let message = format!(
            "nothing keeps all {} replicas of `{}` from being evicted at once",
            least.value,
            document.title()
        );
        let labels = service.workload.pod.labels();
        let label = labels.all().find_map(|(key, value)| Some((key, value.text()?)));
        let selector = match label {
            Some((key, value)) => {
                format!("\n  selector:\n    matchLabels:\n      {key}: {value}")
            }
            None => String::new(),
        };
        let name = &document.name;
        findings.add(&MISSING, document.heading(), message).help(format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata:\n  name: {name}\nspec:\n  \
             maxUnavailable: 1{selector}"
        ));
    }
}

fn blocks(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for budget in around.budgets.iter().filter(|budget| !set.is_patched(budget.document)) {
        let guarded: Vec<_> = around
            .services
            .iter()
            .filter(|service| budget.guards(set, &service.workload))
            .collect();
        let mut least = guarded.iter().map(|service| service.least_pods());
        let least = least.try_fold(0_i64, |sum, least| sum.checked_add(least?));
        let least = least.filter(|_| !guarded.is_empty());
        // Without the pods only what holds for any number of them is known.
        const MANY: i64 = 1_000_000;
        let Some((0, field)) = budget.allows(least.unwrap_or(MANY)) else { continue };
        if least.is_none() && budget.field("minAvailable").is_some_and(|(share, _)| share.is_pods())
        {
            continue;
        }
        let title = budget.document.title();
        let message = match (least, guarded.as_slice()) {
            (Some(1), [one]) => {
                format!(
                    "`{title}` never lets the only replica of `{}` go",
                    one.workload.document.title()
                )
            }
            (Some(least), [one]) => format!(
                "`{title}` lets none of the {least} replicas of `{}` go",
                one.workload.document.title()
            ),
            _ => format!("`{title}` lets no pod go"),
        };
        let added = findings.add(&BLOCKS, field, message).help("maxUnavailable: 1");
        if let ([one], Some(_)) = (guarded.as_slice(), least)
            && let Some(known) = one.least()
        {
            added.related(known.field, "the fewest replicas");
        }
    }
}

fn nothing(set: &Set<'_>, findings: &mut Findings<'_>) {
    let around = set.around();
    for budget in around.budgets.iter().filter(|budget| !set.is_patched(budget.document)) {
        let title = budget.document.title();
        let Some(selector) = budget.selector() else {
            let message = format!("`{title}` has no selector and guards no pod");
            findings
                .add(&NOTHING, budget.document.heading(), message)
                .severity(Severity::Error)
                .help("selector:\n  matchLabels:\n    app: NAME");
            continue;
        };
        if !is_for_none(set, budget) {
            continue;
        }
        let unguarded =
            |service: &&Service<'_>| service.budget.is_none() && is_meant(set, budget, service);
        let Some(service) = around.services.iter().find(unguarded) else { continue };
        match budget.document.field().at("metadata.namespace") {
            Some(at) if !service.workload.is_in(at.text()) => {
                add_misplaced(budget, at, service, findings);
            }
            _ => add_unselected(budget, selector, service, findings),
        }
    }
}

fn add_unselected(
    budget: &Budget<'_>,
    selector: LabelSelector<'_>,
    service: &Service<'_>,
    findings: &mut Findings<'_>,
) {
    let (title, pods) = (budget.document.title(), service.workload.document.title());
    let labels = service.workload.pod.labels();
    let mut wanted = selector.labels().all();
    let (at, message) = match wanted.find(|(key, value)| labels.get(key) != value.text()) {
        Some((key, value)) => {
            let (key, text) = (shortened(key), shortened(value.text().unwrap_or_default()));
            (
                value,
                format!("`{title}` selects `{key}: {text}`, which the pods of `{pods}` have not"),
            )
        }
        None => (selector.field, format!("`{title}` selects no pod of `{pods}`")),
    };
    let own = labels.all().filter_map(|(key, value)| Some((key, value.text()?))).take(3);
    let own: Vec<_> = own.map(|(key, value)| format!("\n    {key}: {value}")).collect();
    let there = labels.0.unwrap_or_else(|| service.workload.document.heading());
    findings
        .add(&NOTHING, at, message)
        .related(there, "the labels of the pods")
        .help(format!("selector:\n  matchLabels:{}", own.concat()));
}

fn add_misplaced(
    budget: &Budget<'_>,
    at: Field<'_>,
    service: &Service<'_>,
    findings: &mut Findings<'_>,
) {
    let document = service.workload.document;
    let namespace = document.namespace.as_deref().unwrap_or_default();
    let message = format!(
        "`{}` is not in the namespace of `{}`, `{}`",
        budget.document.title(),
        document.title(),
        shortened(namespace)
    );
    findings
        .add(&NOTHING, at, message)
        .related(document.heading(), "the pods that it seems to be for")
        .help(format!("namespace: {namespace}"));
}

/// Whether a budget with a selector selects none of the pods that the set makes.
fn is_for_none(set: &Set<'_>, budget: &Budget<'_>) -> bool {
    budget.selector().is_some()
        && !set.around().services.iter().any(|service| budget.guards(set, &service.workload))
}

/// Whether a budget that does not select the pods of a workload was written for them: by its name, by
/// what it selects, or because there is nothing else that it could be for.
fn is_meant(set: &Set<'_>, budget: &Budget<'_>, service: &Service<'_>) -> bool {
    let (around, workload) = (set.around(), &service.workload);
    let is_plain =
        |service: &&Service<'_>| matches!(service.workload.kind, Kind::Replicated | Kind::Leader);
    if !is_plain(&service) || set.are_apart(budget.document, workload.document) {
        return false;
    }
    let name = workload.document.name.as_str();
    let rest = budget.document.name.strip_prefix(name).filter(|_| !name.is_empty());
    let named = rest.is_some_and(|rest| matches!(rest, "" | "-pdb" | "-budget" | ".pdb"));
    if !workload.is_in(budget.document.namespace.as_deref()) {
        return named && is_misplaced(set, budget, workload);
    }
    let is_alone = around.budgets.len() == 1
        && budget.document.namespace == workload.document.namespace
        && around.services.iter().filter(is_plain).count() == 1;
    let own = workload.pod.labels();
    let wanted = budget.selector().map_or(Labels(None), |selector| selector.labels());
    // By a label that they have not, of the name that they have under another one.
    let foreign = wanted.all().filter(|(key, _)| is_name(key) && own.get(key).is_none());
    let mut foreign = foreign.filter_map(|(_, value)| value.text());
    let selects_name = foreign.any(|value| {
        let same = |(key, one): (&str, Field<'_>)| is_name(key) && one.text() == Some(value);
        value == name || own.all().any(same)
    });
    named || is_alone || selects_name
}

/// Whether a budget would guard a workload if it were in its namespace, and has none of its own to guard.
fn is_misplaced(set: &Set<'_>, budget: &Budget<'_>, workload: &Workload<'_>) -> bool {
    let namespace = budget.document.namespace.as_deref();
    let selects = |selector: LabelSelector<'_>| selector.matches(workload.pod.labels());
    budget.selector().is_some_and(selects)
        && !set.around().services.iter().any(|service| service.workload.is_in(namespace))
}

/// Whether a label is one of those by which applications are told apart.
fn is_name(key: &str) -> bool {
    matches!(
        key,
        "app" | "name" | "k8s-app" | "app.kubernetes.io/name" | "app.kubernetes.io/instance"
    )
}
