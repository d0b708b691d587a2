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

/// What to paste.
const READINESS: &str = "readinessProbe:\n  httpGet:\n    path: /readyz\n    port: 8080\n  \
                         periodSeconds: 5";

fn missing(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in set.around().serving() {
        // Whatever else is probed in the pod decides for all of it.
        if service.workload.containers().iter().any(|one| one.readiness().is_some()) {
            continue;
        }
        let Some(container) = service.model_containers().first().copied() else { continue };
        let name = shortened(container.name());
        let message = format!("`{name}` loads a model and has no readinessProbe");
        let added = findings.add(&MISSING, container.heading(), message).help(READINESS);
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
            let liveness = container.liveness().filter(|liveness| same(liveness, &readiness));
            let message = match liveness {
                Some(_) => format!("the readinessProbe asks {asked}, as the livenessProbe does"),
                None => {
                    format!("the readinessProbe asks {asked}, which says that the process is alive")
                }
            };
            let added =
                findings.add(&IS_LIVENESS, readiness.handler_field(), message).help(READINESS);
            if let Some(liveness) = liveness {
                added.related(liveness.handler_field(), "the livenessProbe asks the same");
            }
        }
    }
}

fn asks_only_aliveness(
    container: &Container<'_>,
    readiness: &Probe<'_>,
    handler: Handler<'_>,
) -> bool {
    // An open port is another rule's, and these servers open it when they are ready.
    if matches!(handler, Handler::Tcp { .. }) || container.answers_when_loaded() {
        return false;
    }
    let equals_liveness = container.liveness().is_some_and(|liveness| same(&liveness, readiness));
    let startup = container.startup();
    let equals_startup = startup.is_some_and(|startup| same(&startup, readiness));
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
            let added = findings.add(&TCP, readiness.handler_field(), message).help(READINESS);
            if guards_loading(&container) {
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

/// Whether two probes ask the same.
fn same(one: &Probe<'_>, two: &Probe<'_>) -> bool {
    match (one.handler(), two.handler()) {
        (Some(Handler::Exec), Some(Handler::Exec)) => one.command().eq(two.command()),
        // gRPC knows one question for each service, and servers answer it when they are ready.
        (Some(Handler::Grpc { .. }), _) => false,
        (one, two) => one.is_some() && one == two,
    }
}
