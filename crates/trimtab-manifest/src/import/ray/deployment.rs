//! A deployment of an application, as a policy.

use std::collections::BTreeMap;

use trimtab_engine::{Finite, RayServeSpec, StrategyName};
use trimtab_metric::Quantity;

use super::Config;
use super::config::autoscaling;
use super::defects::defects;
use crate::Metadata;
use crate::import::block::{Block, Field};
use crate::import::draft::{Draft, target_of};
use crate::import::{Import, Skipped, text};
use crate::node::shortened;

/// An application whose deployments are read.
pub(super) struct Application<'a, 's, 'n> {
    pub(super) import: &'a mut Import<'s>,
    pub(super) config: &'a Config,
    pub(super) name: &'a str,
    pub(super) capacity: Option<&'a (Finite, Field<'n>)>,
    pub(super) names: &'a mut BTreeMap<String, u32>,
}

impl<'n> Application<'_, '_, 'n> {
    /// A deployment of the application's `deployments`.
    pub(super) fn deployment(&mut self, field: Field<'n>) {
        let Some(mut block) = Block::new(field, &mut self.import.problems) else { return };
        let name = block.required::<String>("name", &mut self.import.problems);
        if let Some((name, _)) = name {
            self.options(&mut block, &name, false);
        }
    }

    /// A model of Ray Serve LLM, whose deployment is made by a builder.
    pub(super) fn llm(&mut self, field: Field<'n>) {
        if let Some(file) = field.text() {
            return self.skip(file, "its llm_config is in a file of its own", &field);
        }
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
        let (deployment, application) = (shortened(deployment), shortened(self.name));
        let of = format!("deployment {deployment} of application {application}");
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
        metadata.name = self.unique(name);
        metadata
    }

    /// A name that no other has: with a number behind it where one has it.
    fn unique(&mut self, name: String) -> String {
        let mut unique = name.clone();
        while self.names.contains_key(&unique) {
            let number = self.names.get(&name).map_or(2, |number| number.saturating_add(1));
            self.names.insert(name.clone(), number);
            unique = format!("{name}-{number}");
        }
        self.names.insert(unique.clone(), 1);
        unique
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

/// What else a deployment has.
fn leftovers<'n>(draft: &mut Draft<'n>, block: &mut Block<'n>) {
    block.known(&OTHER_FIELDS);
    let cap = block.field("max_ongoing_requests").or_else(|| block.field("max_concurrent_queries"));
    if let Some(field) = cap {
        draft.no_counterpart(&field, "spec.metrics", "what a replica takes at most; more waits");
        let cap = field.text().and_then(text::number);
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
