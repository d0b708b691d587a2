//! The step from a peer's spec to one under `slo`, and what is said of it.

use trimtab_engine::{BehaviorSpec, Policy, PolicySpec, ScalingRulesSpec, SloSpec, StrategyName};

use super::peer::Peer;
use super::signals::{Signals, signals};
use crate::error::printable;

/// How long a start takes under `slo` where nobody says.
pub(super) const LEAD_TIME_SECONDS: i32 = 180;
/// The longest window that a policy may have.
const MOST_WINDOW_SECONDS: i32 = 3600;
/// The most replicas where the peer has no limit.
const MAX_REPLICAS: i32 = 100;

/// One thing that a proposal has otherwise than the peer's policy.
///
/// ```
/// use trimtab_manifest::{Source, import};
///
/// let source = Source::new("ray.yaml", "\
/// applications:
/// - name: chat
///   import_path: chat:app
///   deployments:
///   - name: Model
///     autoscaling_config: {min_replicas: 1, max_replicas: 8, target_ongoing_requests: 4}
/// ");
/// let proposed = import(&source)?.propose_slo(Some(240))?;
/// let change = &proposed.policies[0].changes[0];
/// assert_eq!(change.field, "spec.metrics[0]");
/// assert_eq!(change.now, "`ongoing_requests` as demand of averageValue 4");
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The field of the proposal that it is about, such as `spec.metrics[0]`; where something was
    /// left out, the nearest one around it.
    pub field: String,
    /// What the peer's policy says; empty where it says nothing.
    pub was: String,
    /// What the proposal says; empty where it leaves it out.
    pub now: String,
    /// Why. The wording is no part of the interface.
    pub why: String,
}

impl Change {
    pub(super) fn new(
        field: impl Into<String>,
        was: impl Into<String>,
        now: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), was: was.into(), now: now.into(), why: why.into() }
    }

    /// As a comment beside the field.
    pub(crate) fn comment(&self) -> String {
        match (self.was.as_str(), self.now.as_str()) {
            ("", now) => format!("{now}: {}", self.why),
            (was, "") => format!("left out {was}: {}", self.why),
            (was, now) => format!("was {was}, now {now}: {}", self.why),
        }
    }

    /// As a line of a summary.
    pub(crate) fn line(&self) -> String {
        let parts = [&self.field, &self.was, &self.now, &self.why];
        let [field, was, now, why] = parts.map(|part| printable(part));
        match (was.as_str(), now.as_str()) {
            ("", now) => format!("{field}: {now}: {why}"),
            (was, "") => format!("{field}: left out {was}: {why}"),
            (was, now) => format!("{field}: {was} -> {now}: {why}"),
        }
    }
}

/// Why there is no proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// A spec under `slo`, and how it came about.
#[derive(Clone, Debug)]
pub(super) struct Translation {
    pub(super) spec: PolicySpec,
    pub(super) changes: Vec<Change>,
    /// For each metric of the peer its place in the proposal, if it has one.
    pub(super) places: Vec<Option<usize>>,
}

/// What a peer's policy says, under `slo`.
pub(super) fn translate(given: &Policy, lead_time: Option<i32>) -> Result<Translation, Refusal> {
    let spec = given.spec();
    let peer = Peer::of(spec)?;
    let mut changes = Vec::new();
    let metrics = peer.metrics(spec, &mut changes);
    let sized = Policy::from_stored(PolicySpec { metrics: Some(metrics), ..spec.clone() });
    let Signals { metrics, signals, changes: roles, places, wakes, .. } = signals(&sized)?;
    changes.extend(roles);
    let lead = lead_time.unwrap_or(LEAD_TIME_SECONDS);
    let mut slo = SloSpec { signals, lead_time_seconds: Some(lead), ..SloSpec::default() };
    let min = least(spec, &peer, wakes, &mut slo, &mut changes);
    let max = most(spec, min, &mut changes);
    let behavior = behavior(spec, &peer, lead, &mut changes);
    changes.push(match lead_time {
        Some(_) => {
            let why = "from asking for a replica until it serves, as it was given";
            Change::new("spec.slo.leadTimeSeconds", "", code(lead), why)
        }
        None => {
            let why =
                "assumed: say how long a start takes, from asking for a replica until it serves";
            Change::new("spec.slo.leadTimeSeconds", "", code(lead), why)
        }
    });
    peer.dropped(spec, &mut changes);
    let spec = PolicySpec {
        scale_target_ref: spec.scale_target_ref.clone(),
        strategy: StrategyName::Slo,
        min_replicas: Some(min),
        max_replicas: max,
        metrics: Some(metrics),
        behavior,
        slo: Some(Box::new(slo)),
        ..PolicySpec::default()
    };
    Ok(Translation { spec, changes, places })
}

/// The least replicas, and when the last one goes.
fn least(
    spec: &PolicySpec,
    peer: &Peer,
    wakes: bool,
    slo: &mut SloSpec,
    changes: &mut Vec<Change>,
) -> i32 {
    const FIELD: &str = "spec.minReplicas";
    let min = spec.min_replicas.unwrap_or(1);
    let Some((seconds, from)) = peer.idle_after(spec) else {
        if min < 1 {
            let why = "scaling to zero is off, so one stays";
            changes.push(Change::new(FIELD, code(min), "1", why));
        }
        return min.max(1);
    };
    if !wakes {
        let why = "no load is read while there is no replica, so nothing would tell that there is \
                   one again; an External or Object load would";
        changes.push(Change::new(FIELD, "0", "1", why));
        return min.max(1);
    }
    if min > 0 {
        let why = "`idleReplicaCount` is 0; `slo` has no other count while there is load";
        changes.push(Change::new(FIELD, code(min), "0", why));
    }
    slo.scale_to_zero_after_seconds = Some(seconds);
    let field = "spec.slo.scaleToZeroAfterSeconds";
    changes.push(Change::new(field, from, code(seconds), "for so long there was no load"));
    0
}

fn most(spec: &PolicySpec, min: i32, changes: &mut Vec<Change>) -> i32 {
    if spec.max_replicas > 0 {
        return spec.max_replicas;
    }
    let max = MAX_REPLICAS.max(min);
    let why = "assumed: `slo` needs a limit; say how many replicas you pay for";
    changes.push(Change::new("spec.maxReplicas", "no limit", code(max), why));
    max
}

/// The rules of the way up, the rate limits of the way down, and its window if it is long.
fn behavior(
    spec: &PolicySpec,
    peer: &Peer,
    lead: i32,
    changes: &mut Vec<Change>,
) -> Option<BehaviorSpec> {
    let defaults = PolicySpec { behavior: Some(BehaviorSpec::default()), ..PolicySpec::default() };
    let defaults = defaults.with_defaults().behavior.unwrap_or_default();
    let given = spec.behavior.clone().unwrap_or_default();
    let own = lead.saturating_mul(5).clamp(0, MOST_WINDOW_SECONDS);
    let up = given.scale_up.unwrap_or_default();
    let mut down = given.scale_down.unwrap_or_default();
    let (window, called) = match down.stabilization_window_seconds.take() {
        Some(window) => (Some(window), "stabilizationWindowSeconds"),
        None => peer.down_window(),
    };
    const FIELD: &str = "spec.behavior.scaleDown";
    match window.map(|window| window.min(MOST_WINDOW_SECONDS)) {
        Some(window) if window > own => {
            down.stabilization_window_seconds = Some(window);
            let why = format!("kept, since it is longer than five lead times, {own} s");
            let field = format!("{FIELD}.stabilizationWindowSeconds");
            changes.push(Change::new(field, format!("{called} {window}"), code(window), why));
        }
        Some(window) => {
            let why = format!(
                "five lead times, {own} s, are the window of `slo`: what is needed again before a \
                 start has paid is not given up"
            );
            changes.push(Change::new(FIELD, format!("{called} {window}"), "", why));
        }
        None => {}
    }
    let up = said(up, defaults.scale_up);
    let down = said(down, defaults.scale_down);
    (up.is_some() || down.is_some()).then_some(BehaviorSpec { scale_up: up, scale_down: down })
}

/// What of the rules is not the default.
fn said(rules: ScalingRulesSpec, default: Option<ScalingRulesSpec>) -> Option<ScalingRulesSpec> {
    let default = default.unwrap_or_default();
    let kept = ScalingRulesSpec {
        stabilization_window_seconds: rules
            .stabilization_window_seconds
            .filter(|window| Some(*window) != default.stabilization_window_seconds),
        select_policy: rules.select_policy.filter(|it| Some(it) != default.select_policy.as_ref()),
        policies: rules.policies.filter(|it| Some(it) != default.policies.as_ref()),
        tolerance: rules.tolerance,
    };
    (kept != ScalingRulesSpec::default()).then_some(kept)
}

/// Text in backticks.
pub(super) fn code(text: impl std::fmt::Display) -> String {
    format!("`{text}`")
}
