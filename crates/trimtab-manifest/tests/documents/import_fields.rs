//! Every field of a peer's manifest: taken, noted, or refused, and never passed over.

use trimtab_engine::Target;
use trimtab_manifest::{Imported, ManifestError, Source, import};

use crate::examples::{example, names};

fn read(text: &str) -> Result<Imported, ManifestError> {
    import(&Source::new("manifest.yaml", text))
}

fn yaml(text: &str) -> String {
    read(text).unwrap().to_yaml()
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

/// What becomes of a manifest: the policies and what is said, or why not.
fn outcome(text: &str) -> String {
    match read(text) {
        Ok(imported) => {
            let skipped =
                imported.skipped.iter().map(|skip| format!("{} {}\n", skip.what, skip.why));
            imported.to_yaml() + &skipped.collect::<String>()
        }
        Err(error) => error.to_string(),
    }
}

/// Every value of every example is changed, one at a time. What comes out has to change, unless the
/// field is one of those that have nothing to do with how many replicas there are.
#[test]
fn no_value_can_be_changed_in_silence() {
    let mut silent = Vec::new();
    for name in names() {
        let source = example(&name);
        let text = source.text();
        let before = outcome(text);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some((key, value)) = line.split_once(": ") else { continue };
            if key.trim_start().starts_with('#') || value.starts_with(['|', '&', '*']) {
                continue;
            }
            let mut changed = lines.clone();
            let other = format!("{key}: zz9");
            changed[number] = &other;
            if outcome(&changed.join("\n")) == before {
                silent.push(format!("{name}: {}\n", key.trim_start_matches([' ', '-'])));
            }
        }
    }
    silent.dedup();
    insta::assert_snapshot!(silent.concat());
}

fn trigger(fields: &str) -> String {
    format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: a}}\nspec:\n  \
         scaleTargetRef: {{name: a}}\n  triggers: [{{{fields}}}]\n"
    )
}

#[test]
fn a_target_of_keda_is_the_one_that_its_hpa_has() {
    let target = |threshold: &str| {
        let text = trigger(&format!(
            "type: prometheus, metadata: {{query: up, threshold: \"{threshold}\"}}"
        ));
        read(&text).map(|imported| match imported.policies[0].policy.metrics()[0].target() {
            Target::AverageValue { milli } => milli,
            _ => 0,
        })
    };
    for (threshold, milli) in [("8", 8000), ("1e3", 1_000_000), ("0.8004", 800), ("0.0625", 62)] {
        assert_eq!(target(threshold).unwrap(), milli, "{threshold}");
    }
    assert!(
        yaml(&trigger("type: prometheus, metadata: {query: up, threshold: \"0.8004\"}"))
            .contains("# assumed: KEDA keeps three decimals of a target: 0.8")
    );
    for bad in ["8k", "NaN", "inf", "1e300", "0.0001", "-1", ""] {
        assert!(target(bad).is_err(), "{bad}");
    }
    assert!(
        refused(&trigger("type: redis, metadata: {listName: a, listLength: \"2.5\"}"))
            .contains("this scaler takes a whole number")
    );
    assert!(
        refused(&trigger("type: redis, metadata: {listName: a, activationListLength: \"2.5\"}"))
            .contains("this scaler takes a whole number")
    );
}

#[test]
fn what_keda_refuses() {
    for (fields, why) in [
        ("type: cron, metadata: {}", "it follows the clock"),
        ("type: solace-event-queue, metadata: {}", "several metrics of one trigger"),
        ("type: predictkube, metadata: {}", "a service of its own"),
        ("type: redis, metadata: {}, weight: 2", "unknown field `weight`"),
        ("type: prometeus, metadata: {}", "did you mean `prometheus`?"),
        (
            "type: cpu, useCachedMetrics: true, metricType: Utilization, metadata: {value: \"6\"}",
            "is not for a trigger of CPU or memory",
        ),
        (
            "type: external, metadata: {scalerAddress: \"a:1\"}",
            "known to the external scaler alone",
        ),
        ("type: redis, metricType: Utilization, metadata: {}", "known here: `AverageValue`"),
    ] {
        let told = refused(&trigger(fields));
        assert!(told.contains(why), "{fields}: {told}");
    }
}

#[test]
fn an_old_hpa_has_its_behavior_in_an_annotation() {
    let text = "apiVersion: autoscaling/v2beta1\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: a\n  \
                annotations: {autoscaling.alpha.kubernetes.io/behavior: '{\"ScaleDown\": \
                {\"StabilizationWindowSeconds\": 77}}'}\nspec: {maxReplicas: 3, scaleTargetRef: \
                {apiVersion: apps/v1, kind: Deployment, name: a}}\n";
    let told = yaml(text);
    assert!(told.contains("stabilizationWindowSeconds: 77"), "{told}");
    assert!(!told.contains("alpha.kubernetes.io"), "{told}");
}

fn service(annotations: &str, spec: &str, rest: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n  template:\n    \
         metadata: {{annotations: {{{annotations}}}}}\n    spec: {{{spec}}}\n{rest}"
    )
}

fn annotation(name: &str, value: &str) -> String {
    format!("autoscaling.knative.dev/{name}: \"{value}\"")
}

#[test]
fn settings_of_knative() {
    let both = format!("{}, {}", annotation("minScale", "1"), annotation("min-scale", "2"));
    let told = yaml(&service(&both, "", ""));
    assert!(told.contains("minReplicas: 2") && told.contains("minScale: 1 ("), "{told}");

    let rps = annotation("metric", "rps");
    let told = yaml(&service(&rps, "containerConcurrency: 9", ""));
    assert!(told.contains("# containerConcurrency: 9 (the container's own limit)"), "{told}");

    let told = yaml(&service("", "", "  traffic: [{latestRevision: true, percent: 40}]\n"));
    assert!(told.contains("# traffic: [{latestRevision: true, percent: 40}]"), "{told}");
    assert!(refused(&service("", "", "  trafic: []\n")).contains("did you mean `traffic`?"));

    for (name, value) in [
        ("window", "61.5s"),
        ("window", "5s"),
        ("scale-down-delay", "1500ms"),
        ("scale-down-delay", "2h"),
        ("scale-to-zero-pod-retention-period", "61m"),
        ("activation-scale", "1"),
        ("metric", "cpu"),
        ("target", "0.001"),
        ("target-utilization-percentage", "0.7"),
        ("target-burst-capacity", "-2"),
        ("class", "keda.example.com"),
    ] {
        assert!(read(&service(&annotation(name, value), "", "")).is_err(), "{name}: {value}");
    }
    let told = yaml(&service(&annotation("scale-to-zero-pod-retention-period", "90.5s"), "", ""));
    assert!(told.contains("scaleToZeroPodRetentionPeriodSeconds: 91"), "{told}");
}

#[test]
fn config_maps_of_knative() {
    let config = |name: &str, data: &str, annotations: &str| {
        let service = service(annotations, "", "");
        yaml(&format!(
            "{service}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{data}}}\n"
        ))
    };
    let told = config("config-deployment", "progress-deadline: 900s, queue-sidecar-image: q", "");
    assert!(told.contains("progressDeadlineSeconds: 900"), "{told}");
    let told = config("config-autoscaler", "activator-capacity: \"50\"", "");
    assert!(told.contains("# config-autoscaler, activator-capacity: 50"), "{told}");
    let stable = "stable-window: 90s";
    assert!(config("config-autoscaler", stable, "").contains("stableWindowSeconds: 90"));
    let class = annotation("class", "hpa.autoscaling.knative.dev");
    assert!(!config("config-autoscaler", stable, &class).contains("90"));
}

#[test]
fn a_rayservice_beside_its_config() {
    let service = |rest: &str| {
        format!(
            "apiVersion: ray.io/v1\nkind: RayService\nmetadata: {{name: a}}\nspec:\n  serveConfigV2: |\n    \
             applications:\n    - name: b\n      import_path: c:d\n      deployments: [{{name: D, \
             num_replicas: auto}}]\n{rest}"
        )
    };
    let told = yaml(&service("  upgradeStrategy: {type: NewCluster}\n"));
    assert!(told.contains("# upgradeStrategy: {type: NewCluster} ("), "{told}");
    assert!(refused(&service("  suspend: true\n")).contains("has no replicas"));
    assert!(refused(&service("  serveConfig: {}\n")).contains("unknown field `serveConfig`"));
}

#[test]
fn old_names_of_ray_serve_give_way_to_the_new() {
    let told = yaml(
        "applications:\n- name: a\n  import_path: a:b\n  deployments: [{name: D, autoscaling_config: \
         {upscaling_factor: 0.5, upscale_smoothing_factor: 0.4, smoothing_factor: 0.3}}]\n",
    );
    assert!(
        told.contains("upscalingFactor: 0.5") && told.contains("downscalingFactor: 0.3"),
        "{told}"
    );
    let why = "# upscale_smoothing_factor: 0.4 (`upscaling_factor` is there, and counts)";
    assert!(told.contains(why), "{told}");
}

fn predictor(annotations: &str, fields: &str) -> String {
    format!(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {{name: a, \
         annotations: {{{annotations}}}}}\nspec: {{predictor: {{{fields}}}}}\n"
    )
}

#[test]
fn settings_of_kserve() {
    for (annotations, fields, why) in [
        ("", "workerSpec: {}", "does not scale what runs on several nodes"),
        ("serving.kserve.io/stop: \"true\"", "", "it is stopped"),
        ("serving.kserve.io/autoscalerClass: none", "", "leaves scaling to others"),
        ("serving.kserve.io/autoscalerClass: kpa", "", "is `kpa`"),
        ("serving.kserve.io/deploymentMode: ModelMesh", "", "has no autoscaler"),
        ("", "minReplicas: 3, maxReplicas: 2", "at least minReplicas, 3"),
        ("", "minReplica: 3", "did you mean `minReplicas`?"),
    ] {
        let told = outcome(&predictor(annotations, fields));
        assert!(told.contains(why), "{annotations} {fields}: {told}");
    }
    let keda =
        "serving.kserve.io/deploymentMode: Standard, serving.kserve.io/autoscalerClass: keda";
    let external = |backend: &str, value: &str| {
        outcome(&predictor(
            keda,
            &format!(
                "maxReplicas: 3, autoScaling: {{metrics: [{{type: External, external: {{metric: \
                 {{backend: {backend}, query: up}}, target: {{type: AverageValue, value: {value}, \
                 averageValue: 7}}}}}}]}}"
            ),
        ))
    };
    assert!(external("prometheus", "4k").contains("a number without a suffix"));
    assert!(external("influx", "4").contains("has no backend that KServe knows"));
    let told = external("prometheus", "4");
    assert!(told.contains("# averageValue: 7 (KServe does not look at it)"), "{told}");
}

#[test]
fn kinds_that_scale_by_other_rules_are_refused() {
    for (version, kind) in [
        ("serving.kserve.io/v1alpha1", "InferenceGraph"),
        ("serving.kserve.io/v1alpha1", "LLMInferenceService"),
        ("autoscaling.internal.knative.dev/v1alpha1", "PodAutoscaler"),
        ("autoscaling.aibrix.ai/v1alpha1", "PodAutoscaler"),
        ("llmd.ai/v1alpha1", "VariantAutoscaling"),
        ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
    ] {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
        assert!(refused(&text).contains("scales by rules that are not imported"), "{kind}");
    }
}

#[test]
fn what_a_document_of_the_same_source_makes_is_passed_over() {
    let hpa = |owner: &str| {
        format!(
            "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: keda-hpa-a, \
             ownerReferences: [{{apiVersion: keda.sh/v1alpha1, kind: {owner}}}]}}\nspec: {{maxReplicas: 3, \
             scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: a}}}}\n"
        )
    };
    let scaled_object = trigger("type: redis, metadata: {listName: a}");
    let told = outcome(&(scaled_object.clone() + &hpa("ScaledObject, name: a")));
    let why = "`HorizontalPodAutoscaler keda-hpa-a` `ScaledObject a` makes it";
    assert!(told.contains(why) && !told.contains("strategy: hpa"), "{told}");
    for owner in [
        "ScaledObject, name: b",
        "Deployment, name: a",
        "HorizontalPodAutoscaler, name: keda-hpa-a",
    ] {
        let told = outcome(&(scaled_object.clone() + &hpa(owner)));
        assert!(told.contains("strategy: hpa"), "{owner}: {told}");
    }
}

#[test]
fn a_reference_without_a_version_is_not_told_as_missing() {
    let refused = refused(
        "apiVersion: autoscaling/v2beta2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  \
         scaleTargetRef:\n    kind: Deployment\n    name: web\n  maxReplicas: 20\n",
    );
    assert!(refused.contains("error: `apiVersion` is missing"), "{refused}");
    assert!(refused.contains("field `spec.scaleTargetRef.apiVersion`"), "{refused}");
}

#[test]
fn what_is_true_of_several_manifests_is_said_once() {
    let hpa = |name: &str| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\nspec:\n  \
             scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}\n  maxReplicas: 20\n"
        )
    };
    let alone = hpa("one");
    let text = [hpa("one"), hpa("two"), hpa("three")].join("---\n");
    let notes = |text: &str| read(text).unwrap().render_notes(trimtab_manifest::Colour::Never);
    let said = notes(&text);
    assert_eq!(said.matches("without `behavior`").count(), 1, "{said}");
    assert!(said.contains("(and 2 times more in this file)"), "{said}");
    assert!(!notes(&alone).contains("in this file"));
    // Every policy has it in its comments all the same.
    assert_eq!(yaml(&text).matches("without `behavior`").count(), 3);
}
