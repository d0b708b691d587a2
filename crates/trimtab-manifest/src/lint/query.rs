//! What a PromQL query does with the series that it reads: as much as rules ask, and no more.

use trimtab_prometheus::promql::{Call, Outline};

use super::autoscaler::LONGEST;

/// The metrics of a query, each with the functions around it.
#[derive(Debug, Default)]
pub(super) struct Query<'q> {
    pub(super) reads: Vec<Read<'q>>,
    /// It calculates: what it gives is not what it reads.
    pub(super) calculates: bool,
}

/// One selector of a query.
#[derive(Debug)]
pub(super) struct Read<'q> {
    pub(super) metric: &'q str,
    /// The functions and aggregations around it, from the outside.
    pub(super) within: Vec<Call<'q>>,
}

/// How a query makes one of the values of all pods.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Combined {
    /// Not at all: one value per pod is left.
    Not,
    /// By their sum.
    Sum,
    /// By their mean, their largest, a quantile: as large for ten pods as for one.
    Share,
    /// By labels, so that several values may be left.
    ByLabels,
}

/// How many selectors of a query are read.
const MOST: usize = 64;

impl<'q> Query<'q> {
    /// Reads a query. What is no PromQL gives something, too.
    pub(super) fn parse(text: &'q str) -> Self {
        if text.len() > LONGEST {
            return Self::default();
        }
        let outline = Outline::of(text);
        let named = outline.selectors.iter().filter(|selector| !selector.name.is_empty());
        let reads = named.take(MOST).map(|selector| {
            let mut within: Vec<Call<'q>> = outline.around(selector).cloned().collect();
            within.reverse();
            Read { metric: selector.name, within }
        });
        let calculates = outline.calculates || outline.selectors.len() > MOST;
        Self { reads: reads.collect(), calculates }
    }
}

impl Read<'_> {
    /// What becomes of the values of all pods.
    pub(super) fn combined(&self) -> Combined {
        let aggregations = || self.within.iter().filter(|call| call.is_aggregation());
        if self.has("histogram_quantile") && aggregations().any(|call| call.is(&["sum"])) {
            return Combined::Share;
        }
        let Some(outer) = aggregations().next() else {
            // These make one value of whatever they get, or are not about the values.
            let one = ["scalar", "absent", "absent_over_time", "vector"];
            return if one.iter().any(|name| self.has(name)) {
                Combined::Share
            } else {
                Combined::Not
            };
        };
        if keeps_labels(outer) {
            Combined::ByLabels
        } else if outer.is(&["sum", "count", "group"])
            // The largest of sums by label: about the whole of something.
            || aggregations().skip(1).any(|call| call.is(&["sum"]))
        {
            Combined::Sum
        } else {
            Combined::Share
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.within.iter().any(|call| call.is(&[name]))
    }
}

/// Whether an aggregation leaves labels, and so perhaps several series.
fn keeps_labels(call: &Call<'_>) -> bool {
    let grouped = call.grouping.as_ref().is_some_and(|by| by.without || !by.labels.is_empty());
    grouped || call.is(&["topk", "bottomk", "limitk", "limit_ratio", "count_values"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combined(query: &str) -> Vec<(&str, Combined)> {
        let query = Query::parse(query);
        query.reads.iter().map(|read| (read.metric, read.combined())).collect()
    }

    #[test]
    fn how_values_become_one() {
        for (query, expected) in [
            ("waiting", Combined::Not),
            ("waiting{app=\"a(b\"}", Combined::Not),
            ("rate(waiting[1m])", Combined::Not),
            ("sum(waiting{a=\"b\"})", Combined::Sum),
            ("sum(rate(waiting[1m]))", Combined::Sum),
            ("sum by () (waiting)", Combined::Sum),
            ("sum by (pod) (waiting)", Combined::ByLabels),
            ("sum(waiting) by (pod)", Combined::ByLabels),
            ("sum without (pod) (waiting)", Combined::ByLabels),
            ("max(sum(waiting) by (app))", Combined::Sum),
            ("avg(waiting)", Combined::Share),
            ("max_over_time(avg(waiting)[5m:15s])", Combined::Share),
            ("quantile(0.9, waiting)", Combined::Share),
            ("topk(1, waiting)", Combined::ByLabels),
            ("histogram_quantile(0.95, sum(rate(waiting[1m])) by (le))", Combined::Share),
            ("histogram_quantile(0.95, sum by (le) (rate(waiting[1m])))", Combined::Share),
            ("histogram_quantile(0.95, rate(waiting[1m]))", Combined::Not),
            ("scalar(waiting)", Combined::Share),
        ] {
            assert_eq!(combined(query), [("waiting", expected)], "{query}");
        }
        assert_eq!(
            combined("sum(a) / on(x) group_left(y) sum(b) by (x)"),
            [("a", Combined::Sum), ("b", Combined::ByLabels)]
        );
    }
}
