//! Workloads, policies and clusters for tests that simulate.

use trimtab_engine::Policy;
use trimtab_manifest::{Limits, Source, from_str, read_policies};
use trimtab_sim::metrics::Bindings;
use trimtab_sim::{
    Cluster, ClusterSpec, Moment, Request, Requests, ServiceProfile, Workload, WorkloadError,
};

/// Requests as they are written down.
#[derive(Clone, Debug)]
pub(crate) struct Listed(pub(crate) Vec<Request>);

impl Workload for Listed {
    fn name(&self) -> &str {
        "listed"
    }

    fn requests(&self) -> Result<Requests, WorkloadError> {
        Ok(Box::new(self.0.clone().into_iter().map(Ok)))
    }
}

/// A request at so many seconds.
pub(crate) fn request(seconds: f64, input_tokens: u32, output_tokens: u32) -> Request {
    Request { arrival: Moment::from_seconds(seconds), input_tokens, output_tokens }
}

/// A policy with these lines in its spec, and what its metrics take.
pub(crate) fn policy(spec: &str) -> (Policy, Bindings) {
    let lines: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!(
        "apiVersion: trimtab.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {{name: llm}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}\n{lines}"
    );
    let mut read = read_policies(&Source::new("policy.yaml", text)).unwrap();
    let policy = read.policies.remove(0).policy;
    let bindings = Bindings::new(&policy, &[]).unwrap();
    (policy, bindings)
}

/// A cluster for this profile, as it is written in a file.
pub(crate) fn cluster(profile: &ServiceProfile, text: &str) -> Cluster {
    let spec: ClusterSpec =
        from_str(&Source::new("cluster.yaml", text), &Limits::default()).unwrap();
    spec.check(profile).unwrap()
}
