//! What stands behind every strategy: warm pool, retire, schedules, looking ahead, nodes.

use super::whole::{least, most};
use super::{Rule, differ, flag, has, is_a_metric, name_of, or};

pub(super) fn rules() -> Vec<Rule> {
    [warm_pool(), retire(), schedules(), anticipate(), supply()].into_iter().flatten().collect()
}

fn warm_pool() -> Vec<Rule> {
    let lead = format!(
        "(has(self.warmPool.leadTimeSeconds) ? self.warmPool.leadTimeSeconds : self.strategy == 'slo' && {} \
         ? self.slo.leadTimeSeconds : 180)",
        has("self.slo.leadTimeSeconds")
    );
    vec![
        Rule::new(
            "warmPool.size",
            "[has(self.fixed), has(self.percent), has(self.surge)].filter(given, given).size() == 1",
            "has to have exactly one of fixed, percent and surge",
        ),
        Rule::new(
            "warmPool.size.surge",
            "has(self.quantile) ? !has(self.idleCost) && !has(self.missCost) : has(self.idleCost) && \
             has(self.missCost)",
            "give quantile, or both idleCost and missCost",
        ),
        Rule::new(
            "warmPool",
            format!("!has(self.maxSize) || self.maxSize >= {}", or("self.minSize", "0")),
            "maxSize has to be at least minSize",
        )
        .about(".maxSize"),
        Rule::new(
            "",
            format!(
                "!has(self.warmPool) || {} < {lead}",
                or("self.warmPool.promoteSeconds", "20")
            ),
            "warmPool.promoteSeconds has to be less than the lead time: a pool that is not faster than a start is \
             of no use",
        )
        .about(".warmPool.promoteSeconds"),
    ]
}

fn retire() -> Vec<Rule> {
    vec![
        Rule::new(
            "retire.victimOrder",
            "self.all(rule, self.exists_one(other, other == rule))",
            "give each rule once",
        ),
        Rule::new(
            "retire",
            "!has(self.victimOrder) || !has(self.preferSpot)",
            "preferSpot is for the default order, and victimOrder is given: say it there, as spot",
        )
        .about(".preferSpot")
        .forbidden(),
        Rule::new(
            "",
            format!("!{} || self.strategy == 'slo'", flag("self.retire.projection")),
            "retire.projection is for the triggers of strategy: slo: leave it out",
        )
        .about(".retire.projection")
        .forbidden(),
    ]
}

fn schedules() -> Vec<Rule> {
    let (least, most) = (least(), most());
    let within = |field: &str| {
        format!(
            "(!has(s.{field}) || (s.{field} >= {least} && ({most} == 0 || s.{field} <= {most})))"
        )
    };
    vec![
        Rule::new(
            "schedules",
            differ("name"),
            "no two windows have the same name: give each one of its own",
        ),
        Rule::new(
            "schedules[]",
            "has(self.end) != has(self.durationSeconds)",
            "a window closes by end or by durationSeconds: set one of them",
        )
        .about(".end"),
        Rule::new(
            "schedules[]",
            "has(self.minReplicas) || has(self.maxReplicas)",
            "a window sets minReplicas, maxReplicas or both",
        )
        .about(".minReplicas")
        .required(),
        Rule::new(
            "schedules[]",
            "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
            "maxReplicas has to be at least minReplicas",
        )
        .about(".maxReplicas"),
        Rule::new(
            "",
            format!(
                "!has(self.schedules) || ({most} > 0 && {most} < {least}) || self.schedules.all(s, {} && \
                 {})",
                within("minReplicas"),
                within("maxReplicas")
            ),
            "what a window sets has to be within the policy's minReplicas and maxReplicas",
        )
        .about(".schedules"),
    ]
}

fn anticipate() -> Vec<Rule> {
    let credit = flag("self.startingCredit");
    let forecast = "self.anticipate.forecast";
    let mut rules = vec![
        Rule::new(
            "anticipate.learnLeadTime",
            format!("!has(self.maxSeconds) || self.maxSeconds >= {}", or("self.minSeconds", "1")),
            "maxSeconds has to be at least minSeconds",
        )
        .about(".maxSeconds"),
        Rule::new(
            "anticipate.forecast",
            "has(self.seasonSeconds) || !has(self.models) || !self.models.exists(model, model in \
             ['seasonalNaive', 'holtWinters'])",
            "seasonalNaive and holtWinters need seasonSeconds: set it, or leave the model out",
        )
        .about(".models"),
        Rule::new(
            "anticipate.forecast",
            "!has(self.seasonSeconds) || !has(self.stepSeconds) || (self.seasonSeconds % self.stepSeconds \
             == 0 && self.seasonSeconds / self.stepSeconds >= 2 && self.seasonSeconds / \
             self.stepSeconds <= 168)",
            "seasonSeconds has to be 2 to 168 whole steps of stepSeconds",
        )
        .about(".seasonSeconds"),
        Rule::new(
            "",
            format!("!({}) || {}", has(forecast), is_a_metric("self.anticipate.forecast.metric")),
            "anticipate.forecast.metric has to be the name of one of the metrics",
        )
        .about(".anticipate.forecast.metric"),
        Rule::new(
            "",
            format!(
                "!({}) || !has(self.metrics) || self.metrics.all(m, {} != \
                 self.anticipate.forecast.metric || {})",
                has(forecast),
                name_of("m"),
                has_average("m")
            ),
            "the metric that is forecast needs an averageValue: the load of one replica",
        )
        .about(".anticipate.forecast.metric"),
    ];
    for field in ["creditFactor", "overdueAfterSeconds"] {
        let rule = format!("!has(self.{field}) || {credit}");
        let message = format!("{field} is for startingCredit: true: set that, or leave it out");
        rules.push(Rule::new("anticipate", rule, message).forbidden());
    }
    rules
}

/// Whether a metric's target is the load of one replica.
pub(super) fn has_average(metric: &str) -> String {
    let parts = ["pods", "resource", "containerResource", "external"].map(|source| {
        format!("(has({metric}.{source}) && has({metric}.{source}.target.averageValue))")
    });
    format!(
        "({} || (has({metric}.object) && {metric}.object.target.type == 'AverageValue' && \
         has({metric}.object.target.averageValue)))",
        parts.join(" || ")
    )
}

fn supply() -> Vec<Rule> {
    let gpus = or("self.gpusPerReplica", "1");
    vec![
        Rule::new(
            "supply.pools",
            differ("name"),
            "no two pools have the same name: give each one of its own",
        ),
        Rule::new(
            "supply",
            format!(
                "self.pools.all(pool, (!has(pool.maxGpus) || pool.maxGpus >= {gpus}) && \
                 (!has(pool.gpusPerNode) || pool.gpusPerNode >= {gpus}))"
            ),
            "maxGpus and gpusPerNode of a pool have to be at least gpusPerReplica: a replica runs on one node",
        )
        .about(".pools"),
        Rule::new(
            "supply",
            format!(
                "!has(self.maxBackoffSeconds) || self.maxBackoffSeconds >= {}",
                or("self.backoffSeconds", "1")
            ),
            "maxBackoffSeconds has to be at least backoffSeconds",
        )
        .about(".maxBackoffSeconds"),
        Rule::new(
            "redundancy",
            "!has(self.domains) || self.domains > self.surviveDomainLosses",
            "domains has to be more than surviveDomainLosses",
        )
        .about(".domains"),
    ]
}
