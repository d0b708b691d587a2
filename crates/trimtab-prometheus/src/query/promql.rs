//! What a PromQL query reads and what it does with it, as far as that can be told without evaluating it.
//!
//! This reads any text: what is not PromQL gives fewer findings, and the server has the last word.
#![cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "most of it is for what is said about queries")
)]

use trimtab_metric::Span;

/// What stands in a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline<'q> {
    pub(crate) selectors: Vec<Selector<'q>>,
    pub(crate) calls: Vec<Call<'q>>,
}

/// Series that a query reads: `up{job="a"}[5m]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector<'q> {
    /// The name, where it is written before the braces.
    pub(crate) name: &'q str,
    /// Name and matchers as written, without a range.
    pub(crate) text: &'q str,
    /// The range behind it.
    pub(crate) range: Option<Span>,
    /// The innermost call that it stands in.
    pub(crate) call: Option<usize>,
}

/// A function or an aggregation that is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call<'q> {
    pub(crate) name: &'q str,
    /// The call that it stands in.
    pub(crate) parent: Option<usize>,
    /// What is grouped by, or without.
    pub(crate) grouping: Option<Grouping<'q>>,
}

/// `by (…)` or `without (…)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grouping<'q> {
    pub(crate) without: bool,
    pub(crate) labels: Vec<&'q str>,
}

/// Words of the language that name nothing.
const KEYWORDS: [&str; 14] = [
    "and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", "start", "end", "anchored",
    "smoothed", "fill", "info",
];
const MATCHING: [&str; 4] = ["on", "ignoring", "group_left", "group_right"];
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
    pub(crate) fn is_aggregation(&self) -> bool {
        AGGREGATIONS.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }
}

impl<'q> Outline<'q> {
    pub(crate) fn of(query: &'q str) -> Self {
        let mut reader = Reader { text: query, at: 0, open: Vec::new(), outline: Self::default() };
        reader.run();
        reader.outline
    }

    /// The calls around a selector, the innermost first.
    pub(crate) fn around(&self, selector: &Selector<'q>) -> impl Iterator<Item = &Call<'q>> {
        let mut next = selector.call;
        std::iter::from_fn(move || {
            let call = self.calls.get(next?)?;
            // A parent stands before its children, so that this ends.
            next = call.parent.filter(|parent| Some(*parent) < next);
            Some(call)
        })
    }
}

struct Reader<'q> {
    text: &'q str,
    at: usize,
    /// The parentheses that are open: which call each belongs to, if it does to one.
    open: Vec<Option<usize>>,
    outline: Outline<'q>,
}

impl<'q> Reader<'q> {
    fn run(&mut self) {
        while let Some(char) = self.peek() {
            match char {
                '"' | '\'' | '`' => self.string(),
                '#' => self.skip(|char| char != '\n'),
                '(' => {
                    self.open.push(None);
                    self.at += 1;
                }
                ')' => {
                    self.at += 1;
                    if let Some(call) = self.open.pop().flatten() {
                        let grouping = self.grouping();
                        if let Some(call) = self.outline.calls.get_mut(call)
                            && grouping.is_some()
                        {
                            call.grouping = grouping;
                        }
                    }
                }
                '{' => self.selector(self.at),
                '[' => self.skip_past(']'),
                char if char.is_ascii_digit() => self.skip(|char| is_word(char) || char == '.'),
                char if is_word(char) => self.word(),
                char => self.at += char.len_utf8(),
            }
        }
    }

    fn rest(&self) -> &'q str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, inside: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|char| !inside(char)).unwrap_or(rest.len());
    }

    fn skip_past(&mut self, end: char) {
        self.skip(|char| char != end);
        self.at = self.at.saturating_add(end.len_utf8()).min(self.text.len());
    }

    fn skip_space(&mut self) {
        self.skip(char::is_whitespace);
    }

    fn slice(&self, start: usize) -> &'q str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn string(&mut self) {
        let Some(quote) = self.peek() else { return };
        self.at += quote.len_utf8();
        let mut escaped = false;
        while let Some(char) = self.peek() {
            self.at += char.len_utf8();
            if !escaped && char == quote {
                return;
            }
            escaped = char == '\\' && !escaped && quote != '`';
        }
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip(is_word);
        let word = self.slice(start);
        let end = self.at;
        self.skip_space();
        let is = |list: &[&str]| list.iter().any(|known| word.eq_ignore_ascii_case(known));
        if is(&MATCHING) {
            self.labels();
        } else if is(&AGGREGATIONS) && self.peek() != Some('(') {
            // `sum by (pod) (…)`, or a metric of that name.
            match self.grouping() {
                Some(grouping) => {
                    self.skip_space();
                    if self.peek() == Some('(') {
                        self.call(word, Some(grouping));
                    }
                }
                None => self.named(start, end),
            }
        } else if self.peek() == Some('(') && !is(&KEYWORDS) {
            self.call(word, None);
        } else if !is(&KEYWORDS) {
            self.named(start, end);
        }
    }

    fn call(&mut self, name: &'q str, grouping: Option<Grouping<'q>>) {
        let parent = self.innermost();
        self.open.push(Some(self.outline.calls.len()));
        self.outline.calls.push(Call { name, parent, grouping });
        self.at += 1;
    }

    fn innermost(&self) -> Option<usize> {
        self.open.iter().rev().find_map(|call| *call)
    }

    /// A selector whose name was just read.
    fn named(&mut self, start: usize, end: usize) {
        self.at = end;
        let name = self.slice(start);
        self.skip_space();
        if self.peek() == Some('{') {
            self.selector(start);
        } else {
            let text = name;
            self.found(name, text);
        }
    }

    /// A selector from `start` whose braces begin here.
    fn selector(&mut self, start: usize) {
        let name = self.slice(start).trim_end();
        self.at += 1;
        while let Some(char) = self.peek() {
            match char {
                '"' | '\'' | '`' => self.string(),
                '}' => {
                    self.at += 1;
                    break;
                }
                char => self.at += char.len_utf8(),
            }
        }
        self.found(name, self.slice(start));
    }

    fn found(&mut self, name: &'q str, text: &'q str) {
        self.skip_space();
        let mut range = None;
        if self.peek() == Some('[') {
            let start = self.at + 1;
            self.skip_past(']');
            let inside = self.slice(start).trim_end_matches(']');
            range = if inside.contains(':') { None } else { prometheus_span(inside.trim()) };
        }
        let call = self.innermost();
        self.outline.selectors.push(Selector { name, text, range, call });
    }

    /// `by (…)` or `without (…)`, if that comes next.
    fn grouping(&mut self) -> Option<Grouping<'q>> {
        let start = self.at;
        self.skip_space();
        let word_start = self.at;
        self.skip(is_word);
        let word = self.slice(word_start);
        let without = word.eq_ignore_ascii_case("without");
        if !without && !word.eq_ignore_ascii_case("by") {
            self.at = start;
            return None;
        }
        self.skip_space();
        Some(Grouping { without, labels: self.labels() })
    }

    /// A list of labels in parentheses, if one comes next.
    fn labels(&mut self) -> Vec<&'q str> {
        if self.peek() != Some('(') {
            return Vec::new();
        }
        let start = self.at + 1;
        self.skip_past(')');
        let inside = self.slice(start).trim_end_matches(')');
        let labels = inside.split(',').map(|label| label.trim().trim_matches(['"', '\'']));
        labels.filter(|label| !label.is_empty()).collect()
    }
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_' || char == ':'
}

/// A length of time as PromQL writes it: `1h30m`, `500ms`, `2d`.
pub(crate) fn prometheus_span(text: &str) -> Option<Span> {
    let mut rest = text;
    let mut millis: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_end = after.find(|char: char| char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let unit: i64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        millis = millis.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = after;
    }
    Some(Span::from_millis(millis))
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
        ] {
            assert_eq!(texts(query), expected, "{query}");
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

    #[test]
    fn lengths_of_time() {
        assert_eq!(prometheus_span("1h30m"), Some(Span::from_secs(5400)));
        assert_eq!(prometheus_span("500ms"), Some(Span::from_millis(500)));
        assert_eq!(prometheus_span("2d"), Some(Span::from_secs(172_800)));
        for text in ["", "5", "m", "1x", "$__rate_interval", "99999999999999999999y"] {
            assert_eq!(prometheus_span(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends(text in any::<String>(), odd in "[a-z{}()\\[\\]\"'`=~!, #\\\\\nby]{0,80}") {
            for text in [&text, &odd] {
                let outline = Outline::of(text);
                for selector in &outline.selectors {
                    prop_assert!(text.contains(selector.text));
                    let _around = outline.around(selector).count();
                }
            }
        }
    }
}
