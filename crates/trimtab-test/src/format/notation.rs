//! Prometheus' expanding notation: which values does `60x3 1+2x4 _ stale` stand for?
//!
//! The grammar is that of `promtool`: an item is `_`, `_xN`, `stale`, a number, `AxN` or `A+BxN`, and
//! items stand apart by blanks. `AxN` is one value and N more; `_xN` is N.

use std::fmt;

/// One value of a series.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Sample {
    /// There is none.
    Missing,
    /// The one that there is is too old.
    Stale,
    /// This.
    Value(f64),
}

/// One item of the notation.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Item {
    /// So many missing values: `_`, `_x3`.
    Missing {
        /// How many.
        count: u32,
        /// It is written with its count.
        counted: bool,
    },
    /// `stale`
    Stale,
    /// `5`, `5x3`, `1+2x3`
    Number {
        /// The first value.
        first: f64,
        /// What each has more than the one before it.
        step: Option<f64>,
        /// How many more there are.
        more: Option<u32>,
    },
}

/// A series as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notation {
    /// Its items.
    pub items: Vec<Item>,
}

/// What is wrong with a notation, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotationError {
    /// Where the item starts, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<&'static str>,
}

impl Notation {
    /// Reads a notation.
    ///
    /// # Errors
    ///
    /// The first item that is none.
    ///
    /// ```
    /// use trimtab_test::{Notation, Sample};
    ///
    /// let notation = Notation::parse("-2+4x3 _ stale")?;
    /// let values: Vec<Sample> = notation.samples().collect();
    /// assert_eq!(values[..4], [-2.0, 2.0, 6.0, 10.0].map(Sample::Value));
    /// assert_eq!(values[4..], [Sample::Missing, Sample::Stale]);
    /// assert_eq!(notation.to_string(), "-2+4x3 _ stale");
    /// # Ok::<(), trimtab_test::NotationError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, NotationError> {
        let mut items = Vec::new();
        let mut rest = text;
        loop {
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            let start = text.len() - trimmed.len();
            if trimmed.is_empty() {
                break;
            }
            let length = trimmed.find([' ', '\t', '\n', '\r']).unwrap_or(trimmed.len());
            let (word, after) = trimmed.split_at(length);
            let item = item(word).map_err(|(message, help)| NotationError {
                start,
                end: start + length,
                message,
                help,
            })?;
            items.push(item);
            rest = after;
        }
        if items.is_empty() {
            let message = String::from("there are no values");
            let help =
                Some("write them as `60x3 120 _x2`; a series that is missing throughout is `_x40`");
            return Err(NotationError { start: 0, end: text.len(), message, help });
        }
        Ok(Self { items })
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.items.iter().map(Item::len).sum()
    }

    /// Whether there are none: `_x0`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values. A step is added again and again, as floats add.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.items.iter().flat_map(|item| item.samples())
    }
}

impl Item {
    /// How many values it stands for.
    pub fn len(&self) -> u64 {
        match self {
            Self::Missing { count, .. } => u64::from(*count),
            Self::Stale => 1,
            Self::Number { more, .. } => u64::from(more.unwrap_or(0)) + 1,
        }
    }

    /// Whether it stands for none: `_x0`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn samples(self) -> impl Iterator<Item = Sample> {
        let (mut value, step) = match self {
            Self::Number { first, step, .. } => (first, step.unwrap_or(0.0)),
            _ => (0.0, 0.0),
        };
        (0..self.len()).map(move |index| match self {
            Self::Missing { .. } => Sample::Missing,
            Self::Stale => Sample::Stale,
            Self::Number { .. } => {
                if index > 0 {
                    value += step;
                }
                Sample::Value(value)
            }
        })
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            let blank = if index > 0 { " " } else { "" };
            write!(f, "{blank}{item}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { count: 1, counted: false } => f.write_str("_"),
            Self::Missing { count, .. } => write!(f, "_x{count}"),
            Self::Stale => f.write_str("stale"),
            Self::Number { first, step, more } => {
                write_number(f, *first)?;
                if let Some(step) = step {
                    f.write_str(if step.is_sign_negative() { "-" } else { "+" })?;
                    write_number(f, step.abs())?;
                }
                more.map_or(Ok(()), |more| write!(f, "x{more}"))
            }
        }
    }
}

/// Debug's form has an exponent where the decimal one is long, and both read back the same.
fn write_number(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    if number.is_nan() {
        f.write_str("NaN")
    } else if number.is_infinite() {
        f.write_str(if number > 0.0 { "Inf" } else { "-Inf" })
    } else if number.fract() == 0.0 && number.abs() < 1e15 {
        write!(f, "{number}")
    } else {
        write!(f, "{number:?}")
    }
}

type Wrong = (String, Option<&'static str>);

const FORMS: &str = "an item is `5`, `5x3`, `1+2x3`, `1-2x3`, `_`, `_x3` or `stale`";

fn item(word: &str) -> Result<Item, Wrong> {
    let wrong = || (format!("`{word}` is no item of a series"), Some(FORMS));
    if word == "stale" {
        return Ok(Item::Stale);
    }
    if let Some(rest) = word.strip_prefix('_') {
        if rest.is_empty() {
            return Ok(Item::Missing { count: 1, counted: false });
        }
        let count = rest.strip_prefix('x').ok_or_else(wrong)?;
        return Ok(Item::Missing { count: repetition(count)?, counted: true });
    }
    if let Some(number) = named(word) {
        return Ok(Item::Number { first: number, step: None, more: None });
    }
    let repeated = word.split('x').next().unwrap_or_default();
    if word.len() > repeated.len() && (repeated == "stale" || named(repeated).is_some()) {
        return Err((
            format!("`{repeated}` can't be repeated"),
            Some("write it out, as often as it is meant"),
        ));
    }
    let (first, rest) = number(word).ok_or_else(wrong)?;
    let (step, rest) = match rest.chars().next() {
        Some('+' | '-') => {
            let (step, rest) = number(rest).ok_or_else(wrong)?;
            (Some(step), rest)
        }
        _ => (None, rest),
    };
    let more = match rest.strip_prefix('x') {
        Some(count) => Some(repetition(count)?),
        None if rest.is_empty() && step.is_none() => None,
        None if rest.is_empty() => {
            return Err((
                format!("`{word}` says no count"),
                Some("behind a step stands how often, such as `1+2x3`"),
            ));
        }
        None => return Err(wrong()),
    };
    Ok(Item::Number { first, step, more })
}

/// `NaN` and the infinities, which Prometheus reads whatever their case.
fn named(word: &str) -> Option<f64> {
    let (sign, name) = match word.strip_prefix('-') {
        Some(name) => (-1.0, name),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    match name.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" => Some(sign * f64::INFINITY),
        _ => None,
    }
}

/// A decimal number at the start of a text, with a sign perhaps, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = usize::from(text.starts_with(['+', '-']));
    let whole = digits(text.get(end..)?);
    end += whole;
    let mut fraction = 0;
    if text.get(end..)?.starts_with('.') {
        fraction = digits(text.get(end + 1..)?);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let exponent = digits(rest.get(sign..)?);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let (number, rest) = text.split_at_checked(end)?;
    let number: f64 = number.parse().ok()?;
    number.is_finite().then_some((number, rest))
}

fn repetition(text: &str) -> Result<u32, Wrong> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((
            format!("`x{text}` is no repetition"),
            Some("behind `x` stands a whole number, such as `5x3`"),
        ));
    }
    text.parse().map_err(|_| (format!("`x{text}` repeats too often"), None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<String> {
        let shown = |sample| match sample {
            Sample::Missing => String::from("_"),
            Sample::Stale => String::from("stale"),
            Sample::Value(value) => value.to_string(),
        };
        Notation::parse(text).unwrap().samples().map(shown).collect()
    }

    /// The examples of Prometheus' documentation, and what its grammar says besides.
    #[test]
    fn values_are_those_of_promtool() {
        for (text, expected) in [
            ("-2+4x3", "-2 2 6 10"),
            (" 1-2x4", "1 -1 -3 -5 -7"),
            (" 1x4", "1 1 1 1 1"),
            (" 1 _x3 stale", "1 _ _ _ stale"),
            ("1+0x0", "1"),
            ("1.5e3-.5x1 ", "1500 1499.5"),
            ("1e-2x1", "0.01 0.01"),
            ("-1-1x1", "-1 -2"),
            ("+3", "3"),
            ("NaN Inf -inf", "NaN inf -inf"),
            ("_x0 7", "7"),
        ] {
            assert_eq!(values(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_step_is_added_again_and_again() {
        assert_eq!(values("0+0.1x3").last().unwrap(), "0.30000000000000004");
    }

    #[test]
    fn what_is_no_item_is_shown_where_it_stands() {
        for (text, start, message) in [
            ("1 2y3", 2, "`2y3` is no item of a series"),
            ("1 stalex3", 2, "`stale` can't be repeated"),
            ("NaNx3", 0, "`NaN` can't be repeated"),
            ("1+2", 0, "`1+2` says no count"),
            ("1x", 0, "`x` is no repetition"),
            ("1x-3", 0, "`x-3` is no repetition"),
            ("_x99999999999", 0, "`x99999999999` repeats too often"),
            ("_5", 0, "`_5` is no item of a series"),
            ("0x10x2", 0, "`x10x2` is no repetition"),
            ("1,2", 0, "`1,2` is no item of a series"),
            ("1e999", 0, "`1e999` is no item of a series"),
            ("é", 0, "`é` is no item of a series"),
            ("", 0, "there are no values"),
        ] {
            let error = Notation::parse(text).unwrap_err();
            assert_eq!((error.start, error.message.as_str()), (start, message), "{text}");
        }
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-1_000_000..1_000_000_i32).prop_map(f64::from),
            (-1_000_000..1_000_000_i32).prop_map(|milli| f64::from(milli) / 1000.0),
            any::<f64>().prop_filter("finite", |number| number.is_finite()),
        ]
    }

    fn any_item() -> impl Strategy<Value = Item> {
        prop_oneof![
            Just(Item::Stale),
            Just(Item::Missing { count: 1, counted: false }),
            (0..50_u32).prop_map(|count| Item::Missing { count, counted: true }),
            (number(), proptest::option::of(0..50_u32)).prop_map(|(first, more)| Item::Number {
                first,
                step: None,
                more
            }),
            (number(), number(), 0..50_u32).prop_map(|(first, step, more)| Item::Number {
                first,
                step: Some(step),
                more: Some(more),
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(items in proptest::collection::vec(any_item(), 1..20)) {
            let notation = Notation { items };
            let again = Notation::parse(&notation.to_string()).unwrap();
            prop_assert_eq!(&again, &notation);
            prop_assert_eq!(again.samples().count() as u64, notation.len());
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.exX_ staleNIf,\\PC]{0,24}") {
            if let Err(error) = Notation::parse(&text) {
                prop_assert!(text.get(error.start..error.end).is_some());
            }
        }
    }
}
