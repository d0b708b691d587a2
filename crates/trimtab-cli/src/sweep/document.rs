//! A policy as a document that reads back as the same policy.

use std::io;

use trimtab_engine::Policy;
use trimtab_manifest::{
    Comments, Metadata, PolicyDocument, PolicyKind, ScalingPolicySpec, to_yaml,
};

use crate::error::CommandError;

/// The policy as YAML under the name of the document that it was made from, with a comment before it.
pub(super) fn text(
    origin: &PolicyDocument,
    policy: &Policy,
    comment: &[String],
) -> Result<String, CommandError> {
    let spec = ScalingPolicySpec { policy: policy.spec().clone(), host: origin.host.clone() };
    Ok(policy_yaml(origin.kind, &origin.metadata, &spec, comment)?)
}

/// A policy as a document in YAML, with these lines as a comment before it. It reads back as the same
/// policy.
///
/// What only trimtab's own form can say makes it a ScalingPolicy.
///
/// # Errors
///
/// None for what was read from a document: whatever is in a policy can be written.
pub fn policy_yaml(
    kind: PolicyKind,
    metadata: &Metadata,
    spec: &ScalingPolicySpec,
    comment: &[String],
) -> io::Result<String> {
    let mut spec = serde_json::to_value(spec)?;
    let is_hpa = kind == PolicyKind::HorizontalPodAutoscaler && spec.get("hpa").is_none();
    if is_hpa && let Some(fields) = spec.as_object_mut() {
        fields.remove("strategy");
    }
    let (api_version, kind) = if is_hpa {
        ("autoscaling/v2", "HorizontalPodAutoscaler")
    } else {
        ("trimtab.dev/v1alpha1", "ScalingPolicy")
    };
    let document = serde_json::json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    });
    let mut comments = Comments::default();
    comment.iter().for_each(|line| comments.at_head(line));
    // Only numbers that are none can't be written, and JSON has no such.
    to_yaml(&document, &comments).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_manifest::{Source, read_policies};
    use trimtab_sim::sweep::set_field;

    use super::*;

    fn read(text: &str) -> PolicyDocument {
        read_policies(&Source::new("policy.yaml", text)).unwrap().policies.remove(0)
    }

    fn examples() -> [PolicyDocument; 2] {
        ["hpa.yaml", "policy.yaml"].map(|name| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/llm-inference/");
            read(&std::fs::read_to_string(format!("{folder}{name}")).unwrap())
        })
    }

    #[test]
    fn what_is_written_reads_back() {
        for origin in examples() {
            let text = text(&origin, &origin.policy, &[String::from("best")]).unwrap();
            assert!(text.starts_with("# best\napiVersion: "));
            let again = read(&text);
            assert_eq!(again.policy, origin.policy);
            assert_eq!((again.kind, again.metadata), (origin.kind, origin.metadata));
        }
    }

    #[test]
    fn what_the_host_is_told_stays() {
        let origin = read(
            "apiVersion: trimtab.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {name: llm}\nspec:\n  \
             scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}\n  maxReplicas: 20\n  \
             mode: shadow\n  adopt: {horizontalPodAutoscaler: llm}\n",
        );
        let again = read(&text(&origin, &origin.policy, &[]).unwrap());
        assert_eq!(again.host, origin.host);
    }

    #[test]
    fn what_an_hpa_can_not_say_makes_it_a_scaling_policy() {
        let [origin, _] = examples();
        let spec = set_field(origin.policy.spec(), "hpa.tolerance", "0.05").unwrap();
        let policy = Policy::new(spec).unwrap();
        let again = read(&text(&origin, &policy, &[]).unwrap());
        assert_eq!(again.kind, PolicyKind::ScalingPolicy);
        assert_eq!(again.policy, policy);
    }

    proptest! {
        #[test]
        fn any_name_of_a_metric_reads_back(name in "[ -~äλ]{1,20}") {
            let [origin, _] = examples();
            let spec = set_field(origin.policy.spec(), "metrics[0].pods.metric.name", &name);
            let policy = Policy::from_stored(spec.unwrap());
            let text = text(&origin, &policy, &[]).unwrap();
            let read = read_policies(&Source::new("policy.yaml", text));
            if let Ok(read) = read {
                prop_assert_eq!(&read.policies[0].policy, &policy);
            } else {
                prop_assert!(Policy::new(policy.spec().clone()).is_err());
            }
        }
    }
}
