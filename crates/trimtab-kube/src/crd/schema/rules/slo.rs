//! The signals of `slo`, and its service model.

use super::metrics::above_zero;
use super::stages::has_average;
use super::{Rule, differ, has, is_a_metric, name_of, or, quantity};

pub(super) fn rules() -> Vec<Rule> {
    let groups = [sampling(), sizes(), signals(), offered(), model(), error_budget()];
    groups.into_iter().flatten().collect()
}

/// What a signal may do.
fn role(signal: &str) -> String {
    or(&format!("{signal}.role"), "'demand'")
}

/// That some signal is of a metric and has one of some roles.
fn has_role(metric: &str, roles: &str) -> String {
    format!(
        "({} && self.slo.signals.exists(s, s.metric == {} && {} in [{roles}]))",
        has("self.slo.signals"),
        name_of(metric),
        role("s")
    )
}

fn sampling() -> Vec<Rule> {
    let interval = or("self.intervalSeconds", "2");
    let window = or("self.windowSeconds", "60");
    vec![
        Rule::new(
            "slo.sampling",
            format!("!has(self.windowSeconds) || self.windowSeconds >= {interval}"),
            "windowSeconds has to be at least intervalSeconds",
        )
        .about(".windowSeconds"),
        Rule::new(
            "slo.sampling",
            format!(
                "!has(self.recentSeconds) || (self.recentSeconds >= {interval} && self.recentSeconds <= \
                 {window})"
            ),
            "recentSeconds has to be from intervalSeconds to windowSeconds",
        )
        .about(".recentSeconds"),
    ]
}

/// Metrics say how many, each with a target that fits its role.
fn sizes() -> Vec<Rule> {
    let slo = "self.strategy != 'slo' || ";
    let each = |rule: String| format!("{slo}!has(self.metrics) || self.metrics.all(m, {rule})");
    let is_value = "((has(m.external) && !has(m.external.target.averageValue)) || (has(m.object) && \
                    m.object.target.type == 'Value' && has(m.object.target.value)))";
    vec![
        Rule::new(
            "",
            format!("{slo}(has(self.metrics) && self.metrics.size() > 0)"),
            "strategy: slo needs a load to decide by, such as the requests in flight with what one replica \
             serves at once",
        )
        .about(".metrics")
        .required(),
        Rule::new(
            "",
            each(String::from(
                "!(has(m.resource) && has(m.resource.target.averageUtilization)) && \
                 !(has(m.containerResource) && has(m.containerResource.target.averageUtilization))",
            )),
            "strategy: slo takes an averageValue, not a share of the request",
        )
        .about(".metrics"),
        Rule::new(
            "",
            each(format!(
                "!{is_value} || {}",
                has_role("m", "'trigger', 'latency', 'guard', 'part'")
            )),
            "a demand takes an averageValue, the load of one replica; a metric with a value needs another role \
             in slo.signals",
        )
        .about(".metrics"),
        Rule::new(
            "",
            each(format!(
                "!(has(m.external) || has(m.object)) || !{} || !{}",
                has_average("m"),
                has_role("m", "'latency', 'guard'")
            )),
            "a latency or guard of the whole service takes a value",
        )
        .about(".metrics"),
        Rule::new(
            "",
            format!(
                "{slo}!has(self.metrics) || self.metrics.size() == 0 || self.metrics.exists(m, !{})",
                has_role("m", "'trigger', 'guard', 'part'")
            ),
            "triggers and guards don't say how many: give a metric the role demand or latency",
        )
        .about(".slo"),
    ]
}

fn signals() -> Vec<Rule> {
    let role = role("self");
    let mut rules = vec![
        Rule::new(
            "slo.signals",
            differ("metric"),
            "no two signals have the same metric: say all of it in one",
        ),
        Rule::new(
            "",
            each_signal(&is_a_metric("s.metric")),
            "the metric of each signal has to be the name of one of the metrics",
        )
        .about(".slo.signals"),
        Rule::new(
            "slo.signals[]",
            format!(
                "{role} != 'part' || !({}) || self.onUnknown.up != 'assumeLimit'",
                has("self.onUnknown.up")
            ),
            "a part has no limit to assume: onUnknown.up has to be hold or ignore",
        )
        .about(".onUnknown.up"),
        Rule::new(
            "",
            each_signal(&format!(
                "!has(s.release) || self.metrics.all(m, {} != s.metric || {})",
                name_of("m"),
                against_target("m", "quantity('0')", "s.release", "> 0")
            )),
            "release has to be less than the metric's target",
        )
        .about(".slo.signals"),
        Rule::new(
            "",
            each_signal(&format!(
                "!has(s.hardLimit) || self.metrics.all(m, {} != s.metric || {})",
                name_of("m"),
                against_target("m", "quantity('1m')", "s.hardLimit", "< 0")
            )),
            "hardLimit has to be at least the metric's target",
        )
        .about(".slo.signals"),
        Rule::new(
            "",
            parts_are_named(),
            "a part needs something that is made of it: name it in a demand's offered \
             or learned, in serviceModel or in errorBudget, or leave it out",
        )
        .about(".slo.signals"),
    ];
    for (field, only) in [
        ("release", "trigger"),
        ("hardLimit", "guard"),
        ("offered", "demand"),
        ("learned", "demand"),
    ] {
        let rule = format!("!has(self.{field}) || {role} == '{only}'");
        let message = format!("{field} is for the role {only}");
        rules.push(Rule::new("slo.signals[]", rule, message).forbidden());
    }
    rules
}

fn each_signal(rule: &str) -> String {
    format!(
        "!({}) || !has(self.metrics) || self.slo.signals.all(s, {rule})",
        has("self.slo.signals")
    )
}

/// A metric's target minus `other`, compared with 0: true where the metric has no such target. Targets are looked
/// at in thousandths, so what is equal may be off by one: `slack` is taken from the target.
fn against_target(metric: &str, slack: &str, other: &str, comparison: &str) -> String {
    let held = |field: String| {
        format!("{}.sub({slack}).compareTo({}) {comparison}", quantity(&field), quantity(other))
    };
    let average = |source: &str| {
        format!("has({metric}.{source}) && has({metric}.{source}.target.averageValue)")
    };
    let target = |source: &str, field: &str| held(format!("{metric}.{source}.target.{field}"));
    let of_object = |type_: &str, field: &str| {
        format!(
            "has({metric}.object) && {metric}.object.target.type == '{type_}' && \
             has({metric}.object.target.{field}) ? {}",
            target("object", field)
        )
    };
    format!(
        "({} ? {} : {} ? {} : {} ? {} : {} ? {} : has({metric}.external) && \
         has({metric}.external.target.value) ? {} : {} : {} : true)",
        average("external"),
        target("external", "averageValue"),
        average("pods"),
        target("pods", "averageValue"),
        average("resource"),
        target("resource", "averageValue"),
        average("containerResource"),
        target("containerResource", "averageValue"),
        target("external", "value"),
        of_object("Value", "value"),
        of_object("AverageValue", "averageValue"),
    )
}

/// A part that nothing is made of says nothing.
fn parts_are_named() -> String {
    let of_demand = ["waiting", "rejected", "rejectedPerSecond", "backlog"]
        .map(|field| format!("(has(o.offered.{field}) && o.offered.{field} == s.metric)"));
    let of_model = ["inputTokensMetric", "outputTokensMetric"].map(|field| {
        let path = format!("self.slo.serviceModel.{field}");
        format!("({} && {path} == s.metric)", has(&path))
    });
    let refit = "self.slo.serviceModel.refit.tpotMilliseconds";
    let attained = "self.slo.errorBudget.attained";
    each_signal(&format!(
        "{} != 'part' || {} || ({} && {refit} == s.metric) || ({} && {attained} == s.metric) || \
         self.slo.signals.exists(o, \
         (has(o.offered) && ({})) || (has(o.learned) && o.learned.queue == s.metric))",
        role("s"),
        of_model.join(" || "),
        has(refit),
        has(attained),
        of_demand.join(" || ")
    ))
}

/// What a demand's reading leaves out, and how it learns.
fn offered() -> Vec<Rule> {
    let at = "slo.signals[].offered";
    let counts = or("self.counts", "'inFlight'");
    let mut rules = vec![
        above_zero(format!("{at}.censoredAt")),
        above_zero(format!("{at}.queueCensoredAt")),
        above_zero(String::from("slo.signals[].learned.queueAt")),
        Rule::new(
            at,
            format!("{counts} != 'completions' || has(self.backlog)"),
            "backlog is missing: an overloaded server completes no more than it can, and what comes beyond that \
             is seen in what waits",
        )
        .about(".backlog")
        .required(),
        Rule::new(
            at,
            format!("!has(self.rejectedPerSecond) || {counts} != 'inFlight' || has(self.residenceSeconds)"),
            "residenceSeconds is missing: with rejectedPerSecond it makes a number in flight, so set it to how \
             long a request stays",
        )
        .about(".residenceSeconds")
        .required(),
        Rule::new(
            at,
            "!has(self.rejected) || !has(self.rejectedPerSecond)",
            "rejectedPerSecond says what rejected says: leave one of the two out",
        )
        .about(".rejectedPerSecond")
        .forbidden(),
        Rule::new(
            at,
            "!has(self.queueCensoredAt) || has(self.waiting) || has(self.backlog)",
            "queueCensoredAt is the most of what waits, and neither waiting nor backlog tells of that",
        )
        .about(".queueCensoredAt"),
    ];
    for (field, is, word) in [
        ("waiting", "==", "inFlight"),
        ("residenceSeconds", "==", "inFlight"),
        ("backlog", "!=", "arrivals or completions"),
        ("drainSeconds", "!=", "arrivals or completions"),
    ] {
        let rule = format!("!has(self.{field}) || {counts} {is} 'inFlight'");
        rules.push(
            Rule::new(at, rule, format!("{field} is for a demand that counts {word}")).forbidden(),
        );
    }
    let parts = ["waiting", "rejected", "rejectedPerSecond", "backlog"]
        .map(|field| (field, format!("s.offered.{field}"), format!("offered.{field}")));
    let queue = ("queue", String::from("s.learned.queue"), String::from("learned.queue"));
    for (_, path, field) in parts.into_iter().chain([queue]) {
        let rule = format!("!({}) || ({path} != s.metric && {})", has(&path), is_a_metric(&path));
        let message = format!(
            "{field} has to be the name of one of the metrics, and not of the demand itself"
        );
        rules.push(Rule::new("", each_signal(&rule), message).about(".slo.signals"));
    }
    rules
}

fn model() -> Vec<Rule> {
    let at = "slo.serviceModel";
    let given = has("self.slo.serviceModel");
    let rate = "self.slo.serviceModel.rate";
    let mut rules = vec![
        Rule::new(
            "",
            format!("!({given}) || {}", is_a_metric(rate)),
            "slo.serviceModel.rate has to be the name of one of the metrics",
        )
        .about(".slo.serviceModel.rate"),
        Rule::new(
            "slo",
            format!(
                "!has(self.serviceModel) || !has(self.signals) || self.signals.all(s, s.metric != \
                 self.serviceModel.rate || ({} == 'demand' && !has(s.learned) && (!has(s.offered) || \
                 {} != 'inFlight')))",
                role("s"),
                or("s.offered.counts", "'inFlight'")
            ),
            "serviceModel.rate has to be a demand that counts arrivals or completions, and learns nothing",
        )
        .about(".serviceModel.rate"),
    ];
    for tokens in ["inputTokens", "outputTokens"] {
        let rule = format!("has(self.{tokens}) || has(self.{tokens}Metric)");
        let message =
            format!("{tokens} is missing: set it, or {tokens}Metric, to the mean of requests");
        rules.push(Rule::new(at, rule, message).required());
    }
    for field in ["inputTokensMetric", "outputTokensMetric", "refit.tpotMilliseconds"] {
        let path = format!("self.slo.serviceModel.{field}");
        let rule = format!("!({}) || ({path} != {rate} && {})", has(&path), is_a_metric(&path));
        let message = format!(
            "slo.serviceModel.{field} has to be the name of one of the metrics, and not rate"
        );
        rules.push(Rule::new("", rule, message).about(".slo.serviceModel"));
    }
    rules
}

/// How often requests may miss what was promised.
fn error_budget() -> Vec<Rule> {
    let attained = "self.slo.errorBudget.attained";
    vec![
        Rule::new(
            "",
            format!(
                "!({}) || ({} && has(self.slo.signals) && self.slo.signals.exists(s, s.metric == {attained} && \
                 {} != 'demand'))",
                has(attained),
                is_a_metric(attained),
                role("s")
            ),
            "slo.errorBudget.attained has to be the name of one of the metrics, and not of a demand: give it the \
             role part",
        )
        .about(".slo.errorBudget.attained"),
    ]
}
