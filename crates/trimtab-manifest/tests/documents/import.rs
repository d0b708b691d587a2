//! Other autoscalers' manifests as policies: the examples, their notes, and what is refused.

use trimtab_manifest::{Colour, Source, import, read_policies};

use crate::examples::{assert_read_again, example, names};

/// What an example becomes, and what is said of it.
fn told(name: &str) -> String {
    let imported = import(&example(name)).unwrap();
    for policy in &imported.policies {
        assert_read_again(policy);
    }
    let all = read_policies(&Source::new("policies.yaml", imported.to_yaml())).unwrap();
    assert_eq!(all.policies.len(), imported.policies.len());
    format!("{}===\n{}\n", imported.to_yaml(), imported.render_notes(Colour::Never))
}

macro_rules! examples {
    ($($name:ident: $file:literal;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), told($file));
            }
        )*

        #[test]
        fn every_example_is_told() {
            let mut told = vec![$($file),*];
            told.sort_unstable();
            assert_eq!(names(), told);
        }
    };
}

examples! {
    hpa: "hpa.yaml";
    hpa_cpu: "hpa-cpu.yaml";
    hpa_v1: "hpa-v1.yaml";
    hpa_v2beta1: "hpa-v2beta1.yaml";
    hpa_v2beta2: "hpa-v2beta2.yaml";
    knative: "knative.yaml";
    knative_autoscale_go: "knative-autoscale-go.yaml";
    knative_hpa: "knative-hpa.yaml";
    kserve_concurrency: "kserve-concurrency.yaml";
    kserve_hpa: "kserve-hpa.yaml";
    kserve_keda: "kserve-keda.yaml";
    kserve_knative: "kserve-knative.yaml";
    ray_serve: "ray-serve.yaml";
    ray_serve_composition: "ray-serve-composition.yaml";
    ray_service: "ray-service.yaml";
    scaledobject: "scaledobject.yaml";
    scaledobject_composite: "scaledobject-composite.yaml";
    scaledobject_modifiers: "scaledobject-modifiers.yaml";
}
