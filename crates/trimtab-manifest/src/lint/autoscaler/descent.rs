//! How fast an autoscaler lets replicas go.

use super::{Autoscaler, Form, Told};
use crate::lint::field::Field;

/// The rules of one direction.
#[derive(Debug)]
pub(in crate::lint) struct Rules<'n> {
    /// For how long a lower count has to be wanted.
    pub(in crate::lint) window: Told<'n>,
    pub(in crate::lint) limits: Vec<Limit>,
    /// Which of the limits counts: `Max`, `Min` or `Disabled`.
    pub(in crate::lint) select: &'n str,
}

/// At most so much in a period.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Limit {
    pub(in crate::lint) percent: bool,
    pub(in crate::lint) value: f64,
    pub(in crate::lint) period: f64,
}

/// The HPA's own rule: everything, each time that it looks.
const EVERYTHING: Limit = Limit { percent: true, value: 100.0, period: 15.0 };
/// The window of a cluster without flags of its own.
const CLUSTER_WINDOW_SECONDS: f64 = 300.0;

impl<'n> Autoscaler<'n> {
    /// How it scales down; none where its rules are not known here.
    pub(in crate::lint) fn scale_down(&self) -> Option<Rules<'n>> {
        match self.strategy() {
            // The policy that it carries out has rules of its own.
            "keda" if self.policy_trigger().is_some() => None,
            "hpa" | "keda" | "kserve" => {
                let policy_wide = self.spec.at("hpa.downscaleStabilizationSeconds");
                let default = policy_wide.and_then(|field| field.number());
                Some(self.by_behavior(default.unwrap_or(CLUSTER_WINDOW_SECONDS)))
            }
            // Five times the lead time where nothing is said.
            "slo" => self
                .behavior
                .and_then(|behavior| behavior.get("scaleDown")?.get("stabilizationWindowSeconds"))
                .map(|_| self.by_behavior(CLUSTER_WINDOW_SECONDS)),
            "rayServe" => Some(self.by_delay()),
            _ => None,
        }
    }

    fn by_behavior(&self, default: f64) -> Rules<'n> {
        let rules = self.behavior.and_then(|behavior| behavior.get("scaleDown"));
        let get = |key: &str| rules.and_then(|rules| rules.get(key));
        let field = get("stabilizationWindowSeconds");
        let seconds = field.and_then(|field| field.number());
        let window = match seconds {
            Some(seconds) => Told { seconds, field },
            None => Told { seconds: default, field: None },
        };
        let limits: Vec<Limit> =
            get("policies").into_iter().flat_map(|list| list.items()).filter_map(limit).collect();
        let limits = if get("policies").is_some() { limits } else { vec![EVERYTHING] };
        let select = get("selectPolicy").and_then(|field| field.text()).unwrap_or("Max");
        Rules { window, limits, select }
    }

    fn by_delay(&self) -> Rules<'n> {
        let field = match self.form {
            Form::RayServe => self.spec.at("autoscaling_config.downscale_delay_s"),
            _ => self.spec.at("rayServe.downscaleDelaySeconds"),
        };
        let seconds = field.and_then(|field| field.number());
        let window = Told { seconds: seconds.unwrap_or(600.0), field };
        Rules { window, limits: vec![EVERYTHING], select: "Max" }
    }
}

fn limit(field: Field<'_>) -> Option<Limit> {
    let percent = match field.text_of("type")? {
        "Percent" => true,
        "Pods" => false,
        _ => return None,
    };
    let number =
        |key: &str| field.get(key).and_then(|field| field.number()).filter(|number| *number > 0.0);
    Some(Limit { percent, value: number("value")?, period: number("periodSeconds")? })
}

impl Rules<'_> {
    /// The share of so many replicas that its limits leave after some seconds, 0 to 1.
    pub(in crate::lint) fn left_after(&self, seconds: f64, replicas: f64) -> f64 {
        let left = |limit: &Limit| {
            let periods = (seconds / limit.period).ceil().clamp(1.0, 1000.0);
            if limit.percent {
                power((1.0 - limit.value / 100.0).clamp(0.0, 1.0), periods)
            } else {
                (1.0 - limit.value * periods / replicas.max(1.0)).clamp(0.0, 1.0)
            }
        };
        let left = self.limits.iter().map(left);
        match self.select {
            "Disabled" => 1.0,
            "Min" => left.fold(0.0, f64::max),
            _ => left.fold(1.0, f64::min),
        }
    }
}

/// A whole power.
fn power(base: f64, exponent: f64) -> f64 {
    let mut power = 1.0;
    let mut left = exponent;
    while left >= 1.0 && power > 0.0 {
        power *= base;
        left -= 1.0;
    }
    power
}
