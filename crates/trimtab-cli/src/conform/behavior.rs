//! Family `behavior`: windows, rate limits and bounds over several steps.

use serde::Deserialize;
use trimtab_engine::{
    BehaviorSpec, ConditionType, Conditions, Decision, Finite, HpaSpec, Observation, Outcome,
    Policy, PolicySpec, Recommendation, Scale, ScaleEvent, ScaleReason, ScaleUpdate,
    ScalingPolicyRule, ScalingRulesSpec, State, decide, normalize, settle,
};
use trimtab_metric::{Quantity, Timestamp};

use super::case::Checks;
use super::time::Seconds;

#[derive(Deserialize)]
pub(super) struct Case {
    downscale_stabilization: Seconds,
    upscale_limit_factor: f64,
    upscale_limit_minimum: f64,
    initial_state: Option<History>,
    steps: Vec<Step>,
    final_state: History,
}

/// The controller's memory, in storage order.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct History {
    recommendations: Option<Vec<(i32, Seconds)>>,
    scale_up_events: Vec<(i32, Seconds, u8)>,
    scale_down_events: Vec<(i32, Seconds, u8)>,
}

#[derive(Deserialize)]
struct Step {
    t: Seconds,
    op: String,
    #[serde(default)]
    spec: Option<Spec>,
    current: i32,
    #[serde(default)]
    recommended: i32,
    #[serde(default)]
    to: i32,
    #[serde(default)]
    update_fails: bool,
    expect: Expect,
}

#[derive(Deserialize)]
struct Spec {
    min_replicas: Option<i32>,
    max_replicas: i32,
    behavior: Option<Behavior>,
}

/// A behavior as a user writes it, before defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Behavior {
    scale_up: Option<Rules>,
    scale_down: Option<Rules>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Rules {
    stabilization_window_seconds: Option<i32>,
    select_policy: Option<String>,
    policies: Option<Vec<Rule>>,
    #[serde(default)]
    tolerance: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    type_: String,
    value: i32,
    period_seconds: i32,
}

#[derive(Deserialize)]
struct Expect {
    desired: i32,
    rescaled: bool,
    #[serde(default)]
    able_to_scale_reason: Option<String>,
    #[serde(default)]
    scaling_limited: Option<bool>,
    #[serde(default)]
    scaling_limited_reason: Option<String>,
    #[serde(default)]
    effective_behavior: Option<Behavior>,
    #[serde(default)]
    platform_defined: Option<serde_json::Value>,
}

pub(super) fn check(case: &Case, checks: &mut Checks) -> Result<(), String> {
    let mut state = case.initial_state.as_ref().map(History::state).unwrap_or_default();
    let mut policy = None;
    for (index, step) in case.steps.iter().enumerate() {
        let field = |name: &str| format!("steps[{index}].{name}");
        if step.expect.platform_defined.is_some() {
            checks.note_platform_defined();
        }
        if let Some(spec) = &step.spec {
            policy = Some(spec.policy(case)?);
        }
        let policy = policy.as_ref().ok_or("the first step has no spec")?;
        let now = step.t.timestamp();
        let decision = match step.op.as_str() {
            "normalize" => {
                let (replicas, after) =
                    normalize(policy, state, step.current, step.recommended, now);
                state = after;
                decision(now, step.current, replicas, &state)
            }
            "enforce" => {
                let observation = Observation::new(now, Scale::steady(step.current));
                let (decision, after) = decide(policy, state, &observation);
                state = after;
                checks.equal(field("to"), &step.to, &decision.desired_replicas);
                decision
            }
            other => return Err(format!("operation `{other}` is not known")),
        };
        checks.equal(field("desired"), &step.expect.desired, &decision.desired_replicas);
        compare_conditions(&step.expect, &state.status.conditions, &field, checks);
        if let (Some(expected), Some(_)) = (&step.expect.effective_behavior, &step.spec) {
            let mut got = effective(policy);
            if step.op == "enforce" {
                // The recorded controller fills the cluster's window in only when it normalizes.
                let unset = |behavior: &mut Option<Behavior>| {
                    if let Some(rules) = behavior.as_mut().and_then(|b| b.scale_down.as_mut()) {
                        rules.stabilization_window_seconds = None;
                    }
                };
                let written = step.spec.as_ref().and_then(|spec| spec.behavior.as_ref());
                let window = written
                    .and_then(|behavior| behavior.scale_down.as_ref())
                    .and_then(|rules| rules.stabilization_window_seconds);
                if window.is_none() {
                    unset(&mut got);
                }
            }
            checks.equal(field("effective_behavior"), &Some(expected.clone()), &got);
        }
        let update = if step.update_fails { ScaleUpdate::Rejected } else { ScaleUpdate::Applied };
        let rescaled = decision.scale_to.is_some() && update == ScaleUpdate::Applied;
        checks.equal(field("rescaled"), &step.expect.rescaled, &rescaled);
        state = settle(policy, state, &decision, update);
    }
    checks.equal("final_state", &case.final_state, &History::of(&state));
    Ok(())
}

fn compare_conditions(
    expect: &Expect,
    conditions: &Conditions,
    field: &impl Fn(&str) -> String,
    checks: &mut Checks,
) {
    if let Some(reason) = &expect.able_to_scale_reason {
        let got = conditions.get(ConditionType::AbleToScale).map(|c| format!("{:?}", c.reason));
        checks.equal(field("able_to_scale_reason"), &Some(reason.clone()), &got);
    }
    let limited = conditions.get(ConditionType::ScalingLimited);
    if let Some(expected) = expect.scaling_limited {
        let got = conditions.is_true(ConditionType::ScalingLimited);
        checks.equal(field("scaling_limited"), &expected, &got);
    }
    if let Some(reason) = &expect.scaling_limited_reason {
        let got = limited.map(|condition| format!("{:?}", condition.reason));
        checks.equal(field("scaling_limited_reason"), &Some(reason.clone()), &got);
    }
}

fn decision(now: Timestamp, current: i32, replicas: i32, state: &State) -> Decision {
    Decision {
        at: now,
        current_replicas: current,
        desired_replicas: replicas,
        scale_to: (replicas != current).then_some(replicas),
        outcome: Outcome::Decided,
        reason: ScaleReason::None,
        metric: None,
        warm: None,
        retire: None,
        conditions: state.status.conditions,
        supply: None,
        trace: None,
    }
}

/// The behavior after defaults, the cluster's window included.
fn effective(policy: &Policy) -> Option<Behavior> {
    let behavior = policy.spec().behavior.as_ref()?;
    let compiled = policy.behavior()?;
    let rules = |rules: Option<&ScalingRulesSpec>, window: i64| {
        rules.map(|rules| Rules {
            stabilization_window_seconds: i32::try_from(window).ok(),
            select_policy: rules.select_policy.clone(),
            policies: rules.policies.as_ref().map(|policies| {
                policies
                    .iter()
                    .map(|rule| Rule {
                        type_: rule.type_.clone(),
                        value: rule.value,
                        period_seconds: rule.period_seconds,
                    })
                    .collect()
            }),
            tolerance: rules.tolerance.as_ref().map(ToString::to_string),
        })
    };
    let up = compiled.scale_up.window.as_millis() / 1000;
    let down = compiled.scale_down.window.as_millis() / 1000;
    Some(Behavior {
        scale_up: rules(behavior.scale_up.as_ref(), up),
        scale_down: rules(behavior.scale_down.as_ref(), down),
    })
}

impl Spec {
    fn policy(&self, case: &Case) -> Result<Policy, String> {
        let hpa = HpaSpec {
            downscale_stabilization_seconds: Some(case.downscale_stabilization.whole()),
            scale_up_limit_factor: Finite::new(case.upscale_limit_factor),
            scale_up_limit_minimum: Finite::new(case.upscale_limit_minimum),
            ..HpaSpec::default()
        };
        Ok(Policy::from_stored(PolicySpec {
            min_replicas: self.min_replicas,
            max_replicas: self.max_replicas,
            behavior: self.behavior.as_ref().map(Behavior::spec).transpose()?,
            hpa: Some(hpa),
            ..PolicySpec::default()
        }))
    }
}

impl Behavior {
    pub(super) fn spec(&self) -> Result<BehaviorSpec, String> {
        let rules = |rules: &Option<Rules>| rules.as_ref().map(Rules::spec).transpose();
        Ok(BehaviorSpec { scale_up: rules(&self.scale_up)?, scale_down: rules(&self.scale_down)? })
    }
}

impl Rules {
    fn spec(&self) -> Result<ScalingRulesSpec, String> {
        let rule = |rule: &Rule| ScalingPolicyRule {
            type_: rule.type_.clone(),
            value: rule.value,
            period_seconds: rule.period_seconds,
        };
        let tolerance = self.tolerance.as_ref().map(|text| text.parse::<Quantity>());
        Ok(ScalingRulesSpec {
            stabilization_window_seconds: self.stabilization_window_seconds,
            select_policy: self.select_policy.clone(),
            policies: self.policies.as_ref().map(|rules| rules.iter().map(rule).collect()),
            tolerance: tolerance.transpose().map_err(|error| error.to_string())?,
        })
    }
}

impl History {
    pub(super) fn state(&self) -> State {
        let events = |events: &[(i32, Seconds, u8)]| {
            events
                .iter()
                .map(|&(change, at, outdated)| ScaleEvent {
                    change,
                    at: at.timestamp(),
                    outdated: outdated != 0,
                })
                .collect()
        };
        let recommendation =
            |&(replicas, at): &(i32, Seconds)| Recommendation { replicas, at: at.timestamp() };
        let mut state = State::default();
        state.recommendations =
            self.recommendations.as_ref().map(|list| list.iter().map(recommendation).collect());
        state.scale_ups = events(&self.scale_up_events);
        state.scale_downs = events(&self.scale_down_events);
        state
    }

    pub(super) fn of(state: &State) -> Self {
        let events = |events: &[ScaleEvent]| {
            events
                .iter()
                .map(|event| (event.change, event.at.into(), u8::from(event.outdated)))
                .collect()
        };
        let recommendation =
            |recommendation: &Recommendation| (recommendation.replicas, recommendation.at.into());
        Self {
            recommendations: state
                .recommendations
                .as_ref()
                .map(|list| list.iter().map(recommendation).collect()),
            scale_up_events: events(&state.scale_ups),
            scale_down_events: events(&state.scale_downs),
        }
    }
}
