//! The bounds, what is scaled, and what the strategy has to do with both.

use super::{Rule, flag};

/// Fewest replicas, with the default of the strategy.
pub(super) fn least() -> String {
    let to_zero = flag("self.wva.scaleToZero");
    format!(
        "(has(self.minReplicas) ? self.minReplicas : self.strategy in ['keda', 'knative'] || \
         (self.strategy == 'wva' && {to_zero}) ? 0 : 1)"
    )
}

/// Most replicas, with the default of the strategy; 0 where there is no limit.
pub(super) fn most() -> String {
    String::from(
        "(has(self.maxReplicas) && self.maxReplicas > 0 ? self.maxReplicas : self.strategy == 'keda' ? \
         100 : self.strategy == 'rayServe' ? 1 : 0)",
    )
}

pub(super) fn rules() -> Vec<Rule> {
    let mut rules = replicas();
    rules.push(
        Rule::new(
            "scaleTargetRef",
            "has(self.apiVersion) && self.apiVersion.matches('^[^/]+/[^/]*$') || (self.kind == \
             'ReplicationController' && (!has(self.apiVersion) || !self.apiVersion.matches('/.*/')))",
            "has to name the API group and the version, such as `apps/v1` for a Deployment",
        )
        .about(".apiVersion"),
    );
    for at in ["scaleTargetRef", "metrics[].object.describedObject", "standby.scaleTargetRef"] {
        let rule = "self.name != '.' && self.name != '..' && self.kind != '.' && self.kind != '..'";
        let message = "`.` and `..` stand for directories in a URL path and name nothing";
        rules.push(Rule::new(at, rule, message));
    }
    for strategy in ["keda", "knative", "rayServe", "slo", "wva", "apa"] {
        let rule = format!("!has(self.{strategy}) || self.strategy == '{strategy}'");
        let message = format!(
            "`{strategy}` is for `strategy: {strategy}`: leave it out, or set the strategy"
        );
        rules.push(Rule::new("", rule, message).forbidden());
    }
    rules
}

fn replicas() -> Vec<Rule> {
    let (least, most) = (least(), most());
    let gate = flag("self.hpa.featureGates.HPAScaleToZero");
    let is_zero = "has(self.minReplicas) && self.minReplicas == 0";
    vec![
        Rule::new(
            "",
            "has(self.maxReplicas) && self.maxReplicas > 0 || self.strategy in ['keda', 'knative', \
             'rayServe']",
            "maxReplicas is missing: set it to how many replicas there may be at most",
        )
        .about(".maxReplicas")
        .required(),
        Rule::new(
            "",
            format!("{most} == 0 || {least} <= {most}"),
            "maxReplicas has to be at least minReplicas",
        )
        .about(".maxReplicas"),
        Rule::new(
            "",
            format!("self.strategy != 'hpa' || !({is_zero}) || {gate}"),
            "minReplicas: 0 needs the feature gate HPAScaleToZero (here \
             `hpa.featureGates.HPAScaleToZero: true`); without it the least is 1",
        )
        .about(".minReplicas"),
        Rule::new(
            "",
            format!(
                "self.strategy != 'hpa' || !({is_zero}) || (has(self.metrics) && \
                 self.metrics.exists(m, m.type in ['External', 'Object']))"
            ),
            "minReplicas: 0 needs a metric of type Object or External: the others are read from pods, \
             and without any nothing tells that load is back",
        )
        .about(".metrics")
        .forbidden(),
        Rule::new(
            "",
            format!("!has(self.override) || {most} == 0 || self.override.replicas <= {most}"),
            "override.replicas has to be from 0 to maxReplicas",
        )
        .about(".override.replicas"),
        Rule::new(
            "",
            format!(
                "!{} || !has(self.minReplicas) || self.minReplicas == 0",
                flag("self.wva.scaleToZero")
            ),
            "wva.scaleToZero needs minReplicas: 0",
        )
        .about(".wva.scaleToZero"),
    ]
}
