//! Whether a container gets the time that its model takes to load.

use crate::lint::documents::{Container, Handler, Known, Probe, spoken};
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[&KILLS_LOADING];

static KILLS_LOADING: Rule = Rule {
    id: "liveness-kills-loading",
    severity: Severity::Warning,
    summary: "a container is killed before its model can be loaded",
    why: "the kubelet restarts a container whose livenessProbe or startupProbe has failed \
          failureThreshold times, one periodSeconds apart, from initialDelaySeconds on; loading then \
          begins anew and never ends. Engines take from half a minute for small models to minutes for \
          large ones (vllm#20264: 59 s to the first reply; vllm#19824: over 200 s). The time is what \
          `trimtab.dev/lead-time-seconds` or a policy's `leadTimeSeconds` says, else 60 s",
    fix: "Add a startupProbe with failureThreshold × periodSeconds beyond the longest start: until it \
          succeeds, the livenessProbe waits.",
    check: kills_loading,
};

/// What a model takes to load at the least, where nothing says it.
const LOADING_SECONDS: i64 = 60;

fn kills_loading(set: &Set<'_>, findings: &mut Findings<'_>) {
    for service in set.around().loading() {
        let lead_time = service.lead_time();
        let needed = lead_time.map_or(LOADING_SECONDS, |known| known.value);
        for container in service.model_containers() {
            let startup = container.startup();
            let Some(probe) = startup.or_else(|| container.liveness()) else { continue };
            let patience = probe.patience();
            // A command runs in the container, and most of them ask only for the process.
            let is_told = startup.is_some() || probe.handler() != Some(Handler::Exec);
            // The last failure comes a period sooner; an endpoint of its own may answer all the same.
            let spare = startup.is_none() && lead_time.is_none() && !is_apart(&container, &probe);
            let least = if spare { patience.saturating_sub(probe.period()) } else { patience };
            if least >= needed || !is_told {
                continue;
            }
            let name = if startup.is_some() { "startupProbe" } else { "livenessProbe" };
            let takes = match lead_time {
                Some(_) => format!("starting takes up to {}", spoken(needed)),
                None => format!("a model takes {} to load, or more", spoken(needed)),
            };
            let message =
                format!("the {name} kills the container after {}, and {takes}", spoken(patience));
            let at = container.field.key_of(name).unwrap_or(container.heading());
            let added = findings
                .add(&KILLS_LOADING, at, message)
                .help(startup_probe(&probe, needed.saturating_mul(2)));
            if let Some(Known { field, .. }) = lead_time {
                added.related(field, "how long a start takes");
            }
        }
    }
}

/// Whether liveness is asked apart from readiness, where only the process answers.
fn is_apart(container: &Container<'_>, liveness: &Probe<'_>) -> bool {
    let handler = liveness.handler().filter(Handler::is_aliveness);
    let readiness = container.readiness().and_then(|readiness| readiness.handler());
    handler.is_some() && readiness.is_some() && handler != readiness
}

/// A startup probe with the patience for so many seconds, as YAML.
fn startup_probe(probe: &Probe<'_>, seconds: i64) -> String {
    /// What is asked that often tells soon that the model is there.
    const PERIOD: i64 = 10;
    let failures = seconds.saturating_add(PERIOD - 1).checked_div(PERIOD).unwrap_or(1).max(1);
    let asked = match probe.handler() {
        Some(Handler::Http { path, port }) => {
            format!("  httpGet:\n    path: {path}\n    port: {port}\n")
        }
        Some(Handler::Tcp { port }) => format!("  tcpSocket:\n    port: {port}\n"),
        _ => String::new(),
    };
    format!("startupProbe:\n{asked}  periodSeconds: {PERIOD}\n  failureThreshold: {failures}")
}
