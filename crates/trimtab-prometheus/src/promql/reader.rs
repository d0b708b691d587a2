//! Reads a query from its beginning to its end, once.

use super::span::prometheus_span;
use super::{AGGREGATIONS, Call, Grouping, Matcher, Outline, Selector, is_one};

/// Operators that are words.
const OPERATORS: [&str; 5] = ["and", "or", "unless", "atan2", "bool"];
/// Words that are followed by a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Other words of the language that name nothing.
const NO_NAMES: [&str; 6] = ["inf", "nan", "start", "end", "anchored", "smoothed"];

pub(super) struct Reader<'q> {
    text: &'q str,
    at: usize,
    /// The parentheses that are open: which call each belongs to, if it does to one.
    open: Vec<Option<usize>>,
    outline: Outline<'q>,
}

impl<'q> Reader<'q> {
    pub(super) fn new(text: &'q str) -> Self {
        Self { text, at: 0, open: Vec::new(), outline: Outline::default() }
    }

    pub(super) fn outline(mut self) -> Outline<'q> {
        self.run();
        self.outline
    }

    fn run(&mut self) {
        while let Some(char) = self.peek() {
            match char {
                '"' | '\'' | '`' => {
                    self.string();
                }
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
                '+' | '*' | '/' | '%' | '^' | '-' | '<' | '>' | '=' | '!' => {
                    self.outline.calculates = true;
                    self.at += 1;
                }
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

    /// What stands between quotes.
    fn string(&mut self) -> &'q str {
        let Some(quote) = self.peek() else { return "" };
        self.at += quote.len_utf8();
        let start = self.at;
        let mut escaped = false;
        while let Some(char) = self.peek() {
            if !escaped && char == quote {
                let inside = self.slice(start);
                self.at += quote.len_utf8();
                return inside;
            }
            self.at += char.len_utf8();
            escaped = char == '\\' && !escaped && quote != '`';
        }
        self.slice(start)
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip(is_word);
        let word = self.slice(start);
        let end = self.at;
        self.skip_space();
        let before_parenthesis = self.peek() == Some('(');
        if is_one(word, &BEFORE_LABELS) {
            self.outline.calculates |= !is_one(word, &["by", "without"]);
            self.labels();
        } else if is_one(word, &OPERATORS) {
            self.outline.calculates = true;
        } else if is_one(word, &["offset"]) {
            self.skip(|char| char == '-' || char.is_whitespace());
        } else if is_one(word, &AGGREGATIONS) && !before_parenthesis {
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
        } else if before_parenthesis && !is_one(word, &["start", "end", "fill"]) {
            self.call(word, None);
        } else if !before_parenthesis && !is_one(word, &NO_NAMES) {
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
        self.skip_space();
        if self.peek() == Some('{') {
            self.selector(start);
        } else {
            self.at = end;
            let name = self.slice(start);
            self.found(Selector { name, text: name, ..Selector::default() });
        }
    }

    /// A selector from `start` whose braces begin here.
    fn selector(&mut self, start: usize) {
        let mut selector = Selector { name: self.slice(start).trim_end(), ..Selector::default() };
        self.at += 1;
        // What was read last, which may be a label; and the operator behind it.
        let (mut label, mut operator) = ("", "");
        while let Some(char) = self.peek() {
            match char {
                '"' | '\'' | '`' => {
                    let string = self.string();
                    self.skip_space();
                    let is_label = matches!(self.peek(), Some('=' | '!'));
                    match (label, operator) {
                        ("__name__", "=") => selector.name = string,
                        (_, "") if is_label => label = string,
                        // A name that stands alone.
                        (_, "") => selector.name = string,
                        _ => selector.matchers.push(Matcher { label, operator, value: string }),
                    }
                    if !is_label {
                        (label, operator) = ("", "");
                    }
                }
                '}' => {
                    self.at += 1;
                    break;
                }
                '=' | '!' => {
                    let start = self.at;
                    self.skip(|char| matches!(char, '=' | '!' | '~'));
                    operator = self.slice(start);
                }
                char if is_word(char) => {
                    let start = self.at;
                    self.skip(is_word);
                    label = self.slice(start);
                }
                char => self.at += char.len_utf8(),
            }
        }
        selector.text = self.slice(start);
        self.found(selector);
    }

    fn found(&mut self, mut selector: Selector<'q>) {
        self.skip_space();
        if self.peek() == Some('[') {
            let start = self.at + 1;
            self.skip_past(']');
            let inside = self.slice(start).trim_end_matches(']');
            selector.range =
                if inside.contains(':') { None } else { prometheus_span(inside.trim()) };
        }
        selector.call = self.innermost();
        self.outline.selectors.push(selector);
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
