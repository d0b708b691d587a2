//! What is most likely a mistake in what a workload asks, though all of it can be asked.

use std::sync::Arc;

use trimtab_engine::Policy;
use trimtab_prometheus::{PrometheusSource, Rule};
use trimtab_runtime::MetricSource;

use super::config::{SourceConfig, WorkloadConfig};
use super::fleet::Servers;

/// Of a workload with these sources.
pub(super) fn notes(
    workload: &WorkloadConfig,
    policy: &Policy,
    servers: &Servers,
    sources: &[Arc<dyn MetricSource>],
) -> Vec<String> {
    let provided: Vec<String> =
        sources.iter().flat_map(|source| source.provides(policy).metrics).collect();
    // The resources of pods come with the pods.
    let asked = policy.metrics().iter().filter(|metric| metric.resource().is_none());
    let missing = asked.filter(|metric| !provided.iter().any(|name| name == metric.name()));
    let mut notes: Vec<String> = missing
        .map(|metric| {
            format!("`{}`: no source has it, so that it is always missing", metric.name())
        })
        .collect();
    for source in &workload.sources {
        let SourceConfig::Prometheus(asked) = source else { continue };
        let Some((_, client)) = servers.get(&asked.server) else { continue };
        let Ok(source) = PrometheusSource::new(client.clone(), &asked.queries) else { continue };
        let findings = source.lint(policy).into_iter();
        // What one does not ask for, another may.
        let findings = findings.filter(|finding| finding.rule != Rule::NoQuery);
        notes.extend(findings.map(|finding| finding.to_string()));
    }
    notes
}
