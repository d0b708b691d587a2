//! What a policy says to its host, beside what the config says: the stricter mode, and sources where the config
//! has none.

use std::path::Path;

use trimtab_manifest::{HostMode, HostSpec, KubernetesSourceSpec, SourceSpec};
use trimtab_runtime::Mode;

use super::config::{PrometheusConfig, SourceConfig, TargetConfig, WorkloadConfig};
use crate::error::CommandError;

/// Takes it over. What is about a cluster is not for a process without one.
pub(super) fn take_over(
    workload: &mut WorkloadConfig,
    host: &HostSpec,
    path: &Path,
) -> Result<(), CommandError> {
    if host.mode == HostMode::Shadow {
        workload.mode = Mode::Shadow;
    }
    if !workload.sources.is_empty() {
        return Ok(());
    }
    for source in &host.sources {
        if matches!(
            (source, &workload.target),
            (SourceSpec::Kubernetes(_), TargetConfig::Kubernetes(_))
        ) {
            workload.sources.push(SourceConfig::Kubernetes(KubernetesSourceSpec {}));
            continue;
        }
        let SourceSpec::Prometheus(asked) = source else {
            let message = format!(
                "the policy of `{}` has the source `kubernetes`, which `trimtab controller` has",
                workload.name
            );
            return Err(CommandError::in_file(&path.display().to_string(), message)
                .with_help("give the workload `sources` of its own"));
        };
        workload.sources.push(SourceConfig::Prometheus(PrometheusConfig {
            server: asked.server.clone(),
            queries: asked.queries.clone(),
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use trimtab_manifest::{Limits, Source, from_str};

    use super::*;

    fn workload(more: &str) -> WorkloadConfig {
        let text = format!("name: a\npolicy: a.yaml\ntarget: {{exec: {{write: [w]}}}}\n{more}");
        from_str(&Source::new("run.yaml", text), &Limits::default()).unwrap()
    }

    fn host(text: &str) -> HostSpec {
        from_str(&Source::new("host.yaml", text), &Limits::default()).unwrap()
    }

    #[test]
    fn the_stricter_mode_counts() {
        for (config, policy, wanted) in [
            ("", "{mode: shadow}", Mode::Shadow),
            ("mode: shadow", "{mode: active}", Mode::Shadow),
            ("", "{}", Mode::Active),
        ] {
            let mut workload = workload(config);
            take_over(&mut workload, &host(policy), Path::new("run.yaml")).unwrap();
            assert_eq!(workload.mode, wanted, "{config} {policy}");
        }
    }

    #[test]
    fn sources_are_the_policys_where_the_config_has_none() {
        let own = "sources: [{prometheus: {server: own, queries: {}}}]";
        let policys = host("sources: [{prometheus: {server: policys, queries: {}}}]");
        for (config, wanted) in [("", "policys"), (own, "own")] {
            let mut workload = workload(config);
            take_over(&mut workload, &policys, Path::new("run.yaml")).unwrap();
            let servers = workload.sources.iter().map(|source| match source {
                SourceConfig::Prometheus(asked) => asked.server.as_str(),
                _ => "none",
            });
            assert_eq!(servers.collect::<Vec<_>>(), [wanted]);
        }
    }

    #[test]
    fn there_is_no_cluster() {
        let host = host("sources: [{kubernetes: {}}]");
        let refused = take_over(&mut workload(""), &host, Path::new("run.yaml"));
        assert!(refused.unwrap_err().to_string().contains("`trimtab controller`"));
    }
}
