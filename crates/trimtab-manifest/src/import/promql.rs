//! Which metrics a PromQL query reads.

/// The names of metrics in a query, each once, in the order in which they stand.
///
/// What cannot be told without knowing PromQL's grammar to the end is left out: for a query that is
/// none, any list is as good.
pub(crate) fn metric_names(query: &str) -> Vec<&str> {
    let mut scanner = Scanner { text: query, at: 0, names: Vec::new() };
    scanner.run();
    scanner.names
}

/// Words of the language that are followed by no parenthesis.
const KEYWORDS: [&str; 12] = [
    "and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", "start", "end", "anchored",
    "smoothed",
];
/// Words that are followed by a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Functions over all series, which may have their labels before what they are applied to.
pub(crate) const AGGREGATIONS: [&str; 14] = [
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

struct Scanner<'q> {
    text: &'q str,
    at: usize,
    names: Vec<&'q str>,
}

impl<'q> Scanner<'q> {
    fn run(&mut self) {
        while let Some(char) = self.peek() {
            match char {
                '"' | '\'' | '`' => {
                    self.string();
                }
                '#' => self.skip(|char| char != '\n'),
                '[' => self.skip(|char| char != ']'),
                '{' => self.matchers(),
                char if char.is_ascii_digit() => self.skip(|char| is_word(char) || char == '.'),
                char if is_word(char) => self.word(),
                char => self.at = self.at.saturating_add(char.len_utf8()),
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
        let length = rest.find(|char| !inside(char)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
    }

    fn skip_space(&mut self) {
        self.skip(char::is_whitespace);
    }

    /// What stands between quotes.
    fn string(&mut self) -> &'q str {
        let Some(quote) = self.peek() else { return "" };
        self.at = self.at.saturating_add(1);
        let start = self.at;
        let mut escaped = false;
        for char in self.rest().chars() {
            if !escaped && char == quote {
                break;
            }
            escaped = char == '\\' && !escaped && quote != '`';
            self.at = self.at.saturating_add(char.len_utf8());
        }
        let string = self.text.get(start..self.at).unwrap_or_default();
        self.at = self.at.saturating_add(1).min(self.text.len());
        string
    }

    /// `{…}`: matchers, among which the name may stand as `__name__="…"` or alone in quotes.
    fn matchers(&mut self) {
        self.at = self.at.saturating_add(1);
        let mut named = false;
        while let Some(char) = self.peek() {
            match char {
                '}' => return self.at = self.at.saturating_add(1),
                '"' | '\'' | '`' => {
                    let string = self.string();
                    self.skip_space();
                    let alone = !matches!(self.peek(), Some('=' | '!'));
                    if named || (alone && !self.before_is_operator(string)) {
                        self.found(string);
                    }
                    named = false;
                }
                char if is_word(char) => {
                    let start = self.at;
                    self.skip(is_word);
                    let label = self.text.get(start..self.at).unwrap_or_default();
                    self.skip_space();
                    let equals = self.rest().starts_with('=') && !self.rest().starts_with("=~");
                    named = label == "__name__" && equals;
                }
                char => self.at = self.at.saturating_add(char.len_utf8()),
            }
        }
    }

    /// Whether the string that was just read is the value of a matcher.
    fn before_is_operator(&self, string: &str) -> bool {
        // Back over the string and its quotes.
        let end = string.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let before = self.text.get(..end.saturating_sub(1)).unwrap_or_default();
        before.trim_end().ends_with(['=', '~'])
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip(is_word);
        let word = self.text.get(start..self.at).unwrap_or_default();
        self.skip_space();
        let lower = word.to_ascii_lowercase();
        if BEFORE_LABELS.contains(&lower.as_str()) {
            if self.peek() == Some('(') {
                self.skip(|char| char != ')');
            }
        } else if self.peek() != Some('(')
            && !KEYWORDS.contains(&lower.as_str())
            && !(AGGREGATIONS.contains(&lower.as_str()) && self.at_grouping())
        {
            self.found(word);
        }
    }

    fn at_grouping(&self) -> bool {
        let rest = self.rest();
        let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
    }

    fn found(&mut self, name: &'q str) {
        if !name.is_empty() && !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_' || char == ':'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn metrics_of_queries() {
        for (query, expected) in [
            ("vllm:num_requests_waiting", &["vllm:num_requests_waiting"][..]),
            ("sum(waiting{namespace=\"a\",app=\"llm\"})", &["waiting"]),
            ("sum by (pod) (rate(tokens_total[5m] offset 1m)) / 2", &["tokens_total"]),
            (
                "sum(waiting) without (pod, a) + on(x) group_left(y) running",
                &["waiting", "running"],
            ),
            ("max_over_time(sum(waiting)[5m:1m])", &["waiting"]),
            ("histogram_quantile(0.95, sum(rate(ttft_bucket[1m])) by (le))", &["ttft_bucket"]),
            ("{__name__=\"waiting\", job!=\"x\"}", &["waiting"]),
            ("{__name__=~\"waiting.*\"}", &[]),
            ("{\"my.metric\", job=\"x\"}", &["my.metric"]),
            ("waiting > bool 3 and running unless Inf", &["waiting", "running"]),
            ("waiting # running\n + 1e3 + 0x1f", &["waiting"]),
            ("label_replace(up{job=\"a{b\\\"c\"}, \"x\", \"$1\", 'y', `z\\`)", &["up"]),
            ("a + a", &["a"]),
            ("vector(1)", &[]),
            ("rate(x[5m] @ end())", &["x"]),
            ("", &[]),
        ] {
            assert_eq!(metric_names(query), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends(text in any::<String>(), odd in "[a-z{}()\\[\\]\"'`=~!, #\\\\\n]{0,60}") {
            let _ = metric_names(&text);
            let _ = metric_names(&odd);
        }
    }
}
