//! The deployments of Ray Serve's applications: in a config, or in the string of a `RayService`.

use super::signal::{Aim, Role, Signal, Source};
use super::{Autoscaler, Bound, Form};
use crate::lint::document::Document;
use crate::lint::field::Field;

pub(super) fn deployments(document: &Document) -> Vec<Autoscaler<'_>> {
    let Some(config) = document.serve_config() else { return Vec::new() };
    let mut found = Vec::new();
    for application in config.list("applications") {
        let deployments = application.list("deployments");
        found.extend(deployments.filter_map(|deployment| autoscaler(document, deployment)));
        let models = application.get("args").into_iter().flat_map(|args| args.list("llm_configs"));
        found.extend(models.filter_map(|model| {
            let deployment = model.get("deployment_config")?;
            autoscaler(document, deployment)
        }));
    }
    found
}

/// One that scales; what has a number of replicas does not.
fn autoscaler<'n>(document: &'n Document, deployment: Field<'n>) -> Option<Autoscaler<'n>> {
    let config = deployment.get("autoscaling_config");
    let is_auto = deployment.text_of("num_replicas") == Some("auto");
    let settings = match config {
        Some(config) => config,
        None if is_auto => deployment,
        None => return None,
    };
    let most = if is_auto { 100 } else { 1 };
    let aim = settings.get("target_ongoing_requests").map(|field| (Aim::Average, field));
    let source = Source::Object;
    let field = aim.map_or(settings, |(_, field)| field);
    Some(Autoscaler {
        form: Form::RayServe,
        document,
        spec: deployment,
        target: None,
        min: Bound::of(settings, "min_replicas", Some(1)),
        max: Bound::of(settings, "max_replicas", Some(most)),
        signals: vec![Signal::new(field, source, (None, None), aim).with_role(Role::Load)],
        behavior: None,
    })
}
