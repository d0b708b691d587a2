//! Metrics and their targets.

use super::super::bounds::TARGETS;
use super::Rule;

pub(super) fn rules() -> Vec<Rule> {
    let mut rules = vec![
        Rule::new(
            "metrics[]",
            "has(self.object) == (self.type == 'Object') && has(self.pods) == (self.type == 'Pods') && \
             has(self.resource) == (self.type == 'Resource') && has(self.containerResource) == (self.type \
             == 'ContainerResource') && has(self.external) == (self.type == 'External')",
            "exactly the field that `type` names has to be set: object, pods, resource, containerResource or \
             external",
        ),
        Rule::new(
            "metrics[].object.target",
            "has(self.value) || has(self.averageValue)",
            "averageValue is missing: set it to the value per replica, or value to the whole, and type to \
             which of them it is",
        )
        .about(".averageValue")
        .required(),
        Rule::new(
            "metrics[].pods.target",
            "has(self.averageValue)",
            "averageValue is missing: set it to what the average over the pods should be",
        )
        .about(".averageValue")
        .required(),
        Rule::new(
            "metrics[].external.target",
            "has(self.value) != has(self.averageValue)",
            "has to have one of value, the target of the sum, and averageValue, that of the sum per replica",
        ),
        Rule::new(
            "metrics[].containerResource.name",
            "self.contains('/') ? (self.contains('kubernetes.io/') ? self.indexOf('/') <= 253 : \
             !self.startsWith('requests.') && self.indexOf('/') <= 244) && self.size() - \
             self.indexOf('/') <= 64 : self.size() <= 63 && (self in ['cpu', 'memory', \
             'ephemeral-storage'] || self.startsWith('hugepages-'))",
            "has to be a resource that a container can request: cpu, memory, ephemeral-storage, hugepages- and \
             a size, or one with its vendor's domain, such as nvidia.com/gpu",
        ),
    ];
    for at in ["metrics[].resource.target", "metrics[].containerResource.target"] {
        rules.push(Rule::new(
            at,
            "has(self.averageUtilization) != has(self.averageValue)",
            "has to have one of averageUtilization, in percent of the request, and averageValue, an amount per \
             pod",
        ));
    }
    for target in TARGETS {
        for field in ["value", "averageValue"] {
            rules.push(above_zero(format!("{target}.{field}")));
        }
    }
    for (direction, field) in
        [("scaleUp", ".behavior.scaleUp.tolerance"), ("scaleDown", ".behavior.scaleDown.tolerance")]
    {
        let tolerance = format!("self.behavior.{direction}.tolerance");
        let gate = "self.hpa.featureGates.HPAConfigurableTolerance";
        let is_off = format!("({} && !{gate})", super::has(gate));
        let rule = format!(
            "!({}) || {is_off} || {}.compareTo(quantity('0')) >= 0",
            super::has(&tolerance),
            super::quantity(&tolerance)
        );
        let message = "the tolerance can't be below 0: 0.1, for instance, tolerates 10 %";
        rules.push(Rule::new("", rule, message).about(field));
    }
    rules.extend(one_total());
    rules
}

/// A quantity that is above 0.
pub(super) fn above_zero(at: String) -> Rule {
    let rule = "quantity(string(self)).compareTo(quantity('0')) > 0";
    Rule::new(at, rule, "has to be above 0")
}

/// Knative and Ray Serve decide by one metric, the load of the whole service.
fn one_total() -> [Rule; 3] {
    let one = "!(self.strategy in ['knative', 'rayServe']) || !has(self.metrics) || ";
    [
        Rule::new(
            "",
            format!("{one}self.metrics.size() <= 1"),
            "the strategies knative and rayServe decide by one metric: leave the others out",
        )
        .about(".metrics")
        .forbidden(),
        Rule::new(
            "",
            format!("{one}self.metrics.all(m, has(m.external) && has(m.external.target.averageValue))"),
            "the strategies knative and rayServe take an External metric with an averageValue: the load of the \
             whole service, and of one replica",
        )
        .about(".metrics"),
        Rule::new(
            "",
            format!(
                "self.strategy != 'knative' || !has(self.metrics) || self.metrics.all(m, \
                 !(has(m.external) && has(m.external.target.averageValue)) || \
                 {}.compareTo(quantity('10m')) >= 0)",
                super::quantity("m.external.target.averageValue")
            ),
            "the averageValue has to be at least 0.01 under strategy: knative",
        )
        .about(".metrics"),
    ]
}
