//! What the host is told.

use super::Rule;

pub(super) fn rules() -> Vec<Rule> {
    let queries = "sources[].prometheus.queries";
    vec![
        Rule::new(
            "sources[]",
            "has(self.kubernetes) != has(self.prometheus)",
            "a source is exactly one of kubernetes and prometheus",
        ),
        Rule::new(
            "sources",
            "self.filter(source, has(source.kubernetes)).size() <= 1",
            "the metrics APIs are asked once: leave the other kubernetes out",
        ),
        Rule::new(
            queries,
            "!has(self.matchers) || self.matchers == '' || has(self.preset)",
            "matchers is for the queries of a preset, and there is none: write them into the queries",
        )
        .about(".matchers"),
        Rule::new(
            queries,
            "!has(self.preset) || !has(self.windowSeconds) || self.windowSeconds >= 1.0",
            "a window has several scrapes: windowSeconds has to be at least 1, such as 120",
        )
        .about(".windowSeconds"),
        Rule::new(
            queries,
            "!has(self.metrics) || self.metrics.all(q, self.metrics.exists_one(other, other.metric == \
             q.metric && (has(other.container) ? other.container : '') == (has(q.container) ? q.container : \
             '')))",
            "metrics has a metric twice: keep one query of it",
        )
        .about(".metrics"),
        Rule::new(
            "draining.podLabels",
            r"self.all(key, key.size() <= 317 && key.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$'))",
            "the key of a label is up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both \
             ends, and before it perhaps a domain and `/`",
        ),
        Rule::new(
            "",
            "!has(self.draining) || has(self.retire)",
            "draining is for retire, without which no pod drains: set that, or leave it out",
        )
        .about(".draining")
        .forbidden(),
        Rule::new(
            "",
            "!has(self.standby) || has(self.warmPool)",
            "standby is for warmPool, without which nothing stands by: set that, or leave it out",
        )
        .about(".standby")
        .forbidden(),
        Rule::new(
            "",
            "!has(self.standby) || !has(self.standby.scaleTargetRef) || self.standby.scaleTargetRef.name != self.scaleTargetRef.name || \
             self.standby.scaleTargetRef.kind != self.scaleTargetRef.kind || \
             self.standby.scaleTargetRef.apiVersion != (has(self.scaleTargetRef.apiVersion) ? \
             self.scaleTargetRef.apiVersion : '')",
            "what stands by is a workload of its own, and not the one that is scaled",
        )
        .about(".standby.scaleTargetRef"),
        Rule::new(
            "standby",
            "has(self.scaleTargetRef) != has(self.sleep)",
            "what stands by is exactly one of scaleTargetRef and sleep",
        ),
        Rule::new(
            "",
            "!has(self.standby) || !has(self.standby.sleep) || has(self.retire)",
            "sleep needs retire, without which a pod would be put to sleep in the middle of its work: set that, \
             too",
        )
        .about(".standby"),
        Rule::new(
            "",
            "!has(self.standby) || !has(self.standby.sleep) || !(self.scaleTargetRef.kind in ['StatefulSet', \
             'LeaderWorkerSet'])",
            "sleep is for replicas that leave in any order, and these leave from the top: scale a Deployment, or \
             let another workload stand by with scaleTargetRef",
        )
        .about(".standby")
        .forbidden(),
        Rule::new(
            "standby.sleep",
            "(has(self.sleepPath) ? self.sleepPath : '/sleep?level=1') != (has(self.wakePath) ? self.wakePath : \
             '/wake_up')",
            "wakePath is the sleepPath, too: what wakes a pod is another path",
        )
        .about(".wakePath"),
        Rule::new(
            "standby.scaleTargetRef",
            "self.apiVersion.matches('^[^/]+/') || self.kind == 'ReplicationController'",
            "has to name the API group and the version, such as `apps/v1` for a Deployment",
        )
        .about(".apiVersion"),
    ]
}
