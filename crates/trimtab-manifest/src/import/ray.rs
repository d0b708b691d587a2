//! Ray Serve configs and RayServices, to `strategy: rayServe`.

use std::collections::BTreeSet;

use trimtab_engine::{Finite, RayServeAggregation, RayServeSpec, StrategyName};
use trimtab_metric::Quantity;

use super::block::{Block, Field};
use super::draft::{Draft, target_of};
use super::{Import, Note, NoteKind, PeerKind, Skipped, inner, kept};
use crate::node::{Node, shortened};
use crate::{Metadata, Problem};

/// The policies that come with Ray and do what `strategy: rayServe` does.
const OWN_POLICIES: [&str; 2] = [
    "ray.serve.autoscaling_policy:default_autoscaling_policy",
    "ray.serve.autoscaling_policy:replica_queue_length_autoscaling_policy",
];

/// A config file as `serve deploy` takes it.
pub(super) fn serve_config(import: &mut Import<'_>, root: &Node) {
    let config = Config { kind: PeerKind::RayServe, metadata: Metadata::default(), service: None };
    applications(import, Field::root(root), &config);
}

/// A RayService, whose `serveConfigV2` is such a file in a string.
pub(super) fn ray_service(import: &mut Import<'_>, root: &Node) {
    let root = Field::root(root);
    let Some((metadata, mut spec)) = import.open(root.node) else { return };
    let Some(field) = spec.field("serveConfigV2") else {
        import.problems.push(spec.missing("serveConfigV2"));
        return;
    };
    if let Some(cluster) = spec.field("rayClusterConfig") {
        let message =
            "rayClusterConfig: the nodes that replicas find room on are no part of a policy";
        note(import, NoteKind::NoCounterpart, &cluster, message);
    }
    let Some(inner) = inner::document(import.source, &field, &import.limits, &mut import.problems)
    else {
        return;
    };
    // All of them together read no more than one source may hold.
    import.limits.max_nodes = import.limits.max_nodes.saturating_sub(inner.size);
    let service = metadata.name.clone();
    let metadata = kept(metadata, &[]);
    let config = Config { kind: PeerKind::RayService, metadata, service: Some(service) };
    let top = Field { path: field.path.clone(), ..Field::root(&inner) };
    applications(import, top, &config);
}

/// Where deployments are from.
struct Config {
    kind: PeerKind,
    metadata: Metadata,
    /// The RayService around the config, if there is one.
    service: Option<String>,
}

fn applications(import: &mut Import<'_>, top: Field<'_>, config: &Config) {
    let Some(mut block) = Block::new(top, &mut import.problems) else { return };
    let capacity = block.get::<Finite>("target_capacity", &mut import.problems);
    let list = block.items("applications", &mut import.problems);
    for (key, field) in block.rest() {
        let message = format!("{key}: {}", field.written());
        note(import, NoteKind::NoCounterpart, &field, &message);
    }
    let mut names = BTreeSet::new();
    for item in list {
        application(import, item, config, capacity.as_ref(), &mut names);
    }
}

fn application<'n>(
    import: &mut Import<'_>,
    item: Field<'n>,
    config: &Config,
    capacity: Option<&(Finite, Field<'n>)>,
    names: &mut BTreeSet<String>,
) {
    let Some(mut block) = Block::new(item, &mut import.problems) else { return };
    let name = block.get::<String>("name", &mut import.problems).map(|(name, _)| name);
    let name = name.unwrap_or_else(|| String::from("default"));
    block.known(&["import_path", "route_prefix", "runtime_env", "host", "port", "logging_config"]);
    if let Some(field) = block.field("autoscaling_policy") {
        let message =
            "a policy of the whole application is code that decides on all deployments together";
        import.problems.push(field.refused(message, "only Ray's own policy can be imported"));
    }
    if let Some((true, field)) = block.get::<bool>("external_scaler_enabled", &mut import.problems)
    {
        let message = "the counts of this application come from outside, by Ray's REST API";
        import.problems.push(field.refused(message, "there is nothing in it that decides"));
    }
    let mut deployments: Vec<(Field<'n>, bool)> = Vec::new();
    for field in block.items("deployments", &mut import.problems) {
        deployments.push((field, false));
    }
    if let Some(mut args) = block
        .field("args")
        .filter(|args| args.node.entries().is_some())
        .and_then(|args| Block::new(args, &mut import.problems))
    {
        // What a builder does with its arguments is code, but for Ray Serve LLM's.
        for field in args.items("llm_configs", &mut import.problems) {
            deployments.push((field, true));
        }
    }
    for (key, field) in block.rest() {
        let message = format!("{key}: {}", field.written());
        note(import, NoteKind::NoCounterpart, &field, &message);
    }
    for (field, is_llm) in deployments {
        let mut of =
            Application { import: &mut *import, config, name: &name, capacity, names: &mut *names };
        if is_llm {
            of.llm(field);
        } else {
            of.deployment(field);
        }
    }
}

fn note(import: &mut Import<'_>, kind: NoteKind, field: &Field<'_>, message: &str) {
    import.notes.push(Note {
        kind,
        field: Some(field.path.clone()),
        policy_field: None,
        message: message.to_owned(),
        position: import.source.position(0),
        span: field.span,
    });
}

struct Application<'a, 's, 'n> {
    import: &'a mut Import<'s>,
    config: &'a Config,
    name: &'a str,
    capacity: Option<&'a (Finite, Field<'n>)>,
    names: &'a mut BTreeSet<String>,
}

/// What a deployment has that says nothing about how many replicas there are.
const OTHER_FIELDS: [&str; 20] = [
    "ray_actor_options",
    "user_config",
    "max_queued_requests",
    "backpressure_config",
    "graceful_shutdown_wait_loop_s",
    "graceful_shutdown_timeout_s",
    "health_check_period_s",
    "health_check_timeout_s",
    "placement_group_bundles",
    "placement_group_strategy",
    "placement_group_bundle_label_selector",
    "max_replicas_per_node",
    "logging_config",
    "request_router_config",
    "request_router_class",
    "deployment_actors",
    "rolling_update_percentage",
    "max_surge_percent",
    "is_driver_deployment",
    "init_args",
];

impl<'n> Application<'_, '_, 'n> {
    /// A deployment of the application's `deployments`.
    fn deployment(&mut self, field: Field<'n>) {
        let Some(mut block) = Block::new(field, &mut self.import.problems) else { return };
        let name = block.required::<String>("name", &mut self.import.problems);
        if let Some((name, _)) = name {
            self.options(&mut block, &name, false);
        }
    }

    /// A model of Ray Serve LLM, whose deployment is made by a builder.
    fn llm(&mut self, field: Field<'n>) {
        let Some(mut block) = Block::new(field.clone(), &mut self.import.problems) else { return };
        let problems = &mut self.import.problems;
        let model = block.block("model_loading_config", problems);
        let id = model.and_then(|mut model| model.get::<String>("model_id", problems));
        let id = id.map_or_else(|| String::from("llm"), |(id, _)| id);
        match block.block("deployment_config", problems) {
            Some(mut options) => self.options(&mut options, &id, true),
            None => self.skip(&id, "it has no deployment_config", &field),
        }
    }

    fn skip(&mut self, name: &str, why: &str, field: &Field<'_>) {
        let what = format!("deployment `{}` of `{}`", shortened(name), shortened(self.name));
        self.import.skipped.push(Skipped::new(what, why, field.span));
    }

    fn options(&mut self, block: &mut Block<'n>, name: &str, is_llm: bool) {
        let root = block.field.clone();
        let mut draft = Draft::default();
        let replicas = block.field("num_replicas");
        let given = replicas.as_ref().and_then(Field::text);
        let is_auto = given == Some("auto");
        let config = block.block("autoscaling_config", &mut draft.problems);
        if config.is_none() && !is_auto {
            let why = match (given, replicas) {
                (Some(count), Some(_)) => {
                    format!("its count is fixed, num_replicas: {}", shortened(count))
                }
                _ => String::from("it has no autoscaling_config; its count is in the code, or 1"),
            };
            self.import.problems.append(&mut draft.problems);
            return self.skip(name, &why, &root);
        }
        if let Some(field) = replicas.filter(|_| !is_auto) {
            let message = "a deployment with an autoscaling_config has no fixed `num_replicas`";
            let help = "leave one of them out, or set num_replicas to `auto`";
            draft.problems.push(field.refused(message, help));
        }
        draft.spec.strategy = StrategyName::RayServe;
        self.target(&mut draft, name);
        let mut ray = RayServeSpec::default();
        let mut has_target = false;
        if is_auto {
            draft.spec.max_replicas = 100;
        }
        if let Some(mut config) = config {
            has_target = autoscaling(&mut draft, &mut ray, &mut config, is_auto);
        } else {
            draft.assumed("spec.maxReplicas", "100 is Ray's default for `num_replicas: auto`");
        }
        if !has_target && is_llm {
            draft.external(
                "ongoing_requests",
                target_of("AverageValue", Quantity::from_units(1_000_000_000)),
            );
            draft.defect(
                "spec.metrics[0].external.target.averageValue",
                "without a target_ongoing_requests Ray Serve LLM sets one of 1e9, which never \
                 scales: set it to what a replica can serve at once",
            );
        }
        self.gang(&mut draft, &mut ray, block);
        if let Some((capacity, field)) = self.capacity {
            ray.target_capacity_percentage = Some(*capacity);
            draft.origin("spec.rayServe.targetCapacityPercentage", field.clone());
        }
        leftovers(&mut draft, block);
        defects(&mut draft, &ray);
        draft.spec.ray_serve =
            Some(ray).filter(|ray| *ray != RayServeSpec::default()).map(Box::new);
        let metadata = self.metadata(name);
        draft.finish(self.import, self.config.kind, metadata, &root);
    }

    /// What is scaled. Ray has no object for a deployment, so it is the service around it.
    fn target(&self, draft: &mut Draft<'n>, deployment: &str) {
        let name = self.config.service.as_deref().unwrap_or(self.name);
        draft.scales("ray.io/v1", "RayService", &name.replace(['/', '%'], "-"));
        let of = format!("deployment {deployment} of application {}", self.name);
        draft.explain("spec.scaleTargetRef", of);
    }

    fn gang(&self, draft: &mut Draft<'n>, ray: &mut RayServeSpec, block: &mut Block<'n>) {
        let Some(mut gang) = block.block("gang_scheduling_config", &mut draft.problems) else {
            return;
        };
        ray.gang_size = draft.take(&mut gang, "gang_size", "spec.rayServe.gangSize");
        if ray.gang_size.is_none() {
            draft.problems.push(gang.missing("gang_size"));
        }
        for (_, field) in gang.rest() {
            draft.no_counterpart(&field, "spec.rayServe.gangSize", "");
        }
    }

    /// Deployments have names of their own; a document needs one of Kubernetes' form.
    fn metadata(&mut self, deployment: &str) -> Metadata {
        let mut metadata = self.config.metadata.clone();
        let parts = [self.config.service.as_deref(), Some(self.name), Some(deployment)];
        let parts: Vec<&str> =
            parts.into_iter().flatten().filter(|part| *part != "default").collect();
        let name = object_name(&parts.join("-"));
        let mut unique = name.clone();
        let mut number = 2_u32;
        while !self.names.insert(unique.clone()) {
            unique = format!("{name}-{number}");
            number = number.saturating_add(1);
        }
        metadata.name = unique;
        metadata
    }
}

/// A name as Kubernetes has them: lowercase letters, digits and `-`.
fn object_name(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut name = String::new();
    for char in text.chars().take(LONGEST) {
        let char = char.to_ascii_lowercase();
        if char.is_ascii_alphanumeric() {
            name.push(char);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { String::from("deployment") } else { name.to_owned() }
}

/// `autoscaling_config`; says whether it has a target.
fn autoscaling<'n>(
    draft: &mut Draft<'n>,
    ray: &mut RayServeSpec,
    config: &mut Block<'n>,
    is_auto: bool,
) -> bool {
    draft.spec.min_replicas = draft.take(config, "min_replicas", "spec.minReplicas");
    match config.get::<i32>("max_replicas", &mut draft.problems) {
        Some((0, field)) => draft.problems.push(field.invalid("is 0", "it has to be at least 1")),
        Some((most, field)) => {
            draft.spec.max_replicas = most;
            draft.origin("spec.maxReplicas", field);
        }
        None if is_auto => {
            draft.assumed("spec.maxReplicas", "100 is Ray's default for `num_replicas: auto`");
        }
        None => {}
    }
    let path = "spec.metrics[0].external.target.averageValue";
    let old_target = "target_num_ongoing_requests_per_replica";
    let target = config.field("target_ongoing_requests").or_else(|| config.field(old_target));
    let has_target = target.is_some();
    if let Some(field) = target
        && let Some(amount) = field.decode::<Quantity>(&mut draft.problems)
    {
        draft.external("ongoing_requests", target_of("AverageValue", amount));
        draft.origin(path, field);
    }
    let mut take = |key, field: &str, draft: &mut Draft<'n>| {
        draft.take::<Finite>(config, key, &format!("spec.rayServe.{field}"))
    };
    ray.upscale_delay_seconds = take("upscale_delay_s", "upscaleDelaySeconds", draft);
    ray.downscale_delay_seconds = take("downscale_delay_s", "downscaleDelaySeconds", draft);
    ray.downscale_to_zero_delay_seconds =
        take("downscale_to_zero_delay_s", "downscaleToZeroDelaySeconds", draft);
    ray.look_back_period_seconds = take("look_back_period_s", "lookBackPeriodSeconds", draft);
    ray.metrics_interval_seconds = take("metrics_interval_s", "metricsIntervalSeconds", draft);
    let both = take("smoothing_factor", "upscalingFactor", draft);
    let old_up = take("upscale_smoothing_factor", "upscalingFactor", draft);
    let old_down = take("downscale_smoothing_factor", "downscalingFactor", draft);
    let up = take("upscaling_factor", "upscalingFactor", draft);
    let down = take("downscaling_factor", "downscalingFactor", draft);
    ray.upscaling_factor = up.or(old_up).or(both);
    ray.downscaling_factor = down.or(old_down).or(both);
    ray.initial_replicas = draft.take(config, "initial_replicas", "spec.rayServe.initialReplicas");
    ray.aggregation_function = aggregation(draft, config);
    if let Some(policy) = config.field("policy").or_else(|| config.field("_policy")) {
        own_policy(&policy, &mut draft.problems);
    }
    for (key, field) in config.rest() {
        draft.no_counterpart(&field, "spec.rayServe", "");
        if let Some(known) = config.nearest(key) {
            let message =
                format!("Ray knows no such field and ignores it: did you mean `{known}`?");
            draft.defect_of(&field, "spec.rayServe", message);
        }
    }
    has_target
}

fn aggregation<'n>(draft: &mut Draft<'n>, config: &mut Block<'n>) -> Option<RayServeAggregation> {
    let (text, field) = config.get::<String>("aggregation_function", &mut draft.problems)?;
    match text.to_ascii_lowercase().as_str() {
        "mean" => Some(RayServeAggregation::Mean),
        "max" => Some(RayServeAggregation::Max),
        "min" => Some(RayServeAggregation::Min),
        _ => {
            let what = format!("is `{}`", shortened(&text));
            draft.problems.push(field.invalid(&what, "it has to be `mean`, `max` or `min`"));
            None
        }
    }
}

/// A policy that is code cannot be a policy here.
fn own_policy(policy: &Field<'_>, problems: &mut Vec<Problem>) {
    let function = match policy.node.entries() {
        Some(_) => ["policy_function", "name"].iter().find_map(|key| policy.node.get(key)),
        None => Some(policy.node),
    };
    let function = function.map(Field::root).and_then(|function| function.text());
    if function.is_none_or(|function| !OWN_POLICIES.contains(&function)) {
        let message = format!(
            "the policy `{}` is code that decides by its own rules",
            shortened(function.unwrap_or_default())
        );
        problems.push(policy.refused(message, "only Ray's own policy can be imported"));
    }
}

/// What else a deployment has.
fn leftovers<'n>(draft: &mut Draft<'n>, block: &mut Block<'n>) {
    block.known(&OTHER_FIELDS);
    let cap = block.field("max_ongoing_requests").or_else(|| block.field("max_concurrent_queries"));
    if let Some(field) = cap {
        draft.no_counterpart(&field, "spec.metrics", "what a replica takes at most; more waits");
        let cap = field.text().and_then(super::text::number);
        let metric = draft.spec.metrics.as_deref().unwrap_or_default().first();
        let target = metric
            .and_then(|metric| metric.external.as_ref()?.target.average_value.as_ref())
            .map_or(2.0, Quantity::approx_f64);
        if cap.is_some_and(|cap| cap < target) {
            let message = "the target is more than a replica takes at once: it is scaled up only \
                           when requests wait";
            draft.defect("spec.metrics[0].external.target.averageValue", message);
        }
    }
    for (key, field) in block.rest() {
        draft.no_counterpart(&field, "spec.rayServe", "");
        if let Some(known) = block.nearest(key) {
            let message =
                format!("Ray knows no such field and ignores it: did you mean `{known}`?");
            draft.defect_of(&field, "spec.rayServe", message);
        }
    }
}

/// What is known to go wrong with such a config.
fn defects(draft: &mut Draft<'_>, ray: &RayServeSpec) {
    let get = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
    let look_back = get(ray.look_back_period_seconds, 30.0);
    for (field, delay, default) in [
        ("upscaleDelaySeconds", ray.upscale_delay_seconds, 30.0),
        ("downscaleDelaySeconds", ray.downscale_delay_seconds, 600.0),
    ] {
        if get(delay, default) < look_back {
            let message = "a delay shorter than look_back_period_s can flap: what is averaged still \
                           holds the load from before the change (ray#26455)";
            draft.defect(&format!("spec.rayServe.{field}"), message);
        }
    }
    if look_back <= get(ray.metrics_interval_seconds, 10.0) {
        let message = "look_back_period_s has to be more than metrics_interval_s: Ray 2.60 warns, \
                       and will refuse it";
        draft.defect("spec.rayServe.lookBackPeriodSeconds", message);
    }
    if get(ray.downscaling_factor, 1.0) < 1.0 {
        let message = "near its end the way down is one replica at a time, whatever the factor \
                       (ray#46148)";
        draft.defect("spec.rayServe.downscalingFactor", message);
    }
    if draft.spec.min_replicas == Some(0) {
        let message = "from 0 Ray starts upscaling_factor replicas, however many requests wait, and \
                       sizes only once one of them runs";
        draft.defect("spec.minReplicas", message);
    }
}
