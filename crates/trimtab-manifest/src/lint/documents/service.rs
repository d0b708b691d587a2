//! A workload with what is known of it from elsewhere: who scales it, what guards it, how long it takes
//! to start and how long what it serves may last.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::container::Container;
use super::node_pool::NodePool;
use super::placement::Placement;
use super::selector::{Labels, map_matches};
use super::workload::{Kind, Workload, same_namespace};
use crate::lint::autoscaler::{Autoscaler, Bound, CRITICAL, Form, LEAD_TIME};
use crate::lint::document::Document;
use crate::lint::field::Field;
use crate::lint::set::Set;

/// The annotation that says how long a session or an answer lasts at most.
pub(in crate::lint) const MAX_SESSION: &str = "trimtab.dev/max-session-seconds";
/// The workloads, budgets and NodePools of a set, put together.
#[derive(Debug)]
pub(in crate::lint) struct Around<'n> {
    pub(in crate::lint) services: Vec<Service<'n>>,
    pub(in crate::lint) budgets: Vec<Budget<'n>>,
    pub(in crate::lint) pools: Vec<NodePool<'n>>,
    /// The first service of each document, by its place.
    of_document: BTreeMap<*const Document, usize>,
}

/// A workload and what is about it.
#[derive(Debug)]
pub(in crate::lint) struct Service<'n> {
    pub(in crate::lint) workload: Workload<'n>,
    pub(in crate::lint) scalers: Vec<Scaler<'n>>,
    /// Whether requests reach it, as far as the manifests say.
    pub(in crate::lint) serves: bool,
    /// The first budget that guards it.
    pub(in crate::lint) budget: Option<Budget<'n>>,
    pub(in crate::lint) placement: Placement<'n>,
    /// What says in so many words that people wait for it: no budget, which all services may have.
    pub(in crate::lint) marked_critical: Option<Field<'n>>,
}

/// An autoscaler of a workload.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Scaler<'n> {
    pub(in crate::lint) document: &'n Document,
    /// Where it names the workload.
    pub(in crate::lint) target: Field<'n>,
    form: Form,
    spec: Field<'n>,
    min: Bound<'n>,
    max: Bound<'n>,
    behavior: Option<Field<'n>>,
}

/// A number that a manifest says, and where.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Known<'n> {
    pub(in crate::lint) value: i64,
    pub(in crate::lint) field: Field<'n>,
}

/// More NodePools than this no cluster has, and each is held against each workload.
const MOST_POOLS: usize = 256;

/// So many comparisons of a document with a workload of its namespace; no cluster asks for more.
const MOST_COMPARED: usize = 1_000_000;

/// The documents that are held against each workload, as many as there is time for.
fn compared<'n, T>(
    mut documents: Vec<T>,
    workloads: &[Workload<'_>],
    of: impl Fn(&T) -> &'n Document,
) -> Vec<T> {
    let mut in_namespace: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for workload in workloads {
        let count = in_namespace.entry(workload.document.namespace.as_deref()).or_default();
        *count = count.saturating_add(1);
    }
    let count = |namespace| in_namespace.get(&namespace).copied().unwrap_or(0);
    let mut compared = 0_usize;
    documents.retain(|document| {
        let same = match of(document).namespace.as_deref() {
            Some(namespace) => count(Some(namespace)).saturating_add(count(None)),
            None => workloads.len(),
        };
        // To see that a namespace is another one takes time, too.
        compared = compared.saturating_add(same).saturating_add(workloads.len() / 64);
        compared <= MOST_COMPARED
    });
    documents
}

impl<'n> Around<'n> {
    pub(in crate::lint) fn of(set: &Set<'n>) -> Self {
        let mut scaled: BTreeMap<*const Document, Vec<Scaler<'n>>> = BTreeMap::new();
        for autoscaler in set.autoscalers() {
            let Some(target) = &autoscaler.target else { continue };
            let Some(workload) = target.workload else { continue };
            if set.is_patched(autoscaler.document) {
                continue;
            }
            let scaler = Scaler::of(autoscaler, target.field);
            scaled.entry(std::ptr::from_ref(workload)).or_default().push(scaler);
        }
        let workloads = Workload::among(set);
        let budgets = compared(Budget::among(set), &workloads, |budget| budget.document);
        let fronts = set.of_kind("", "Service").collect();
        let fronts = compared(fronts, &workloads, |front: &&Document| front);
        let pools = NodePool::among(set).filter(|pool| !set.is_patched(pool.document));
        let pools: Vec<_> = pools.take(MOST_POOLS).collect();
        let services = workloads.into_iter().map(|workload| {
            let own = scaled.get(&std::ptr::from_ref(workload.document));
            let mut service = Service {
                workload,
                scalers: own.cloned().unwrap_or_default(),
                // Of what is patched nothing is missing, and where it goes is not known.
                serves: !set.is_patched(workload.document) && serves(&fronts, &workload),
                budget: budgets.iter().find(|budget| budget.guards(set, &workload)).copied(),
                placement: Placement::of(set, &workload, &pools),
                marked_critical: None,
            };
            service.marked_critical = marked_critical(set, &service);
            service
        });
        let services: Vec<Service<'n>> = services.collect();
        let mut of_document = BTreeMap::new();
        for (index, service) in services.iter().enumerate() {
            of_document.entry(std::ptr::from_ref(service.workload.document)).or_insert(index);
        }
        Self { services, budgets, pools, of_document }
    }

    /// What is known of a workload.
    pub(in crate::lint) fn service(&self, document: &Document) -> Option<&Service<'n>> {
        self.services.get(*self.of_document.get(&std::ptr::from_ref(document))?)
    }

    /// The services that serve models.
    pub(in crate::lint) fn serving(&self) -> impl Iterator<Item = &Service<'n>> {
        self.services.iter().filter(|service| service.serves_models())
    }

    /// Those, and the ones of which KServe fills in what their manifests leave out.
    pub(in crate::lint) fn loading(&self) -> impl Iterator<Item = &Service<'n>> {
        self.services.iter().filter(|service| service.loads_models())
    }

    /// All pools that can take the pods of a service; none where that is not known.
    pub(in crate::lint) fn pools_of(&self, service: &Service<'n>) -> Vec<&NodePool<'n>> {
        let all = service.placement.all();
        all.iter().filter_map(|index| self.pools.get(*index)).collect()
    }

    /// The services for whose pods a pool is made, the pool given by its place.
    pub(in crate::lint) fn services_of(&self, pool: usize) -> impl Iterator<Item = &Service<'n>> {
        self.services.iter().filter(move |one| one.placement.meant().binary_search(&pool).is_ok())
    }
}

impl<'n> Scaler<'n> {
    fn of(autoscaler: &Autoscaler<'n>, target: Field<'n>) -> Self {
        let Autoscaler { document, form, spec, min, max, behavior, .. } = *autoscaler;
        Self { document, target, form, spec, min, max, behavior }
    }
}

impl<'n> Service<'n> {
    /// The fewest pods that it runs with.
    pub(in crate::lint) fn least_pods(&self) -> Option<i64> {
        self.least()?.value.max(1).checked_mul(self.workload.pods_of_a_replica())
    }

    /// The fewest replicas that it runs with: its autoscaler's bound, or what it asks for itself.
    pub(in crate::lint) fn least(&self) -> Option<Known<'n>> {
        match self.scalers.as_slice() {
            [] => self.workload.replicas().map(|(value, field)| Known { value, field }),
            [one, ..] => {
                let value = one.min.value?;
                Some(Known { value, field: one.min.field.unwrap_or(one.document.heading()) })
            }
        }
    }

    /// The most replicas that it runs with.
    pub(in crate::lint) fn most(&self) -> Option<Known<'n>> {
        match self.scalers.as_slice() {
            [] => self.workload.replicas().map(|(value, field)| Known { value, field }),
            [one, ..] => Some(Known { value: one.max.value?, field: one.max.field? }),
        }
    }

    /// How long its autoscaler waits before it scales down, where that is known.
    pub(in crate::lint) fn scale_down_window(&self) -> Option<Known<'n>> {
        /// What Kubernetes takes without a setting.
        const DEFAULT: i64 = 300;
        let [scaler] = self.scalers.as_slice() else { return None };
        let window = "scaleDown.stabilizationWindowSeconds";
        let field = scaler.behavior.and_then(|behavior| behavior.at(window));
        match field {
            Some(field) => Some(Known { value: field.int()?, field }),
            None if matches!(scaler.form, Form::Hpa | Form::ScaledObject) => {
                Some(Known { value: DEFAULT, field: scaler.document.heading() })
            }
            None => None,
        }
    }

    /// An annotation or a label of the workload, its pods or its autoscalers.
    fn annotation(&self, key: &str) -> Option<Field<'n>> {
        let documents = std::iter::once(self.workload.document)
            .chain(self.scalers.iter().map(|scaler| scaler.document));
        let metadata = documents.map(|document| document.field().get("metadata"));
        let all = metadata.chain(std::iter::once(self.workload.pod.metadata)).flatten();
        let mut all = all.flat_map(|one| ["annotations", "labels"].map(|of| one.get(of))).flatten();
        all.find_map(|one| one.get(key))
    }

    /// A number of seconds in an annotation.
    fn annotated(&self, key: &str) -> Option<Known<'n>> {
        let field = self.annotation(key)?;
        let value = field.seconds().filter(|seconds| *seconds >= 0)?;
        Some(Known { value, field })
    }

    /// A number of a `ScalingPolicy` that scales it.
    fn of_policy(&self, paths: &[&str]) -> Option<Known<'n>> {
        let policies = self.scalers.iter().filter(|one| one.form == Form::ScalingPolicy);
        policies.flat_map(|policy| paths.iter().map(|path| policy.spec.at(path))).find_map(
            |field| {
                let field = field?;
                Some(Known { value: field.int()?, field })
            },
        )
    }

    /// Seconds from asking for a replica to its being ready, where something says so.
    pub(in crate::lint) fn lead_time(&self) -> Option<Known<'n>> {
        const PATHS: [&str; 3] =
            ["anticipate.leadTimeSeconds", "slo.leadTimeSeconds", "warmPool.leadTimeSeconds"];
        self.annotated(LEAD_TIME).or_else(|| self.of_policy(&PATHS))
    }

    /// Seconds that a session or an answer lasts at most, where something says so.
    pub(in crate::lint) fn max_session(&self) -> Option<Known<'n>> {
        self.annotated(MAX_SESSION).or_else(|| self.of_policy(&["retire.maxSessionSeconds"]))
    }

    /// What says that people wait for it: an annotation, its priority class, a label, or at least a budget
    /// that guards it.
    pub(in crate::lint) fn critical(&self) -> Option<Field<'n>> {
        let budget = || {
            let denied = self.annotation(CRITICAL).is_some();
            self.budget.filter(|_| !denied).map(|budget| budget.document.heading())
        };
        self.marked_critical.or_else(budget)
    }

    /// Whether requests reach pods that load a model, and Kubernetes alone makes the pods.
    ///
    /// Without an image a container is a patch of another manifest, of which nothing is missing.
    pub(in crate::lint) fn serves_models(&self) -> bool {
        let is_plain = matches!(self.workload.kind, Kind::Replicated | Kind::Leader);
        let models = self.model_containers();
        let is_whole = models.iter().all(|container| container.field.get("image").is_some());
        let is_for_work = models.iter().any(Container::is_notebook);
        is_plain && self.serves && is_whole && !models.is_empty() && !is_for_work
    }

    /// Whether it is one of those, or one of which KServe fills in what its manifest leaves out.
    pub(in crate::lint) fn loads_models(&self) -> bool {
        self.serves_models() || self.workload.kind == Kind::KServe
    }

    /// The containers that load a model: those with an accelerator, else those of a known server.
    pub(in crate::lint) fn model_containers(&self) -> Vec<Container<'n>> {
        let containers = self.workload.containers();
        let mut found: Vec<_> =
            containers.iter().copied().filter(Container::has_accelerator).collect();
        if found.is_empty() {
            found.extend(containers.iter().filter(|one| one.is_model_server()));
        }
        // Of several the ones that requests reach.
        if found.len() > 1 && found.iter().any(Container::listens) {
            found.retain(Container::listens);
        }
        found
    }
}

/// What says in so many words that people wait for a service: an annotation, its priority class, or a
/// label.
fn marked_critical<'n>(set: &Set<'n>, service: &Service<'n>) -> Option<Field<'n>> {
    if let Some(field) = service.annotation(CRITICAL) {
        return (field.text() == Some("true")).then_some(field);
    }
    let pod = service.workload.pod;
    let class = pod.spec.get("priorityClassName").filter(|class| {
        class.text().is_some_and(|name| {
            let class = set.find("scheduling.k8s.io", "PriorityClass", None, name);
            let value = class.and_then(|class| class.field().int_of("value"));
            value.map_or_else(|| is_critical(name), |value| value > 0)
        })
    });
    let own = service.workload.document.field().get("metadata");
    let metadata = [pod.metadata, own].into_iter().flatten();
    let mut marks = metadata
        .flat_map(|one| ["labels", "annotations"].map(|of| Labels(one.get(of))))
        .flat_map(|labels| labels.all());
    let mark =
        marks.find(|(key, field)| field.text().is_some_and(|value| marks_critical(key, value)));
    class.or_else(|| mark.map(|(_, field)| field))
}

/// Whether a priority class is one of what must not wait, by its name.
fn is_critical(class: &str) -> bool {
    let class = class.to_ascii_lowercase();
    let is_not = ["non-critical", "noncritical", "not-critical", "low"];
    let is = ["critical", "high"];
    !is_not.iter().any(|part| class.contains(part)) && is.iter().any(|part| class.contains(part))
}

/// Whether a label or annotation says that people wait.
fn marks_critical(key: &str, value: &str) -> bool {
    const VALUES: [&str; 8] = [
        "critical",
        "high",
        "highest",
        "latency-critical",
        "mission-critical",
        "p0",
        "tier-0",
        "tier0",
    ];
    let (key, value) = (key.to_ascii_lowercase(), value.to_ascii_lowercase());
    match key.rsplit('/').next().unwrap_or(&key) {
        "critical" | "latency-critical" => value == "true",
        "criticality" | "importance" | "priority" | "tier" | "traffic" | "traffic-class"
        | "service-tier" | "slo-class" => VALUES.contains(&&*value),
        _ => false,
    }
}

/// Whether requests reach the pods of a workload.
fn serves(fronts: &[&Document], workload: &Workload<'_>) -> bool {
    if workload.kind == Kind::Worker {
        return false;
    }
    if workload.kind == Kind::KServe {
        return true;
    }
    let listens = workload.containers().iter().any(Container::listens);
    let labels = workload.pod.labels();
    listens
        || fronts.iter().any(|service| {
            let selector = service.spec().and_then(|spec| spec.get("selector"));
            let namespaces = (service.namespace.as_deref(), workload.document.namespace.as_deref());
            same_namespace(namespaces.0, namespaces.1) && map_matches(Labels(selector), labels)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_critical_by_name() {
        for (class, expected) in [
            ("system-cluster-critical", true),
            ("inference-high", true),
            ("latency-sensitive", false),
            ("low-priority", false),
            ("non-critical", false),
            ("batch", false),
        ] {
            assert_eq!(is_critical(class), expected, "{class}");
        }
        assert!(marks_critical(CRITICAL, "true") && !marks_critical(CRITICAL, "false"));
        assert!(marks_critical("example.com/criticality", "High"));
        assert!(marks_critical("tier", "critical") && !marks_critical("tier", "gpu"));
        assert!(!marks_critical("app", "critical"));
    }
}
