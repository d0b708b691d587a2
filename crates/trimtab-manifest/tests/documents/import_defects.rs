//! Known defects of the peers: warned about where a manifest meets them, and nowhere else.

use trimtab_manifest::{NoteKind, Source, import};

/// The defects that a manifest is told to meet.
fn defects(text: &str) -> Vec<String> {
    let imported = import(&Source::new("manifest.yaml", text)).unwrap();
    let notes = imported.policies.iter().flat_map(|policy| &policy.notes).chain(&imported.notes);
    let defects = notes.filter(|note| note.kind == NoteKind::Defect);
    defects.map(|note| note.message.clone()).collect()
}

/// That a page names a defect with the text of its warning.
fn told_on(page: &str, warning: &str) {
    let path = format!("{}/../../docs/src/reference/peers/{page}.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(warning), "{page}.md does not tell: {warning}");
}

/// That the first manifest meets the defect of this warning, and the second does not.
fn only(warning: &str, meets: &str, near: &str) {
    let told = |text| defects(text).iter().any(|message| message.contains(warning));
    assert!(told(meets), "`{warning}` is not told of\n{meets}\nonly {:?}", defects(meets));
    assert!(!told(near), "`{warning}` is told of\n{near}");
}

fn hpa(spec: &str) -> String {
    format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: a}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: a}}\n{spec}"
    )
}

#[test]
fn of_the_hpa() {
    let only = |warning: &str, meets: &str, near: &str| {
        told_on("hpa", warning);
        only(warning, meets, near);
    };
    let behavior = |up: &str| {
        hpa(&format!("  maxReplicas: 100\n  behavior: {{scaleUp: {{policies: [{up}]}}}}\n"))
    };
    only(
        "a scale-down window of 5 minutes can scale up",
        &hpa("  maxReplicas: 3\n"),
        &behavior("{type: Pods, value: 4, periodSeconds: 60}"),
    );
    for limit in [
        "{type: Pods, value: 2147483647, periodSeconds: 15}",
        "{type: Percent, value: 2147483647, periodSeconds: 15}",
    ] {
        let near = "{type: Pods, value: 1000, periodSeconds: 15}";
        only("exceeds 32 bits, where the HPA's number turns", &behavior(limit), &behavior(near));
    }
    only(
        "the HPA's step limit turns negative",
        &hpa("  maxReplicas: 1073741824\n"),
        &hpa("  maxReplicas: 1073741823\n"),
    );

    let zero = |rules: &str| {
        hpa(&format!(
            "  minReplicas: 0\n  maxReplicas: 9\n  behavior: {{scaleUp: {{{rules}}}}}\n  metrics:\n  - \
             type: External\n    external: {{metric: {{name: q}}, target: {{type: AverageValue, \
             averageValue: 4}}}}\n"
        ))
    };
    let percent = "{type: Percent, value: 100, periodSeconds: 15}";
    let pods = "{type: Pods, value: 1, periodSeconds: 15}";
    let both = format!("policies: [{percent}, {pods}]");
    only("never scales up again", &zero(&format!("policies: [{percent}]")), &zero(&both));
    only("never scales up again", &zero(&format!("{both}, selectPolicy: Min")), &zero(&both));

    let object = |target: &str| {
        hpa(&format!(
            "  maxReplicas: 9\n  metrics:\n  - type: Object\n    object: {{describedObject: {{kind: \
             Ingress, name: a, apiVersion: networking.k8s.io/v1}}, metric: {{name: q}}, target: \
             {{{target}}}}}\n"
        ))
    };
    only(
        "its type does not name the field that is set",
        &object("type: AverageValue, value: 4"),
        &object("type: AverageValue, averageValue: 4"),
    );
    only(
        "with none ready the HPA goes to its minimum",
        &object("type: Value, value: 4"),
        &object("type: AverageValue, averageValue: 4"),
    );
}

fn scaled_object(spec: &str, metadata: &str) -> String {
    format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: a}}\nspec:\n  \
         scaleTargetRef: {{name: a}}\n{spec}  triggers:\n  - {{type: prometheus, name: q, metadata: \
         {{threshold: \"8\", query: up, {metadata}}}}}\n"
    )
}

#[test]
fn of_keda() {
    let only = |warning: &str, meets: &str, near: &str| {
        told_on("keda", warning);
        only(warning, meets, near);
    };
    let keda = |spec: &str| scaled_object(spec, "ignoreNullValues: \"false\"");
    let behavior = "  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleDown: \
                    {stabilizationWindowSeconds: 600}}}}\n";
    only(
        "from any count at once when no trigger is active",
        &keda(behavior),
        &keda(&format!("  minReplicaCount: 1\n{behavior}")),
    );
    only(
        "to and fro between idle and minReplicaCount",
        &keda("  idleReplicaCount: 1\n  minReplicaCount: 2\n"),
        &keda("  idleReplicaCount: 0\n  minReplicaCount: 2\n"),
    );
    only(
        "`cooldownPeriod` has no effect",
        &keda("  minReplicaCount: 1\n  cooldownPeriod: 60\n"),
        &keda("  minReplicaCount: 0\n  cooldownPeriod: 60\n"),
    );
    only(
        "`pollingInterval` has no effect",
        &keda("  minReplicaCount: 1\n  pollingInterval: 5\n"),
        &keda("  pollingInterval: 5\n"),
    );
    let fallback = "  fallback: {failureThreshold: 3, replicas: 4}\n";
    only("are counted together", &keda(fallback), &keda(""));
    let modified = |formula: &str, target: &str| {
        keda(&format!(
            "{fallback}  advanced: {{scalingModifiers: {{formula: \"{formula}\", target: \
             \"{target}\"}}}}\n"
        ))
    };
    only("KEDA's fallback never begins", &modified("q", "2.5"), &modified("q", "2"));
    only(
        "here only the first part is one",
        &modified("float(q) > 3 ? 1 : 2", "2"),
        &modified("float(q + 1)", "2"),
    );
    only("takes an empty answer for 0", &scaled_object("", ""), &keda(""));
    only(
        "takes an empty answer for 0",
        &scaled_object("", "ignoreNullValues: \"true\""),
        &keda(""),
    );
    // The HPA of KEDA has at least 1 replica: percentages do not hold it at 0.
    let percent = "  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleUp: {policies: \
                   [{type: Percent, value: 100, periodSeconds: 15}]}}}}\n";
    assert!(!defects(&keda(percent)).iter().any(|message| message.contains("never scales up")));
}

#[test]
fn of_keda_by_what_triggers_there_are() {
    let only = |warning: &str, meets: &str, near: &str| {
        told_on("keda", warning);
        only(warning, meets, near);
    };
    let triggers = |spec: &str, triggers: &str| {
        format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: a}}\nspec:\n  \
             scaleTargetRef: {{name: a}}\n{spec}  triggers: [{triggers}]\n"
        )
    };
    let cpu = "{type: cpu, metricType: Utilization, metadata: {value: \"60\"}}";
    let redis = "{type: redis, metadata: {listName: a}}";
    only(
        "always active and never goes to 0",
        &triggers("", cpu),
        &triggers("", &format!("{cpu}, {redis}")),
    );
    let fallback = "  minReplicaCount: 1\n  fallback: {failureThreshold: 3, replicas: 4}\n";
    only(
        "it is not for triggers of CPU and memory",
        &triggers(fallback, cpu),
        &triggers(fallback, redis),
    );
    only(
        "the verdict on the last of them alone",
        &triggers("", "{type: external, metadata: {scalerAddress: \"a:1\", targetValue: \"3\"}}"),
        &triggers("", redis),
    );
    only(
        "did you mean `activationListLength`?",
        &triggers("", "{type: redis, metadata: {activationListLenght: \"3\"}}"),
        &triggers("", redis),
    );
    only(
        "reads `metricType` of the trigger, and no longer this",
        &triggers("", "{type: cpu, metadata: {type: Utilization, value: \"60\"}}"),
        &triggers("", cpu),
    );
    let modifiers =
        "  minReplicaCount: 1\n  advanced: {scalingModifiers: {formula: q, target: \"2\"}}\n";
    let queue = "{type: redis, name: q, metadata: {listName: a}}";
    let container = cpu.replace("value:", "containerName: c, value:");
    only(
        "does not get this metric",
        &triggers(modifiers, &format!("{queue}, {container}")),
        &triggers(modifiers, &format!("{queue}, {cpu}")),
    );
    let paused = |value: &str| {
        triggers("", redis).replace(
            "{name: a}\nspec",
            &format!("{{name: a, annotations: {{autoscaling.keda.sh/paused: {value}}}}}\nspec"),
        )
    };
    only("which KEDA takes for true", &paused("\"no\""), &paused("\"false\""));
}

fn service(annotations: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n  template:\n    \
         metadata: {{annotations: {{{annotations}}}}}\n    spec: {{}}\n"
    )
}

#[test]
fn of_knative() {
    let only = |warning: &str, meets: &str, near: &str| {
        told_on("knative", warning);
        only(warning, meets, near);
    };
    let delay =
        |delay: &str| service(&format!("autoscaling.knative.dev/scale-down-delay: {delay}"));
    only("changing it on a running one has no effect", &delay("15m"), &delay("0s"));
    only("so it may last up to 2 s less", &delay("15m"), &delay("0s"));
    only(
        "Knative knows no annotation",
        &service("autoscaling.knative.dev/min-scael: \"1\""),
        &service("autoscaling.knative.dev/min-scale: \"1\""),
    );
    let class = "autoscaling.knative.dev/class: hpa.autoscaling.knative.dev, \
                 autoscaling.knative.dev/metric: memory";
    only(
        "without a target Knative's HPA looks at CPU",
        &service(class),
        &service(&format!("{class}, autoscaling.knative.dev/target: \"500\"")),
    );
}

fn ray(config: &str) -> String {
    format!(
        "applications:\n- name: a\n  import_path: a:b\n  deployments:\n  - name: D\n    \
         max_ongoing_requests: 5\n    autoscaling_config: {{{config}}}\n"
    )
}

#[test]
fn of_ray_serve() {
    for warning in ["from 0 Ray starts upscaling_factor replicas", "Ray never goes to 0 at once"] {
        only(warning, &ray("min_replicas: 0"), &ray("min_replicas: 1"));
    }
    only(
        "the load of that moment decides",
        &ray("max_replicas: 4"),
        &ray("upscale_delay_s: 0, downscale_delay_s: 0"),
    );
    only("can flap", &ray("upscale_delay_s: 20"), &ray("upscale_delay_s: 30"));
    only("can flap", &ray("look_back_period_s: 601"), &ray("look_back_period_s: 30"));
    only("one replica at a time", &ray("downscaling_factor: 0.5"), &ray("downscaling_factor: 1"));
    only(
        "rounded up to a whole replica",
        &ray("upscaling_factor: 0.5"),
        &ray("upscaling_factor: 2"),
    );
    only("will refuse it", &ray("look_back_period_s: 10"), &ray("look_back_period_s: 11"));
    only(
        "more than a replica takes at once",
        &ray("target_ongoing_requests: 6"),
        &ray("target_ongoing_requests: 5"),
    );
    only("did you mean `max_replicas`?", &ray("max_replica: 3"), &ray("max_replicas: 3"));
    only(
        "knows this name no more",
        &ray("target_num_ongoing_requests_per_replica: 3"),
        &ray("target_ongoing_requests: 3"),
    );
    let llm = |config: &str| {
        format!(
            "applications:\n- name: a\n  import_path: ray.serve.llm:build_openai_app\n  args: \
             {{llm_configs: [{{deployment_config: {{autoscaling_config: {{{config}}}}}}}]}}\n"
        )
    };
    only("sets one of 1e9", &llm("max_replicas: 3"), &llm("target_ongoing_requests: 3"));
}

fn inference_service(class: &str, predictor: &str) -> String {
    format!(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: a\n  \
         annotations: {{serving.kserve.io/deploymentMode: Standard, \
         serving.kserve.io/autoscalerClass: {class}}}\nspec:\n  predictor: {{{predictor}}}\n"
    )
}

#[test]
fn of_kserve() {
    let only = |warning: &str, meets: &str, near: &str| {
        told_on("kserve", warning);
        only(warning, meets, near);
    };
    let hpa = |predictor: &str| inference_service("hpa", predictor);
    only(
        "KServe raises it to 1",
        &hpa("minReplicas: 0, maxReplicas: 2"),
        &hpa("minReplicas: 1, maxReplicas: 2"),
    );
    only(
        "nothing is ever scaled up",
        &hpa("minReplicas: 2"),
        &hpa("minReplicas: 2, maxReplicas: 3"),
    );
    let metrics = "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, \
                   averageUtilization: 60}}}]";
    only(
        "does not hand `autoScaling.behavior` to its HPA",
        &hpa(&format!("maxReplicas: 2, autoScaling: {{{metrics}, behavior: {{}}}}")),
        &hpa(&format!("maxReplicas: 2, autoScaling: {{{metrics}}}")),
    );
    only(
        "takes a utilization of CPU in any case",
        &hpa(&format!(
            "maxReplicas: 2, autoScaling: {{{}}}",
            metrics.replace("Utilization, averageUtilization: 60", "AverageValue, averageValue: 2")
        )),
        &hpa(&format!("maxReplicas: 2, autoScaling: {{{metrics}}}")),
    );
    only(
        "looks at CPU, not at memory",
        &hpa("maxReplicas: 2, scaleMetric: memory"),
        &hpa("maxReplicas: 2, scaleMetric: memory, scaleTarget: 60"),
    );
}

#[test]
fn of_kserve_with_keda() {
    let only = |warning: &str, meets: &str, near: &str| {
        told_on("kserve", warning);
        only(warning, meets, near);
    };
    let keda = |rest: &str, type_: &str| {
        inference_service(
            "keda",
            &format!(
                "maxReplicas: 4, {rest} autoScaling: {{metrics: [{{type: External, external: {{metric: \
                 {{backend: prometheus, query: up}}, target: {{type: {type_}, value: 4}}}}}}], \
                 behavior: {{scaleDown: {{stabilizationWindowSeconds: 60}}}}}}"
            ),
        )
    };
    let averaged = keda("", "AverageValue");
    only("which takes it for an average", &keda("", "Value"), &averaged);
    only("takes an empty answer for 0", &averaged, &inference_service("hpa", "maxReplicas: 2"));
    crate::import_defects::only(
        "from any count at once when no trigger is active",
        &keda("minReplicas: 0,", "AverageValue"),
        &averaged,
    );
    only(
        "hands only the stabilization windows to KEDA",
        &averaged.replace("Seconds: 60}", "Seconds: 60, selectPolicy: Min}"),
        &averaged,
    );
}

#[test]
fn of_kserves_annotations() {
    let service = |annotation: &str| {
        format!(
            "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: a\n  \
             annotations:\n    serving.kserve.io/deploymentMode: Standard\n    {annotation}\nspec:\n  \
             predictor: {{minReplicas: 1, maxReplicas: 3, model: {{}}}}\n"
        )
    };
    let near = service("serving.kserve.io/autoscalerClass: hpa");
    for key in ["metric", "targetUtilizationPercentage"] {
        let meets = service(&format!("serving.kserve.io/{key}: \"75\""));
        only("KServe no longer reads this annotation", &meets, &near);
    }
}
