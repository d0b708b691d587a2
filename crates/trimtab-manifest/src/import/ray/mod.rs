//! Ray Serve configs and RayServices, to `strategy: rayServe`.

mod config;
mod defects;
mod deployment;

use std::collections::BTreeMap;
use std::rc::Rc;

use trimtab_engine::Finite;

use self::deployment::Application;
use super::block::{Block, Field};
use super::{Import, Note, NoteKind, PeerKind, inner, kept};
use crate::node::Node;
use crate::{Limits, Metadata, Source};

/// A config file as `serve deploy` takes it.
pub(super) fn serve_config(import: &mut Import<'_>, root: &Node) {
    let config = Config { kind: PeerKind::RayServe, metadata: Metadata::default(), service: None };
    applications(import, Field::root(root), &config);
}

/// The config in the string of a RayService, for those who only look; none if it cannot be read.
pub(crate) fn config_of(source: &Source, root: &Node, limits: &Limits) -> Option<Rc<Node>> {
    let mut problems = Vec::new();
    let spec = Block::new(Field::root(root), &mut problems)?.field("spec")?;
    let field = Block::new(spec, &mut problems)?.field("serveConfigV2")?;
    inner::document(source, &field, limits, &mut problems)
}

/// A RayService, whose `serveConfigV2` is such a file in a string.
pub(super) fn ray_service(import: &mut Import<'_>, root: &Node) {
    let root = Field::root(root);
    let Some((metadata, mut spec)) = import.open(root.node) else { return };
    let Some(field) = spec.field("serveConfigV2") else {
        import.problems.push(spec.missing("serveConfigV2"));
        return;
    };
    cluster(import, &mut spec);
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

/// What a RayService has beside its config.
fn cluster(import: &mut Import<'_>, spec: &mut Block<'_>) {
    if let Some(field) = spec.field("rayClusterConfig") {
        let message =
            "rayClusterConfig: the nodes that replicas find room on are no part of a policy";
        note(import, &field, message);
    }
    if let Some(field) = spec.field("upgradeStrategy") {
        let message = format!(
            "upgradeStrategy: {} (an incremental upgrade moves target_capacity, which policies hold \
             still)",
            field.written()
        );
        note(import, &field, &message);
    }
    if let Some((true, field)) = spec.get::<bool>("suspend", &mut import.problems) {
        let help = "without `suspend` it can be imported";
        import.problems.push(field.refused("a suspended RayService has no replicas", help));
    }
    // How the service is reached and replaced.
    spec.known(&[
        "rayClusterDeletionDelaySeconds",
        "serviceUnhealthySecondThreshold",
        "deploymentUnhealthySecondThreshold",
        "serveService",
        "managedBy",
        "excludeHeadPodFromServeSvc",
    ]);
    spec.refuse_rest(&mut import.problems);
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
        note(import, &field, &message);
    }
    let mut names = BTreeMap::new();
    for item in list {
        application(import, item, config, capacity.as_ref(), &mut names);
    }
}

fn application<'n>(
    import: &mut Import<'_>,
    item: Field<'n>,
    config: &Config,
    capacity: Option<&(Finite, Field<'n>)>,
    names: &mut BTreeMap<String, u32>,
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
        note(import, &field, &message);
    }
    for (field, is_llm) in deployments {
        if import.is_full() {
            break;
        }
        let mut of =
            Application { import: &mut *import, config, name: &name, capacity, names: &mut *names };
        if is_llm {
            of.llm(field);
        } else {
            of.deployment(field);
        }
    }
}

fn note(import: &mut Import<'_>, field: &Field<'_>, message: &str) {
    import.notes.push(Note {
        kind: NoteKind::NoCounterpart,
        field: Some(field.path.clone()),
        policy_field: None,
        message: message.to_owned(),
        position: import.source.position(0),
        span: field.span,
    });
}
