//! One line of a `/metrics` page.

use std::borrow::Cow;

use trimtab_metric::Timestamp;

use super::{Exposition, Line, TextSample};

/// Kinds of metrics that the formats know.
const KINDS: [&str; 9] = [
    "counter",
    "gauge",
    "histogram",
    "summary",
    "untyped",
    "unknown",
    "gaugehistogram",
    "stateset",
    "info",
];

pub(super) struct Lexer<'t> {
    rest: &'t str,
    format: Exposition,
}

type Found<T> = Result<T, String>;

impl<'t> Lexer<'t> {
    pub(super) fn new(line: &'t str, format: Exposition) -> Self {
        Self { rest: line, format }
    }

    /// What the line says; nothing for an empty one or a comment.
    pub(super) fn line(mut self) -> Found<Option<Line<'t>>> {
        if self.format == Exposition::OpenMetrics && self.rest.starts_with(' ') {
            return Err(String::from("a line of OpenMetrics can't begin with a space"));
        }
        self.space();
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.rest.strip_prefix('#') {
            Some(after) => {
                self.rest = after;
                self.comment()
            }
            None => self.sample().map(|sample| Some(Line::Sample(sample))),
        }
    }

    fn comment(&mut self) -> Found<Option<Line<'t>>> {
        self.space();
        let word = self.until_space();
        if !matches!(word, "TYPE" | "HELP" | "UNIT") {
            return Ok(None);
        }
        self.space();
        let name = self.name("a metric", true)?;
        match word {
            "TYPE" => {
                self.space();
                let kind = self.rest.trim_end_matches([' ', '\t', '\r']);
                if KINDS.contains(&kind) {
                    Ok(Some(Line::Type { name, kind }))
                } else {
                    Err(format!("`{}` is no kind of metric: `counter`, `gauge`, …", short(kind)))
                }
            }
            "UNIT" => {
                self.space();
                Ok(Some(Line::Unit { name, unit: self.rest }))
            }
            _ => {
                let text = self.rest.strip_prefix([' ', '\t']).unwrap_or(self.rest);
                Ok(Some(Line::Help { name, text: unescape(text) }))
            }
        }
    }

    fn sample(&mut self) -> Found<TextSample<'t>> {
        let mut sample = TextSample::default();
        let mut named = false;
        if !self.rest.starts_with('{') {
            sample.name = self.name("a metric", true)?;
            named = true;
            if self.format == Exposition::Text {
                self.space();
            }
        }
        if let Some(after) = self.rest.strip_prefix('{') {
            self.rest = after;
            self.labels(&mut sample, named)?;
        }
        if sample.name.is_empty() {
            return Err(String::from("the metric has no name"));
        }
        self.gap("a value")?;
        let value = self.until_space();
        sample.value = number(value)?;
        self.space();
        if !self.rest.is_empty() && !self.rest.starts_with('#') {
            let at = self.until_space();
            sample.at = Some(self.time(at)?);
            self.space();
        }
        if self.format == Exposition::OpenMetrics && self.rest.starts_with('#') {
            self.exemplar()?;
        }
        match self.rest {
            "" => Ok(sample),
            more => Err(format!("`{}` stands after the sample", short(more))),
        }
    }

    /// What stands between braces.
    fn labels(&mut self, sample: &mut TextSample<'t>, named: bool) -> Found<()> {
        let mut named = named;
        loop {
            self.space();
            if let Some(after) = self.rest.strip_prefix('}') {
                self.rest = after;
                return Ok(());
            }
            let quoted = self.rest.starts_with('"');
            let label = self.name("a label", false)?;
            self.space();
            if let Some(after) = self.rest.strip_prefix('=') {
                self.rest = after;
                self.space();
                let value = self.quoted()?;
                sample.labels.push((label, value));
            } else if quoted && !named {
                sample.name = label;
                named = true;
            } else {
                return Err(format!("`=` is missing after the label `{}`", short(&label)));
            }
            self.space();
            match self.rest.strip_prefix(',') {
                Some(after) => self.rest = after,
                None if self.rest.starts_with('}') => {}
                None => return Err(String::from("`,` or `}` is missing after a label")),
            }
        }
    }

    /// ` # {labels} value [time]`, which is looked at and dropped.
    fn exemplar(&mut self) -> Found<()> {
        self.rest = self.rest.strip_prefix('#').unwrap_or(self.rest);
        self.gap("an exemplar")?;
        let Some(after) = self.rest.strip_prefix('{') else {
            return Err(String::from("an exemplar begins with `{`"));
        };
        self.rest = after;
        self.labels(&mut TextSample::default(), true)?;
        self.gap("the value of an exemplar")?;
        number(self.until_space())?;
        self.space();
        if !self.rest.is_empty() {
            let at = self.until_space();
            self.time(at)?;
        }
        Ok(())
    }

    /// A name, plain or in quotes.
    fn name(&mut self, of: &str, colons: bool) -> Found<Cow<'t, str>> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let inside =
            |char: char| char.is_ascii_alphanumeric() || char == '_' || (colons && char == ':');
        let end = self.rest.find(|char| !inside(char)).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(format!("`{}` can't begin the name of {of}", short(self.rest)));
        }
        self.rest = after;
        Ok(Cow::Borrowed(name))
    }

    /// A text in quotes.
    fn quoted(&mut self) -> Found<Cow<'t, str>> {
        let Some(inside) = self.rest.strip_prefix('"') else {
            return Err(format!(
                "a text in quotes is expected, and there is `{}`",
                short(self.rest)
            ));
        };
        let mut escaped = false;
        for (index, char) in inside.char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let (text, after) = inside.split_at_checked(index).unwrap_or(("", ""));
                    self.rest = after.strip_prefix('"').unwrap_or(after);
                    return Ok(unescape(text));
                }
                _ => {}
            }
        }
        Err(String::from("a quote is not closed"))
    }

    fn time(&self, text: &str) -> Found<Timestamp> {
        let at = match self.format {
            Exposition::Text => text.parse().ok().map(Timestamp::from_millis),
            Exposition::OpenMetrics => number(text).ok().and_then(Timestamp::from_secs_f64),
        };
        at.ok_or_else(|| format!("`{}` is not a time", short(text)))
    }

    /// White space, of which OpenMetrics has none but where it says so.
    fn space(&mut self) {
        self.rest = match self.format {
            Exposition::Text => self.rest.trim_start_matches([' ', '\t']),
            Exposition::OpenMetrics => self.rest.strip_prefix(' ').unwrap_or(self.rest),
        };
    }

    /// White space that has to be there.
    fn gap(&mut self, before: &str) -> Found<()> {
        let start = self.rest.len();
        self.space();
        // A name that is set off already has had its space.
        let after_name = self.format == Exposition::Text;
        if self.rest.is_empty() {
            return Err(format!("{before} is missing"));
        }
        if self.rest.len() == start && !after_name {
            return Err(format!("a space is missing before {before}"));
        }
        Ok(())
    }

    fn until_space(&mut self) -> &'t str {
        let end = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = after;
        word
    }
}

/// A text without its escapes; what is none of the three that there are stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some(same @ ('\\' | '"')) => plain.push(same),
            other => {
                plain.push('\\');
                plain.extend(other);
            }
        }
    }
    Cow::Owned(plain)
}

/// A float as Go reads it: decimal, hexadecimal with `p`, `NaN` and `Inf` in any case.
fn number(text: &str) -> Found<f64> {
    let wrong = || format!("`{}` is not a number", short(text));
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_hex = plain.starts_with("0x") || plain.starts_with("0X");
    if is_hex {
        let value = plain.get(2..).and_then(hexadecimal).ok_or_else(wrong)?;
        return Ok(if text.starts_with('-') { -value } else { value });
    }
    if plain.is_empty() || (text != plain && plain.eq_ignore_ascii_case("nan")) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// `1.8p3`, of up to 13 hexadecimal digits, which are exact.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len().saturating_add(fraction.len()) > 13 || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?.saturating_mul(4);
    let mut power = exponent.saturating_sub(places).clamp(-2200, 2200);
    while power > 0 && f64::is_finite(value) && value != 0.0 {
        value *= 2.0;
        power -= 1;
    }
    while power < 0 && value != 0.0 {
        value /= 2.0;
        power += 1;
    }
    Some(value)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
