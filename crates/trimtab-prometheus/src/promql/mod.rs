//! What a PromQL query reads and what it does with it, as far as that can be told without evaluating it.
//!
//! This reads any text: what is not PromQL gives something, too, and the server has the last word.

mod reader;
mod span;

use trimtab_metric::Span;

use reader::Reader;

/// What stands in a query.
///
/// ```
/// use trimtab_prometheus::promql::Outline;
///
/// let outline = Outline::of("sum by (pod) (rate(requests_total{job=\"llm\"}[2m])) / 2");
/// let [requests] = &outline.selectors[..] else { panic!("one metric") };
/// assert_eq!(requests.name, "requests_total");
/// let around: Vec<&str> = outline.around(requests).map(|call| call.name).collect();
/// assert_eq!(around, ["rate", "sum"]);
/// assert!(outline.calculates);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline<'q> {
    /// The series that it reads, in the order in which they stand.
    pub selectors: Vec<Selector<'q>>,
    /// The functions and aggregations that it calls; one stands before those within it.
    pub calls: Vec<Call<'q>>,
    /// It has an operator, so that what it gives is not what it reads.
    pub calculates: bool,
}

/// Series that a query reads: `up{job="a"}[5m]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector<'q> {
    /// The metric's name, before the braces or within them; empty if it has none.
    pub name: &'q str,
    /// Name and matchers as written, without a range.
    pub text: &'q str,
    /// What labels have to be, without the name.
    pub matchers: Vec<Matcher<'q>>,
    /// The range behind it, if that is a plain one.
    pub range: Option<Span>,
    /// The innermost call that it stands in.
    call: Option<usize>,
}

/// What a label has to be: `job=~"a|b"`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Matcher<'q> {
    /// The label.
    pub label: &'q str,
    /// `=`, `!=`, `=~` or `!~`.
    pub operator: &'q str,
    /// The value, with its escapes.
    pub value: &'q str,
}

/// A function or an aggregation that is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call<'q> {
    /// Its name as written.
    pub name: &'q str,
    /// The call that it stands in.
    parent: Option<usize>,
    /// What is grouped by, or without.
    pub grouping: Option<Grouping<'q>>,
}

/// `by (…)` or `without (…)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping<'q> {
    /// It says which labels are dropped, and not which are kept.
    pub without: bool,
    /// The labels.
    pub labels: Vec<&'q str>,
}

const AGGREGATIONS: [&str; 14] = [
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
];

impl Call<'_> {
    /// Whether it is an aggregation over series, and no function of each.
    pub fn is_aggregation(&self) -> bool {
        self.is(&AGGREGATIONS)
    }

    /// Whether it is one of these, in whatever case.
    pub fn is(&self, names: &[&str]) -> bool {
        is_one(self.name, names)
    }
}

impl<'q> Outline<'q> {
    /// Of a query, or of any text.
    pub fn of(query: &'q str) -> Self {
        Reader::new(query).outline()
    }

    /// The calls around a selector, the innermost first.
    pub fn around(&self, selector: &Selector<'q>) -> impl Iterator<Item = &Call<'q>> {
        let mut next = selector.call;
        std::iter::from_fn(move || {
            let call = self.calls.get(next?)?;
            // A parent stands before its children, so that this ends.
            next = call.parent.filter(|parent| Some(*parent) < next);
            Some(call)
        })
    }

    /// The names of the metrics that it reads, each once.
    ///
    /// ```
    /// use trimtab_prometheus::promql::Outline;
    /// assert_eq!(Outline::of("a / (a + on(x) {\"b.c\"})").metrics(), ["a", "b.c"]);
    /// ```
    pub fn metrics(&self) -> Vec<&'q str> {
        let mut names = Vec::new();
        for Selector { name, .. } in &self.selectors {
            if !name.is_empty() && !names.contains(name) {
                names.push(*name);
            }
        }
        names
    }
}

fn is_one(word: &str, of: &[&str]) -> bool {
    of.iter().any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(query: &str) -> Vec<&str> {
        Outline::of(query).selectors.iter().map(|selector| selector.text).collect()
    }

    #[test]
    fn selectors_of_queries() {
        for (query, expected) in [
            ("up", &["up"][..]),
            ("sum(a{x=\"1\"}) by (pod) / b", &["a{x=\"1\"}", "b"]),
            ("sum by (pod) (rate(a{x=~\"}\"}[5m] offset 1m)) or on(x) b", &["a{x=~\"}\"}", "b"]),
            ("{__name__=\"a\"}", &["{__name__=\"a\"}"]),
            ("max_over_time(sum(a)[5m:1m]) * 1e3 + 0x1f # c", &["a"]),
            ("histogram_quantile(0.95, sum by (le) (rate(t_bucket[2m])))", &["t_bucket"]),
            (
                "label_replace(up{job=\"a{b\\\"c\"}, \"x\", \"$1\", 'y', `z\\`)",
                &["up{job=\"a{b\\\"c\"}"],
            ),
            ("vector(1) + time()", &[]),
            ("a {x=\"1\"} [5m]", &["a {x=\"1\"}"]),
            ("sum", &["sum"]),
            ("rate(x[5m] @ end())", &["x"]),
            ("info(a, {b=\"c\"})", &["a", "{b=\"c\"}"]),
        ] {
            assert_eq!(texts(query), expected, "{query}");
        }
    }

    #[test]
    fn metrics_of_queries() {
        for (query, expected) in [
            ("vllm:num_requests_waiting", &["vllm:num_requests_waiting"][..]),
            ("sum by (pod) (rate(tokens_total[5m] offset 1m)) / 2", &["tokens_total"]),
            (
                "sum(waiting) without (pod, a) + on(x) group_left(y) running",
                &["waiting", "running"],
            ),
            ("{__name__=\"waiting\", job!=\"x\"}", &["waiting"]),
            ("{__name__=~\"waiting.*\"}", &[]),
            ("{\"my.metric\", job=\"x\"}", &["my.metric"]),
            ("{job=\"x\", \"my.label\"=\"y\", 'my.metric'}", &["my.metric"]),
            ("waiting > bool 3 and running unless Inf", &["waiting", "running"]),
            ("waiting # running\n + 1e3 + 0x1f", &["waiting"]),
            ("a + a", &["a"]),
            ("vector(1)", &[]),
            ("", &[]),
        ] {
            assert_eq!(Outline::of(query).metrics(), expected, "{query}");
        }
    }

    #[test]
    fn what_labels_have_to_be() {
        let query = r#"a{le="1", job!~'x\'}', "my.label"=~`y\`}"#;
        let outline = Outline::of(query);
        let matcher = |label, operator, value| Matcher { label, operator, value };
        let expected = [
            matcher("le", "=", "1"),
            matcher("job", "!~", r"x\'}"),
            matcher("my.label", "=~", r"y\"),
        ];
        assert_eq!(outline.selectors[0].matchers, expected);
        assert_eq!(outline.selectors[0].text, query);
        assert_eq!(Outline::of("{__name__=\"a\"}").selectors[0].matchers, []);
    }

    #[test]
    fn what_calculates() {
        for (query, expected) in [
            ("sum(a{b!=\"c\", d=~\"e-.*\"})", false),
            ("avg(a) * 100", true),
            ("sum(a) or vector(0)", true),
            ("a offset 5m", false),
            ("a offset -5m", false),
            ("sum(a) - 3", true),
            ("a and on(x) b", true),
        ] {
            assert_eq!(Outline::of(query).calculates, expected, "{query}");
        }
    }

    #[test]
    fn what_is_around_a_selector() {
        let outline = Outline::of("ceil(sum(rate(a[90s])) by (pod, le)) + max(b)");
        let names = |index: usize| {
            let selector = &outline.selectors[index];
            outline.around(selector).map(|call| call.name).collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["rate", "sum", "ceil"]);
        assert_eq!(names(1), ["max"]);
        assert_eq!(outline.selectors[0].range, Some(Span::from_secs(90)));
        let grouping = outline.calls[1].grouping.as_ref().unwrap();
        assert_eq!((grouping.without, &grouping.labels[..]), (false, &["pod", "le"][..]));
        assert_eq!(outline.calls[3].grouping, None);
    }

    proptest! {
        #[test]
        fn any_text_ends(text in any::<String>(), odd in "[a-z{}()\\[\\]\"'`=~!, #\\\\\nby]{0,80}") {
            for text in [&text, &odd] {
                let outline = Outline::of(text);
                let _metrics = outline.metrics();
                for selector in &outline.selectors {
                    prop_assert!(text.contains(selector.text));
                    let _around = outline.around(selector).count();
                }
            }
        }
    }
}
