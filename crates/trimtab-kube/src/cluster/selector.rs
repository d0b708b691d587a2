//! Label selectors: read, matched and written as Kubernetes does.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use trimtab_engine::LabelSelector;

use super::lexer::{Lexer, Token};

/// A label selector.
///
/// It reads the text that `kubectl --selector` takes and that a `scale` subresource has in
/// `status.selector`, and the form that policies have. Written as text, it is what Kubernetes' own
/// clients send: conditions in the order of their keys, values in order.
///
/// ```
/// use std::collections::BTreeMap;
/// use trimtab_kube::cluster::Selector;
///
/// let selector: Selector = "tier in (web, api),app=llm,!canary".parse()?;
/// assert_eq!(selector.to_string(), "app=llm,!canary,tier in (api,web)");
///
/// let labels = BTreeMap::from([("app", "llm"), ("tier", "api")]);
/// assert!(selector.matches(|key| labels.get(key).copied()));
/// assert!("app in llm".parse::<Selector>().is_err());
/// # Ok::<(), trimtab_kube::cluster::SelectorError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// In the order of their keys.
    requirements: Vec<Requirement>,
}

/// Why a text or a policy's selector is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a label selector: {why}")]
pub struct SelectorError {
    text: String,
    why: String,
}

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Requirement {
    pub(super) key: Box<str>,
    operator: Operator,
    /// In order, and each once.
    values: Vec<Box<str>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Operator {
    Equals,
    DoubleEquals,
    NotEquals,
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl Selector {
    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether something with these labels is selected.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(label(&requirement.key)))
    }

    /// The selector of a policy's metric. None at all selects as an empty one does where metrics
    /// are asked for.
    ///
    /// # Errors
    ///
    /// [`SelectorError`] for an operator that there is not, or values that it can't have.
    ///
    /// ```
    /// use trimtab_engine::LabelSelector;
    /// use trimtab_kube::cluster::Selector;
    ///
    /// let spec: LabelSelector = serde_json::from_str(
    ///     r#"{"matchLabels": {"queue": "chat"},
    ///         "matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["dev"]}]}"#,
    /// )?;
    /// assert_eq!(Selector::of(&spec)?.to_string(), "env notin (dev),queue=chat");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(spec: &LabelSelector) -> Result<Self, SelectorError> {
        let equal = spec.match_labels.iter().map(|(key, value)| {
            Requirement::new(key, Operator::Equals, vec![Box::from(value.as_str())])
        });
        let expressions = spec.match_expressions.iter().map(|expression| {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return Err(format!(
                        "`{other}` is no operator: use `In`, `NotIn`, `Exists` or `DoesNotExist`"
                    ));
                }
            };
            let values = expression.values.iter().map(|value| Box::from(value.as_str())).collect();
            Requirement::new(&expression.key, operator, values)
        });
        let requirements = equal.chain(expressions).collect::<Result<Vec<_>, _>>();
        let text = || serde_json::to_string(spec).unwrap_or_default();
        requirements.map(Self::sorted).map_err(|why| SelectorError { text: text(), why })
    }

    fn sorted(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|one, other| one.key.cmp(&other.key));
        Self { requirements }
    }

    pub(super) fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

impl Requirement {
    fn new(key: &str, operator: Operator, mut values: Vec<Box<str>>) -> Result<Self, String> {
        check_key(key)?;
        values.iter().try_for_each(|value| check_value(value))?;
        values.sort();
        values.dedup();
        let (fits, expected) = match operator {
            Operator::In | Operator::NotIn => (!values.is_empty(), "at least one value"),
            Operator::Exists | Operator::DoesNotExist => (values.is_empty(), "no values"),
            Operator::GreaterThan | Operator::LessThan => {
                (values.iter().all(|value| value.parse::<i64>().is_ok()), "a whole number")
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => (true, ""),
        };
        if !fits {
            return Err(format!("the condition on `{key}` takes {expected}"));
        }
        Ok(Self { key: key.into(), operator, values })
    }

    fn holds(&self, label: Option<&str>) -> bool {
        let has = |label: &str| self.values.iter().any(|value| &**value == label);
        let compared = |holds: fn(i64, i64) -> bool| {
            let value = self.values.first().and_then(|value| value.parse().ok());
            let label = label.and_then(|label| label.parse().ok());
            label.zip(value).is_some_and(|(label, value)| holds(label, value))
        };
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => label.is_some_and(has),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(has),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => compared(|label, value| label > value),
            Operator::LessThan => compared(|label, value| label < value),
        }
    }

    /// The values of which a label has to have one, if it has to.
    pub(super) fn one_of(&self) -> Option<&[Box<str>]> {
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => Some(&self.values),
            _ => None,
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let requirements = parse(&mut Lexer::new(text));
        requirements.map(Self::sorted).map_err(|why| SelectorError { text: text.into(), why })
    }
}

fn parse(lexer: &mut Lexer<'_>) -> Result<Vec<Requirement>, String> {
    let mut requirements = Vec::new();
    if lexer.peek() == Token::End {
        return Ok(requirements);
    }
    loop {
        requirements.push(requirement(lexer)?);
        match lexer.next() {
            Token::End => return Ok(requirements),
            Token::Comma => {}
            other => return Err(format!("found {other}, expected `,` or the end")),
        }
    }
}

fn requirement(lexer: &mut Lexer<'_>) -> Result<Requirement, String> {
    let absent = lexer.peek() == Token::Not;
    if absent {
        lexer.next();
    }
    let key = match lexer.next() {
        Token::Word(key) => key,
        other => return Err(format!("found {other}, expected a key")),
    };
    if absent {
        return Requirement::new(key, Operator::DoesNotExist, Vec::new());
    }
    if matches!(lexer.peek(), Token::End | Token::Comma) {
        return Requirement::new(key, Operator::Exists, Vec::new());
    }
    let operator = match lexer.next() {
        Token::Equals => Operator::Equals,
        Token::DoubleEquals => Operator::DoubleEquals,
        Token::NotEquals => Operator::NotEquals,
        Token::Greater => Operator::GreaterThan,
        Token::Less => Operator::LessThan,
        Token::Word("in") => Operator::In,
        Token::Word("notin") => Operator::NotIn,
        other => return Err(format!("found {other}, expected an operator such as `=` or `in`")),
    };
    let values = match operator {
        Operator::In | Operator::NotIn => values(lexer)?,
        _ => vec![value(lexer)?],
    };
    Requirement::new(key, operator, values)
}

/// Behind `=`: a word, or nothing, which is the empty value.
fn value(lexer: &mut Lexer<'_>) -> Result<Box<str>, String> {
    match lexer.peek() {
        Token::End | Token::Comma => Ok(Box::from("")),
        Token::Word(word) => {
            lexer.next();
            Ok(word.into())
        }
        other => Err(format!("found {other}, expected a value")),
    }
}

/// Behind `in`: words in parentheses. What is not there between two commas is the empty value.
fn values(lexer: &mut Lexer<'_>) -> Result<Vec<Box<str>>, String> {
    if lexer.next() != Token::Open {
        return Err(
            "after `in` and `notin` come values in parentheses, as in `app in (a,b)`".into()
        );
    }
    let mut values = Vec::new();
    if lexer.peek() == Token::Close {
        lexer.next();
        return Ok(values);
    }
    loop {
        match lexer.peek() {
            Token::Word(word) => {
                lexer.next();
                values.push(word.into());
            }
            Token::Comma | Token::Close => values.push(Box::from("")),
            other => return Err(format!("found {other}, expected a value or `)`")),
        }
        match lexer.next() {
            Token::Comma => {}
            Token::Close => return Ok(values),
            other => return Err(format!("found {other}, expected `,` or `)`")),
        }
    }
}

/// A qualified name: a DNS subdomain and `/`, if any, and up to 63 letters, digits, `-`, `_` and
/// `.`.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let subdomain = |prefix: &str| {
        prefix.len() <= 253
            && prefix.split('.').all(|part| {
                let inner = |char: u8| char.is_ascii_lowercase() || char.is_ascii_digit();
                !part.is_empty()
                    && part.bytes().all(|char| inner(char) || char == b'-')
                    && part.bytes().next().is_some_and(inner)
                    && part.bytes().last().is_some_and(inner)
            })
    };
    if !name.is_empty() && is_value(name) && prefix.is_none_or(subdomain) {
        return Ok(());
    }
    Err(format!("`{key}` is no key: keys are such as `app` or `app.kubernetes.io/name`"))
}

fn check_value(value: &str) -> Result<(), String> {
    if is_value(value) {
        return Ok(());
    }
    Err(format!(
        "`{value}` is no value: use up to 63 letters, digits, `-`, `_` and `.`, with a letter or a digit at \
         both ends"
    ))
}

fn is_value(value: &str) -> bool {
    let plain = |char: u8| char.is_ascii_alphanumeric();
    value.len() <= 63
        && value.bytes().all(|char| plain(char) || b"-_.".contains(&char))
        && value.bytes().next().is_none_or(plain)
        && value.bytes().last().is_none_or(plain)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, requirement) in self.requirements.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        let values = match (operator, values.as_slice()) {
            // Nothing in parentheses is no value; two commas' worth of nothing is the empty one.
            (Operator::In | Operator::NotIn, [value]) if value.is_empty() => String::from(","),
            _ => values.join(","),
        };
        match operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}
