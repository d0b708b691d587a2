//! Laws of formulas: arithmetic as a naive reading has it, no panic, no end of the bounds.

use proptest::prelude::*;
use trimtab_engine::strategy::keda::Formula;

const NAMES: [&str; 3] = ["a", "b", "q"];

/// A number as Go keeps them apart.
#[derive(Copy, Clone, Debug)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the integers here are small")]
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// Arithmetic that is written out with every parenthesis, and computed the naive way.
#[derive(Clone, Debug)]
enum Naive {
    Int(i64),
    Float(f64),
    Trigger(usize),
    Minus(Box<Self>),
    Calculated(char, Box<Self>, Box<Self>),
    Chosen(&'static str, Box<[Self; 4]>),
    Least(Box<Self>, Box<Self>),
    Count(Vec<Self>, Box<Self>),
}

impl Naive {
    fn write(&self) -> String {
        match self {
            Self::Int(value) => format!("({value})"),
            Self::Float(value) => format!("({value:?})"),
            Self::Trigger(index) => NAMES[*index].to_owned(),
            Self::Minus(of) => format!("(-{})", of.write()),
            Self::Calculated(symbol, left, right) => {
                format!("({} {symbol} {})", left.write(), right.write())
            }
            Self::Chosen(symbol, of) => {
                let [left, right, yes, no] = of.each_ref().map(Self::write);
                format!("({left} {symbol} {right} ? {yes} : {no})")
            }
            Self::Least(left, right) => format!("min({}, {})", left.write(), right.write()),
            Self::Count(items, bound) => {
                let items: Vec<_> = items.iter().map(Self::write).collect();
                format!("count([{}], {{# > {}}})", items.join(", "), bound.write())
            }
        }
    }

    fn value(&self, values: &[f64]) -> Number {
        match self {
            Self::Int(value) => Number::Int(*value),
            Self::Float(value) => Number::Float(*value),
            Self::Trigger(index) => Number::Float(values[*index]),
            Self::Minus(of) => match of.value(values) {
                Number::Int(value) => Number::Int(-value),
                Number::Float(value) => Number::Float(-value),
            },
            Self::Calculated(symbol, left, right) => {
                calculated(*symbol, left.value(values), right.value(values))
            }
            Self::Chosen(symbol, of) => {
                let [left, right, yes, no] = &**of;
                let (left, right) = (left.value(values).float(), right.value(values).float());
                let chosen = match *symbol {
                    "<" => left < right,
                    ">=" => left >= right,
                    _ => left == right,
                };
                if chosen { yes } else { no }.value(values)
            }
            Self::Least(left, right) => {
                let (left, right) = (left.value(values), right.value(values));
                if left.float() > right.float() { right } else { left }
            }
            Self::Count(items, bound) => {
                let bound = bound.value(values).float();
                let above = items.iter().filter(|item| item.value(values).float() > bound);
                Number::Int(i64::try_from(above.count()).expect("few"))
            }
        }
    }
}

fn calculated(symbol: char, left: Number, right: Number) -> Number {
    match (symbol, left, right) {
        ('+', Number::Int(left), Number::Int(right)) => Number::Int(left.wrapping_add(right)),
        ('-', Number::Int(left), Number::Int(right)) => Number::Int(left.wrapping_sub(right)),
        ('*', Number::Int(left), Number::Int(right)) => Number::Int(left.wrapping_mul(right)),
        ('+', ..) => Number::Float(left.float() + right.float()),
        ('-', ..) => Number::Float(left.float() - right.float()),
        ('*', ..) => Number::Float(left.float() * right.float()),
        _ => Number::Float(left.float() / right.float()),
    }
}

fn naive() -> impl Strategy<Value = Naive> {
    let leaf = prop_oneof![
        (-20_i64..20).prop_map(Naive::Int),
        (-80_i32..80).prop_map(|quarters| Naive::Float(f64::from(quarters) / 4.0)),
        (0..NAMES.len()).prop_map(Naive::Trigger),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let symbols = prop::sample::select(vec!['+', '-', '*', '/']);
        let orders = prop::sample::select(vec!["<", ">=", "=="]);
        prop_oneof![
            boxed.clone().prop_map(Naive::Minus),
            (symbols, boxed.clone(), boxed.clone())
                .prop_map(|(symbol, left, right)| Naive::Calculated(symbol, left, right)),
            (orders, inner.clone(), inner.clone(), inner.clone(), inner.clone()).prop_map(
                |(order, left, right, yes, no)| {
                    // Compared as floats, since a mixed `min` counts as an integer and fails.
                    let left = Naive::Calculated('*', Box::new(left), Box::new(Naive::Float(1.0)));
                    Naive::Chosen(order, Box::new([left, right, yes, no]))
                }
            ),
            (boxed.clone(), boxed.clone()).prop_map(|(left, right)| Naive::Least(left, right)),
            (prop::collection::vec(inner, 0..4), boxed)
                .prop_map(|(items, bound)| Naive::Count(items, bound)),
        ]
    })
}

proptest! {
    #[test]
    fn arithmetic_is_what_a_naive_reading_has(
        tree in naive(),
        values in prop::collection::vec(-50_i32..50, NAMES.len()),
    ) {
        let values: Vec<_> = values.into_iter().map(|eighths| f64::from(eighths) / 8.0).collect();
        let text = tree.write();
        let formula = Formula::parse(&text, &NAMES);
        prop_assume!(text.len() <= 4096);
        let formula = formula.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let given: Vec<_> = values.iter().copied().map(Some).collect();
        let expected = tree.value(&values).float();
        match formula.evaluate(&given) {
            Ok(value) => {
                let value = value.expect("no nil in it");
                prop_assert_eq!(value.to_bits(), expected.to_bits(), "{}", text);
            }
            Err(error) => {
                prop_assert!((expected * 1000.0).abs() >= 9e18 || expected.is_nan(), "{text}: {error}");
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}", a in any::<f64>()) {
        check(&text, a)?;
    }

    #[test]
    fn no_heap_of_words_makes_it_panic(words in words(), a in any::<f64>()) {
        check(&words, a)?;
    }
}

/// Reads and evaluates; whatever comes of it, errors point into the text.
fn check(text: &str, a: f64) -> Result<(), TestCaseError> {
    match Formula::parse(text, &NAMES) {
        Ok(formula) => {
            for values in [[Some(a), Some(1.0), None], [None, Some(-a), Some(0.0)]] {
                match formula.evaluate(&values) {
                    Ok(value) => prop_assert!(value.is_none_or(f64::is_finite)),
                    Err(error) => prop_assert!(text.get(error.span()).is_some()),
                }
            }
        }
        Err(error) => prop_assert!(text.get(error.span()).is_some(), "{error}"),
    }
    Ok(())
}

fn words() -> impl Strategy<Value = String> {
    let words = vec![
        "a",
        "b",
        "q",
        "1",
        "2.5",
        "0x1f",
        "nil",
        "true",
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "==",
        "<",
        ">=",
        "and",
        "or",
        "not",
        "in",
        "..",
        "??",
        "?",
        ":",
        "?.",
        "|",
        ",",
        ";",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "#",
        "#index",
        "#acc",
        "$env.a",
        "let x =",
        "x",
        "if",
        "else",
        "max(",
        "sum(",
        "count(",
        "filter(",
        "map(",
        "reduce(",
        "sort(",
        "float(",
        "first(",
        "[a, b]",
        "1..3",
        "{# > 1}",
        "\"desc\"",
        "findLast(",
        "take(",
    ];
    let word = prop::sample::select(words);
    prop::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
}
