//! How replicas end: not in the middle of an answer.

use crate::lint::documents::{Container, Known, spoken};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] = &[&NO_PRE_STOP, &OUTLASTS_GRACE, &SHORT_GRACE];

static NO_PRE_STOP: Rule = Rule {
    id: "pre-stop-missing",
    severity: Severity::Warning,
    summary: "a model server without a preStop hook",
    why: "a pod that ends gets SIGTERM at the same time as it is taken out of the endpoints (Kubernetes, \
          Termination of Pods), and load balancers learn of that later: every scale-down sends requests \
          to a server that has stopped listening",
    fix: "Add a preStop hook that waits until no more requests come, and for those that are streaming.",
    check: no_pre_stop,
};

static OUTLASTS_GRACE: Rule = Rule {
    id: "pre-stop-outlasts-grace",
    severity: Severity::Error,
    summary: "the preStop hook takes the whole grace period",
    why: "terminationGracePeriodSeconds counts from the start of the preStop hook; when it is over the \
          container is killed, so the server never gets the SIGTERM on which it would end its sessions",
    fix: "Make terminationGracePeriodSeconds the sleep of the preStop hook and the longest session \
          together.",
    check: outlasts_grace,
};

static SHORT_GRACE: Rule = Rule {
    id: "grace-shorter-than-session",
    severity: Severity::Warning,
    summary: "the grace period is shorter than what is being served",
    why: "when a replica goes, what it still serves is cut after terminationGracePeriodSeconds, 30 where \
          nothing says otherwise; a streamed answer of 2,000 tokens at 30 ms a token takes 60 s. How long \
          a session lasts is what `trimtab.dev/max-session-seconds` or a policy's \
          `retire.maxSessionSeconds` says, else 60 s",
    fix: "Raise terminationGracePeriodSeconds beyond the longest session; a pod that is done earlier goes \
          earlier.",
    check: short_grace,
};

/// How long an answer takes, where nothing says it.
const ANSWER_SECONDS: i64 = 60;

fn no_pre_stop(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in set.around().serving() {
        for container in service.model_containers() {
            if container.pre_stop().is_some() {
                continue;
            }
            let name = shortened(container.name());
            let message = format!("`{name}` gets no time between the last request and SIGTERM");
            findings.add(&NO_PRE_STOP, container.heading(), message).help(
                "lifecycle:\n  preStop:\n    exec:\n      command: [\"/bin/sh\", \"-c\", \"sleep \
                 20\"]",
            );
        }
    }
}

fn outlasts_grace(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in &set.around().services {
        let (grace, written) = service.workload.pod.grace();
        for container in service.workload.containers() {
            let Some((sleep, at)) = container.pre_stop_sleep() else { continue };
            if sleep < grace || sleep == 0 {
                continue;
            }
            let message = format!(
                "the preStop hook sleeps {}, and the container is killed after {}",
                spoken(sleep),
                spoken(grace)
            );
            let enough = sleep.saturating_add(ANSWER_SECONDS);
            let added = findings
                .add(&OUTLASTS_GRACE, at, message)
                .help(format!("terminationGracePeriodSeconds: {enough}"));
            if let Some(field) = written {
                added.related(field, "counts from the start of the hook");
            }
        }
    }
}

fn short_grace(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in &set.around().services {
        let session = service.max_session();
        // Of what KServe makes, and of what serves no models, only what something says is known.
        if session.is_none() && !service.serves_models() {
            continue;
        }
        let (grace, written) = service.workload.pod.grace();
        if session.is_none() && service.model_containers().iter().any(Container::answers_at_once) {
            continue;
        }
        let needed = session.map_or(ANSWER_SECONDS, |known| known.value);
        let sleep = service.model_containers().iter().find_map(|one| one.pre_stop_sleep());
        let sleep = sleep.map(|(seconds, _)| seconds.max(0));
        // Requests come while the hook sleeps; one that takes the whole grace period is another rule's.
        let spent = sleep.filter(|sleep| session.is_some() && *sleep < grace).unwrap_or(0);
        if grace >= needed.saturating_add(spent) || !service.serves {
            continue;
        }
        let lasts = match session {
            Some(_) => format!("a session lasts up to {}", spoken(needed)),
            None => format!("a streamed answer easily lasts {}", spoken(needed)),
        };
        let by_default = if written.is_some() { "" } else { ", Kubernetes' default" };
        let message = match spent {
            spent if spent > 0 && grace >= needed => format!(
                "what comes while the preStop hook sleeps {} is cut {} later, and {lasts}",
                spoken(spent),
                spoken(grace.saturating_sub(spent))
            ),
            _ => format!("what is served is cut after {}{by_default}, and {lasts}", spoken(grace)),
        };
        let at = written.unwrap_or(service.workload.pod.spec);
        let enough = needed.saturating_add(sleep.unwrap_or(20));
        let added = findings
            .add(&SHORT_GRACE, at, message)
            .help(format!("terminationGracePeriodSeconds: {enough}"));
        if let Some(Known { field, .. }) = session {
            added.related(field, "how long a session lasts");
        }
    }
}
