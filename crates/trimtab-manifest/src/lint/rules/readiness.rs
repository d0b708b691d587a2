//! When a replica counts as ready: not before it can answer.

use crate::lint::documents::{Container, Handler, Probe};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[&MISSING, &IS_LIVENESS, &TCP];

static MISSING: Rule = Rule {
    id: "readiness-missing",
    severity: Severity::Warning,
    summary: "a model server without a readinessProbe",
    why: "without a readinessProbe a container counts as ready as soon as it runs (Kubernetes, Pod \
          lifecycle: the default state of a container without the probe is Success), so requests reach \
          a model that is still loading, and an autoscaler counts capacity that is not there",
    fix: "Add a readinessProbe on an endpoint that answers once the model is loaded and has made a \
          warm-up inference.",
    check: missing,
};

static IS_LIVENESS: Rule = Rule {
    id: "readiness-is-liveness",
    severity: Severity::Warning,
    summary: "the readinessProbe asks only whether the process is alive",
    why: "a process is alive long before its model is loaded and warm; where one endpoint answers both \
          questions, either requests come too early or a loading container is killed. Readiness has to \
          wait for the weights, the CUDA context and a first inference",
    fix: "Give readiness an endpoint of its own, such as `/readyz`, that answers only after warm-up.",
    check: is_liveness,
};

static TCP: Rule = Rule {
    id: "readiness-tcp",
    severity: Severity::Warning,
    summary: "a model server is ready as soon as its port is open",
    why: "a TCP probe succeeds when the kubelet can connect; servers open the port before the model is \
          loaded or warm, and keep it open when the engine has died",
    fix: "Probe an HTTP or gRPC endpoint that answers once the model can serve.",
    check: tcp,
};

/// What to paste: with the endpoint of the server, where its image tells it, and the container's port.
fn right(container: &Container<'_>) -> String {
    let path = if container.is_triton() {
        "/v2/health/ready"
    } else if container.answers_when_loaded() {
        "/health"
    } else {
        "/readyz"
    };
    let port = shortened(container.port().unwrap_or("8080"));
    format!("readinessProbe:\n  httpGet:\n    path: {path}\n    port: {port}\n  periodSeconds: 5")
}

fn missing(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in set.around().serving() {
        let models = service.model_containers();
        let Some(container) = models.first().copied() else { continue };
        let containers = service.workload.containers();
        if containers.iter().any(|one| speaks_for(one, &models)) {
            continue;
        }
        let name = shortened(container.name());
        let message = format!("`{name}` loads a model and has no readinessProbe");
        let added = findings.add(&MISSING, container.heading(), message).help(right(&container));
        // Until a startup probe has succeeded nothing is ready.
        if guards_loading(&container) {
            added.severity(Severity::Note);
        }
    }
}

fn is_liveness(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in set.around().loading() {
        for container in service.model_containers() {
            let Some(readiness) = container.readiness() else { continue };
            let Some(handler) = readiness.handler() else { continue };
            if !asks_only_aliveness(&container, &readiness, handler) {
                continue;
            }
            let asked = handler.describe();
            let liveness =
                container.liveness().filter(|liveness| same(&container, liveness, &readiness));
            let message = match liveness {
                Some(_) => format!("the readinessProbe asks {asked}, as the livenessProbe does"),
                None => {
                    format!("the readinessProbe asks {asked}, which says that the process is alive")
                }
            };
            let added = findings
                .add(&IS_LIVENESS, readiness.handler_field(), message)
                .help(right(&container));
            if let Some(liveness) = liveness {
                added.related(liveness.handler_field(), "the livenessProbe asks the same");
            }
        }
    }
}

fn asks_only_aliveness<'n>(
    container: &Container<'n>,
    readiness: &Probe<'n>,
    handler: Handler<'_>,
) -> bool {
    // An open port is another rule's, and these servers open it when they are ready.
    if matches!(handler, Handler::Tcp { .. }) || container.answers_when_loaded() {
        return false;
    }
    let equals_liveness =
        container.liveness().is_some_and(|liveness| same(container, &liveness, readiness));
    let startup = container.startup();
    let equals_startup = startup.is_some_and(|startup| same(container, &startup, readiness));
    // One endpoint for all three, with patience at the start, is one that answers late.
    let answers_late = equals_startup && startup.is_some_and(|startup| startup.patience() >= 120);
    if handler.is_aliveness() {
        let says_alive = handler.says_alive();
        // Asked apart from liveness, such a path may be the one for readiness all the same.
        return (says_alive || equals_liveness || container.liveness().is_none())
            && (says_alive || !answers_late)
            && (equals_liveness || !guards_loading(container));
    }
    equals_liveness && startup.is_none()
}

fn tcp(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in set.around().loading() {
        for container in service.model_containers() {
            let Some(readiness) = container.readiness() else { continue };
            let Some(handler @ Handler::Tcp { .. }) = readiness.handler() else { continue };
            let asked = handler.describe();
            let message = format!("the readinessProbe only asks whether {asked} is open");
            let added =
                findings.add(&TCP, readiness.handler_field(), message).help(right(&container));
            // Of these an open port says that the model is loaded, if not that it is warm or answers.
            if guards_loading(&container) || container.opens_when_loaded() {
                added.severity(Severity::Note);
            }
        }
    }
}

/// Whether a startup probe that can tell a loaded model from a running process comes before all
/// others.
fn guards_loading(container: &Container<'_>) -> bool {
    let handler = container.startup().and_then(|startup| startup.handler());
    handler
        .is_some_and(|handler| !matches!(handler, Handler::Tcp { .. }) && !handler.is_aliveness())
}

/// Whether the readiness of a container may tell that of the model: its own, or of one that requests come
/// through. A sidecar that is asked on a port of its own, beside a model that listens itself, tells only of
/// the sidecar.
fn speaks_for(container: &Container<'_>, models: &[Container<'_>]) -> bool {
    let Some(readiness) = container.readiness() else { return false };
    let Some(handler) = readiness.handler() else { return false };
    let is_model = models.iter().any(|model| model.field.span == container.field.span);
    let asked = match handler {
        Handler::Http { port, .. } | Handler::Tcp { port } => container.numbered(port),
        Handler::Grpc { .. } | Handler::Exec => return true,
    };
    let mut ports = container.field.list("ports");
    let is_own = ports.any(|port| port.text_of("containerPort") == Some(asked));
    is_model || !is_own || !models.iter().all(|model| model.field.list("ports").next().is_some())
}

/// Whether two probes ask the same.
fn same<'n>(container: &Container<'n>, one: &Probe<'n>, two: &Probe<'n>) -> bool {
    match (numbered(container, one), numbered(container, two)) {
        (Some(Handler::Exec), Some(Handler::Exec)) => one.command().eq(two.command()),
        // gRPC knows one question for each service, and servers answer it when they are ready.
        (Some(Handler::Grpc { .. }), _) => false,
        (one, two) => one.is_some() && one == two,
    }
}

/// What a probe asks, its port as a number where the container says which one it is.
fn numbered<'n>(container: &Container<'n>, probe: &Probe<'n>) -> Option<Handler<'n>> {
    match probe.handler() {
        Some(Handler::Http { path, port }) => {
            Some(Handler::Http { path, port: container.numbered(port) })
        }
        other => other,
    }
}
