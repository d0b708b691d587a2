//! A document as a tree in which every value knows its place and every scalar its text.

use std::rc::Rc;

use crate::Span;

/// A value of a document.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
    /// How many values it holds, itself included and aliases written out.
    pub(crate) size: usize,
    /// How many levels it nests, itself included.
    pub(crate) height: usize,
    /// How many bytes of text its keys and scalars have, aliases written out.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Rc<Node>,
}

/// A scalar as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Quoted, in a block, or tagged as a string: text, whatever it looks like.
    pub(crate) is_text: bool,
}

/// What a scalar is, by YAML 1.2's core schema.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScalarType {
    Null,
    Bool(bool),
    /// Decimal digits with a sign perhaps.
    Integer,
    /// A decimal number with a fraction or an exponent, an infinity, or not a number.
    Float,
    Text,
}

impl Node {
    pub(crate) fn new(span: Span, value: Value) -> Self {
        let (mut size, mut height, mut bytes) = (1_usize, 0, 0_usize);
        let mut hold = |key: usize, child: &Node| {
            size = size.saturating_add(child.size);
            height = height.max(child.height);
            bytes = bytes.saturating_add(child.bytes).saturating_add(key);
        };
        match &value {
            Value::Scalar(scalar) => bytes = scalar.text.len(),
            Value::Sequence(items) => items.iter().for_each(|item| hold(0, item)),
            Value::Mapping(entries) => {
                entries.iter().for_each(|entry| hold(entry.key.len(), &entry.value));
            }
        }
        Self { span, value, size, height: height + 1, bytes }
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, unless it is null: Kubernetes takes that for absent.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &*entry.value).filter(|node| !node.is_null())
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.type_() == ScalarType::Null)
    }

    /// What it is, for messages: ``the string `x` ``.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Sequence(_) => String::from("a list"),
            Value::Mapping(_) => String::from("a mapping"),
            Value::Scalar(scalar) => {
                let text = shortened(&scalar.text);
                match scalar.type_() {
                    ScalarType::Null => String::from("nothing"),
                    ScalarType::Bool(_) => format!("the boolean `{text}`"),
                    ScalarType::Integer | ScalarType::Float => format!("the number `{text}`"),
                    ScalarType::Text if scalar.is_text => format!("the string `\"{text}\"`"),
                    ScalarType::Text => format!("the string `{text}`"),
                }
            }
        }
    }
}

/// The start of a text that may be long.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Scalar {
    pub(crate) fn type_(&self) -> ScalarType {
        if self.is_text {
            return ScalarType::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => ScalarType::Null,
            "true" | "True" | "TRUE" => ScalarType::Bool(true),
            "false" | "False" | "FALSE" => ScalarType::Bool(false),
            ".nan" | ".NaN" | ".NAN" => ScalarType::Float,
            text => number_type(text),
        }
    }

    /// Its value as a float; infinite where it is too large for one.
    pub(crate) fn float(&self) -> Option<f64> {
        let unsigned = self.text.trim_start_matches(['+', '-']);
        match unsigned {
            ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
            ".inf" | ".Inf" | ".INF" if self.text.starts_with('-') => Some(f64::NEG_INFINITY),
            ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
            _ => self.text.parse().ok(),
        }
    }

    /// A number such as `010`: ten by YAML 1.2, eight by the YAML 1.1 that Kubernetes reads.
    pub(crate) fn has_leading_zero(&self) -> bool {
        let digits = self.text.trim_start_matches(['+', '-']);
        let mut bytes = digits.bytes();
        bytes.next() == Some(b'0') && bytes.next().is_some_and(|byte| byte.is_ascii_digit())
    }
}

fn number_type(text: &str) -> ScalarType {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return ScalarType::Float;
    }
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !unsigned.is_empty() && all_digits(unsigned) {
        return ScalarType::Integer;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits =
        all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    if exponent_fits && mantissa_fits { ScalarType::Float } else { ScalarType::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(text: &str) -> ScalarType {
        Scalar { text: text.to_owned(), is_text: false }.type_()
    }

    #[test]
    fn the_core_schema() {
        for (text, expected) in [
            ("", ScalarType::Null),
            ("~", ScalarType::Null),
            ("True", ScalarType::Bool(true)),
            ("yes", ScalarType::Text),
            ("0", ScalarType::Integer),
            ("-12", ScalarType::Integer),
            ("+12345678901234567890123", ScalarType::Integer),
            ("0x10", ScalarType::Text),
            ("1_000", ScalarType::Text),
            ("0.75", ScalarType::Float),
            (".5", ScalarType::Float),
            ("5.", ScalarType::Float),
            ("1e3", ScalarType::Float),
            ("1.5E-3", ScalarType::Float),
            ("-.inf", ScalarType::Float),
            ("1e", ScalarType::Text),
            (".", ScalarType::Text),
            ("-", ScalarType::Text),
            ("e3", ScalarType::Text),
            ("500m", ScalarType::Text),
            ("--5", ScalarType::Text),
        ] {
            assert_eq!(type_of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn quoted_is_text() {
        let quoted = Scalar { text: String::from("4"), is_text: true };
        assert_eq!(quoted.type_(), ScalarType::Text);
    }
}
