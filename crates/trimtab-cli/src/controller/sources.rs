//! The Prometheus servers of the config, asked for policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use trimtab_kube::controller::Sources;
use trimtab_kube::crd::{ScalingPolicy, SourceSpec};
use trimtab_prometheus::{PrometheusClient, PrometheusSource, ServerSpec};
use trimtab_runtime::MetricSource;

use crate::error::CommandError;

/// Servers by name; policies share their connections and answers.
pub(super) struct Servers(BTreeMap<String, PrometheusClient>);

impl Servers {
    pub(super) fn new(specs: &BTreeMap<String, ServerSpec>) -> Result<Self, CommandError> {
        let mut clients = BTreeMap::new();
        for (name, spec) in specs {
            let client = PrometheusClient::new(spec).map_err(|error| {
                CommandError::argument(format!("server `{name}` can't be used: {error}"))
            })?;
            clients.insert(name.clone(), client);
        }
        Ok(Self(clients))
    }

    fn unknown(&self, server: &str) -> String {
        let known: Vec<String> = self.0.keys().map(|name| format!("`{name}`")).collect();
        let known = if known.is_empty() { String::from("empty") } else { known.join(", ") };
        format!("there is no server `{server}`: `servers` of the controller's config is {known}")
    }
}

impl Sources for Servers {
    fn sources(&self, policy: &ScalingPolicy) -> Result<Vec<Arc<dyn MetricSource>>, String> {
        let mut made: Vec<Arc<dyn MetricSource>> = Vec::new();
        for source in &policy.spec.host.sources {
            let SourceSpec::Prometheus(asked) = source else { continue };
            let client = self.0.get(&asked.server).ok_or_else(|| self.unknown(&asked.server))?;
            let source =
                PrometheusSource::new(client.clone(), &asked.queries).map_err(|error| {
                    format!("the queries of `{}` can't be asked: {error}", asked.server)
                })?;
            made.push(Arc::new(source));
        }
        Ok(made)
    }
}
