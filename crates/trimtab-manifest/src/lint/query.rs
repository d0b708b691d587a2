//! What a PromQL query does with the series that it reads: as much as rules ask, and no more.

use super::autoscaler::LONGEST;
use crate::import::promql::AGGREGATIONS;

/// The metrics of a query, each with the functions around it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query<'q> {
    pub(super) reads: Vec<Read<'q>>,
    /// It calculates: what it gives is not what it reads.
    pub(super) calculates: bool,
}

/// One selector of a query.
#[derive(Debug, PartialEq)]
pub(super) struct Read<'q> {
    pub(super) metric: &'q str,
    /// The functions and aggregations around it, from the outside.
    pub(super) within: Vec<Call>,
}

/// A function or an aggregation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    /// Of an aggregation: it leaves labels, and so perhaps several series.
    pub(super) keeps_labels: bool,
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

/// Words that are neither functions nor metrics.
const WORDS: [&str; 15] = [
    "and",
    "or",
    "unless",
    "atan2",
    "bool",
    "offset",
    "inf",
    "nan",
    "start",
    "end",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "by",
];
/// How deep a query is followed, and how many selectors of it are read.
const DEEPEST: usize = 32;
const MOST: usize = 64;

impl<'q> Query<'q> {
    /// Reads a query. What is no PromQL gives something, too.
    pub(super) fn parse(text: &'q str) -> Self {
        if text.len() > LONGEST {
            return Self::default();
        }
        let mut reader = Reader {
            text,
            at: 0,
            query: Self::default(),
            open: Vec::new(),
            calls: Vec::new(),
            last: None,
        };
        let reads = reader.run();
        let Reader { mut query, calls, .. } = reader;
        query.reads = reads
            .into_iter()
            .map(|(metric, within)| {
                let within = within.iter().filter_map(|index| calls.get(*index).cloned());
                Read { metric, within: within.collect() }
            })
            .collect();
        query
    }
}

impl Read<'_> {
    /// What becomes of the values of all pods.
    pub(super) fn combined(&self) -> Combined {
        let aggregations = || self.within.iter().filter(|call| call.is_aggregation());
        if self.has("histogram_quantile") && aggregations().any(|call| call.name == "sum") {
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
        match outer.name.as_str() {
            _ if outer.keeps_labels => Combined::ByLabels,
            "topk" | "bottomk" | "limitk" | "limit_ratio" | "count_values" => Combined::ByLabels,
            "sum" | "count" | "group" => Combined::Sum,
            // The largest of sums by label: about the whole of something.
            _ if aggregations().skip(1).any(|call| call.name == "sum") => Combined::Sum,
            _ => Combined::Share,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.within.iter().any(|call| call.name == name)
    }
}

impl Call {
    fn is_aggregation(&self) -> bool {
        AGGREGATIONS.contains(&self.name.as_str())
    }
}

struct Reader<'q> {
    text: &'q str,
    at: usize,
    query: Query<'q>,
    /// For each open parenthesis the call that it belongs to.
    open: Vec<Option<usize>>,
    calls: Vec<Call>,
    /// The call whose parenthesis was closed last.
    last: Option<usize>,
}

impl<'q> Reader<'q> {
    fn run(&mut self) -> Vec<(&'q str, Vec<usize>)> {
        let mut reads = Vec::new();
        while let Some(char) = self.rest().chars().next() {
            match char {
                '"' | '\'' | '`' => self.string(char),
                '#' => self.skip(|char| char != '\n'),
                '[' => self.skip_past(']'),
                '{' => {
                    // A selector without a name is read by whom it belongs to.
                    self.selector();
                }
                '(' => {
                    self.at = self.at.saturating_add(1);
                    self.open.push(None);
                }
                ')' => {
                    self.at = self.at.saturating_add(1);
                    self.last = self.open.pop().flatten();
                }
                '+' | '*' | '/' | '%' | '^' | '-' | '<' | '>' | '=' | '!' => {
                    self.query.calculates = true;
                    self.at = self.at.saturating_add(1);
                }
                char if char.is_ascii_digit() => self.skip(|char| is_word(char) || char == '.'),
                char if is_word(char) => reads.extend(self.word()),
                char => self.at = self.at.saturating_add(char.len_utf8()),
            }
            if self.open.len() > DEEPEST || reads.len() >= MOST {
                self.query.calculates = true;
                break;
            }
        }
        reads
    }

    /// A function, an aggregation, a word of the language, or the name of a metric.
    fn word(&mut self) -> Option<(&'q str, Vec<usize>)> {
        let start = self.at;
        self.skip(is_word);
        let word = self.text.get(start..self.at).unwrap_or_default();
        self.skip(char::is_whitespace);
        let lower = word.to_ascii_lowercase();
        if matches!(&*lower, "by" | "without") {
            let keeps = self.labels();
            // `without` keeps all the others.
            let keeps = lower == "without" || keeps;
            if let Some(call) = self.last.take().and_then(|last| self.calls.get_mut(last)) {
                call.keeps_labels = keeps;
            }
            return None;
        }
        if matches!(&*lower, "on" | "ignoring" | "group_left" | "group_right") {
            self.query.calculates = true;
            self.labels();
            return None;
        }
        let is_aggregation = AGGREGATIONS.contains(&&*lower);
        let mut keeps_labels = false;
        if is_aggregation && !self.rest().starts_with('(') {
            let rest = self.rest();
            let length = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            let clause = rest.get(..length).unwrap_or_default().to_ascii_lowercase();
            if matches!(&*clause, "by" | "without") {
                self.at = self.at.saturating_add(length);
                self.skip(char::is_whitespace);
                keeps_labels = self.labels() || clause == "without";
                self.skip(char::is_whitespace);
            }
        }
        if self.rest().starts_with('(') {
            self.at = self.at.saturating_add(1);
            self.calls.push(Call { name: lower, keeps_labels });
            self.open.push(self.calls.len().checked_sub(1));
            return None;
        }
        if WORDS.contains(&&*lower) {
            self.query.calculates |= matches!(&*lower, "and" | "or" | "unless" | "bool" | "atan2");
            return None;
        }
        Some((word, self.open.iter().flatten().copied().collect()))
    }

    /// `(a, b)`: whether there is any label in it.
    fn labels(&mut self) -> bool {
        if !self.rest().starts_with('(') {
            return false;
        }
        let start = self.at;
        self.skip_past(')');
        let inside = self.text.get(start..self.at).unwrap_or_default();
        inside.chars().any(is_word)
    }

    /// `{…}`.
    fn selector(&mut self) {
        self.at = self.at.saturating_add(1);
        while let Some(char) = self.rest().chars().next() {
            match char {
                '"' | '\'' | '`' => self.string(char),
                '}' => return self.at = self.at.saturating_add(1),
                char => self.at = self.at.saturating_add(char.len_utf8()),
            }
        }
    }

    fn string(&mut self, quote: char) {
        self.at = self.at.saturating_add(1);
        let mut escaped = false;
        while let Some(char) = self.rest().chars().next() {
            self.at = self.at.saturating_add(char.len_utf8());
            if !escaped && char == quote {
                return;
            }
            escaped = char == '\\' && !escaped && quote != '`';
        }
    }

    fn rest(&self) -> &'q str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, inside: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at = self.at.saturating_add(rest.find(|char| !inside(char)).unwrap_or(rest.len()));
    }

    fn skip_past(&mut self, end: char) {
        self.skip(|char| char != end);
        self.at = self.at.saturating_add(end.len_utf8()).min(self.text.len());
    }
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_' || char == ':'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn what_calculates() {
        for (query, expected) in [
            ("sum(a{b!=\"c\", d=~\"e-.*\"})", false),
            ("avg(a) * 100", true),
            ("sum(a) or vector(0)", true),
            ("a offset 5m", false),
            ("sum(a) - 3", true),
        ] {
            assert_eq!(Query::parse(query).calculates, expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends(text in any::<String>(), odd in "[a-z{}()\\[\\]\"'`=~!, #\\\\\n]{0,60}") {
            let _ = Query::parse(&text);
            let _ = Query::parse(&odd);
        }
    }
}
