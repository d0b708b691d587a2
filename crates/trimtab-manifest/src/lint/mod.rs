//! What is wrong with manifests that can be read: rules over all of them as one set.
//!
//! The documents of all sources are read together, so that a rule sees the Deployment that an autoscaler
//! names, wherever it is written. What is not there is nobody's fault: a file may be a part of what a
//! cluster holds.

mod allow;
mod autoscaler;
mod document;
mod documents;
mod engine_metrics;
mod field;
mod finding;
mod kustomize;
mod query;
mod report;
mod rule;
mod rules;
mod set;

pub use self::finding::{Finding, Related};
pub use self::report::Report;
pub use self::rule::{Rule, Severity};

use self::document::Document;
use self::finding::Findings;
use self::kustomize::Kustomize;
use self::set::Set;
use crate::{Limits, ManifestError, Source, yaml};

/// Looks for what is wrong with the manifests of these sources, within limits for each of them.
///
/// A source that cannot be read is an error of the report, and nothing else is said of it.
///
/// ```
/// use trimtab_manifest::{Source, lint};
///
/// let hpa = Source::new("hpa.yaml", "\
/// apiVersion: autoscaling/v2
/// kind: HorizontalPodAutoscaler
/// metadata: {name: llm, namespace: inference}
/// spec:
///   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
///   minReplicas: 2
///   maxReplicas: 20
///   metrics:
///   - type: Pods
///     pods:
///       metric: {name: DCGM_FI_DEV_GPU_UTIL}
///       target: {type: AverageValue, averageValue: \"80\"}
/// ");
/// let report = lint(&[hpa]);
/// assert_eq!(report.findings()[0].rule().id(), "gpu-utilization-only");
/// assert_eq!(report.findings()[0].position().line, 11);
/// ```
pub fn lint(sources: &[Source]) -> Report {
    lint_within(sources, &lint_limits())
}

/// How much a source may ask of [`lint`]: more than one of policies, since a dump of a cluster is one
/// document.
pub fn lint_limits() -> Limits {
    Limits::default().with_max_bytes(4 << 20).with_max_nodes(300_000)
}

/// As [`lint`], within other limits for each source.
pub fn lint_within(sources: &[Source], limits: &Limits) -> Report {
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let (roots, problems) = yaml::documents(source, limits);
        if problems.is_empty() {
            let mut limits = *limits;
            documents.extend(
                roots.iter().flat_map(|root| Document::all((index, source), root, &mut limits)),
            );
        } else {
            errors.push((index, ManifestError::from_problems(source.clone(), problems)));
        }
    }
    let kustomize = Kustomize::of(sources, &documents);
    let count = documents.len();
    documents.retain(|document| !kustomize.is_patch(document.source));
    let set = Set::new(&documents, kustomize);
    let mut findings = Findings::new(sources);
    for rule in Rule::all() {
        rule.check(&set, &mut findings);
    }
    Report::new(sources, limits, count, findings, errors)
}
