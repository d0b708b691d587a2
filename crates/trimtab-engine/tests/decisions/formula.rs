//! Formulas of KEDA's scaling modifiers: their values, their refusals, and what they may cost.

use std::fmt::Write as _;
use std::fs;

use trimtab_engine::strategy::keda::{
    EvaluationProblem, Formula, FormulaErrorKind, LONGEST_FORMULA, MOST_ITEMS, MOST_NESTING,
    MOST_NODES, MOST_STEPS, to_milli,
};

const NAMES: [&str; 2] = ["a", "b"];

/// Formulas and their values where `a` is 4 and `b` is 2.5, measured on expr 1.17.8.
const MEASURED: &[(&str, f64)] = &[
    ("1 + 2 * 3", 7.0),
    ("7 / 2", 3.5),
    ("7 % 3", 1.0),
    ("-7 % 3", -1.0),
    ("2 ** 3 ** 2", 512.0),
    ("-2 ^ 2", -4.0),
    ("2 ^ -1", 0.5),
    ("10 - 3 - 2", 5.0),
    ("8 / 4 / 2", 1.0),
    ("1e3 + .5 + 1.", 1001.5),
    ("0x1f + 0b11 + 0o17 + 1_000", 1049.0),
    ("a > 1 ? 2 : 3", 2.0),
    ("a > 100 ? 1 : b > 1 ? 2 : 3", 2.0),
    ("if a > 1 { 5 } else if b > 1 { 6 } else { 7 }", 5.0),
    ("1 < a < 10 ? 1 : 0", 1.0),
    ("1 < b < 10 ? 1 : 0", 1.0),
    ("not (a > 1) or b == 2.5 ? 1 : 0", 1.0),
    ("a in [4, 5] ? 1 : 0", 1.0),
    ("a not in 1..3 ? 1 : 0", 1.0),
    ("2 in 1..3 and 4 not in [1, 2] ? 1 : 0", 1.0),
    ("true && !false || false ? 1 : 0", 1.0),
    ("[a, b] == [4, 2.5] ? 1 : 0", 1.0),
    ("1 == 1.0 ? 1 : 0", 1.0),
    ("(a ?? 1) + (nil ?? b)", 6.5),
    ("min(a, b, 3)", 2.5),
    ("max([a, [b, 7]], 1)", 7.0),
    ("mean([a, b], 1)", 2.5),
    ("median(1, [a, b])", 2.5),
    ("mean([]) + median([])", 0.0),
    ("sum([a, b, 1])", 7.5),
    ("sum([1, 2, 3], # * a)", 24.0),
    ("sum(filter([a, b, 1], {# > 2}))", 6.5),
    ("sum(map([a, b], {# * #index}))", 2.5),
    ("count([a, b, 1], {# > 2})", 2.0),
    ("count([true, false, true])", 2.0),
    ("all([a, b], # > 2) ? 1 : 0", 1.0),
    ("any([a, b], # > 3) ? 1 : 0", 1.0),
    ("none([a, b], # > 3) ? 1 : 0", 0.0),
    ("one([a, b], # > 3) ? 1 : 0", 1.0),
    ("find([1, a, b], {# > 2}) ?? 0", 4.0),
    ("findLast([1, a, b], {# > 2}) ?? 0", 2.5),
    ("findIndex([1, a, b], {# > 2}) ?? 0", 1.0),
    ("findLastIndex([1, a, b], {# > 2}) ?? 0", 2.0),
    ("reduce([a, b, 3], #acc * #)", 30.0),
    ("reduce([a, b], #acc + #, 10)", 16.5),
    ("reduce([5, 5, 5], #acc + #index)", 8.0),
    ("len([a, b])", 2.0),
    ("first([a, b]) - last([a, b])", 1.5),
    ("get([a, b], 5) ?? -3", -3.0),
    ("[a, b][1] + [a, b][-2]", 6.5),
    ("sum([a, b, 1, 2][1:3]) + sum([a, b][:1]) + sum([a, b][-1:])", 10.0),
    ("sum(take([a, b, 1], 2))", 6.5),
    ("reverse([a, b])[0]", 2.5),
    ("len(uniq([1, 1.0, 2, a, a]))", 3.0),
    ("len(concat([a], [b, b]))", 3.0),
    ("sum(flatten([[a], [[b]]]))", 6.5),
    ("sort([3, a, b])[0]", 2.5),
    (r#"sort([3, a, b], "desc")[0]"#, 4.0),
    ("sortBy([3, a, b], -#)[0]", 4.0),
    (r#"sortBy([3, a, b], -#, "desc")[0]"#, 2.5),
    ("abs(-a) + abs(-3)", 7.0),
    ("ceil(2.1) + floor(-2.1) + round(2.5) + round(-2.5)", 0.0),
    ("int(2.9) + int(-2.9)", 0.0),
    ("float(7) / 2", 3.5),
    ("bitand(6, 3) + bitor(6, 3) + bitxor(6, 3) + bitnand(6, 3)", 18.0),
    ("bitshl(1, 4) + bitshr(-16, 2) + bitushr(16, 2) + bitnot(0)", 15.0),
    ("let x = a * 2; x + 1", 9.0),
    ("let x = a; let y = b; x * y", 10.0),
    ("[a, b] | filter(# > 3) | sum()", 4.0),
    ("a | max(b, 9)", 9.0),
    ("::max(a, b)", 4.0),
    (r#"$env.a + $env["b"] + get($env, "a")"#, 10.5),
    ("[nil, a]?.[1]", 4.0),
    ("first([])?.[0] ?? 6", 6.0),
    ("a + /* comments */ b", 6.5),
    ("sum(1..100)", 5050.0),
    ("sum([0.1, 0.2, 0.3])", 0.6000000000000001),
    ("sum([a * 0.025, a * 0.05, a * 0.075])", 0.6),
    ("[1][5] > 0 and false ? 1 : 2", 2.0),
    ("find([1, 2], # > 5) in [0, 1] ? 1 : 2", 1.0),
];

fn parsed(text: &str) -> Formula {
    Formula::parse(text, &NAMES).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

fn problem(text: &str, values: &[Option<f64>]) -> EvaluationProblem {
    parsed(text).evaluate(values).expect_err(text).problem().clone()
}

#[test]
fn formulas_have_the_measured_values() {
    for (text, expected) in MEASURED {
        let value = parsed(text).evaluate(&[Some(4.0), Some(2.5)]);
        assert_eq!(
            value.map(|value| value.map(f64::to_bits)),
            Ok(Some(expected.to_bits())),
            "{text}"
        );
    }
}

/// The rows of the page about formulas that end with an example and its value.
#[test]
fn the_page_tells_the_truth() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/reference/formula.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let mut examples = 0;
    for row in page.lines().filter_map(|line| line.strip_suffix(" |")) {
        let Some((rest, value)) = row.rsplit_once("` | ") else { continue };
        let (Ok(value), Some((_, text))) = (value.parse::<f64>(), rest.rsplit_once("| `")) else {
            continue;
        };
        let text = text.replace("\\|", "|");
        assert_eq!(parsed(&text).evaluate(&[Some(4.0), Some(2.5)]), Ok(Some(value)), "{text}");
        examples += 1;
    }
    assert!(examples >= 40, "only {examples} examples were found");
    let limits = [LONGEST_FORMULA, MOST_NESTING, MOST_NODES, 100_000, 10_000];
    assert_eq!((MOST_STEPS, MOST_ITEMS), (100_000, 10_000));
    for limit in limits {
        assert!(page.contains(&format!("| {limit}")), "{limit} is not told");
    }
}

#[test]
fn a_sum_of_a_list_adds_from_the_right() {
    let values = [Some(0.1), Some(0.2)];
    let sum = |text| parsed(text).evaluate(&values).map(Option::unwrap_or_default);
    assert_eq!(sum("sum([a, b, 0.3])"), Ok(0.1 + (0.2 + 0.3)));
    assert_eq!(sum("a + b + 0.3"), Ok((0.1 + 0.2) + 0.3));
    assert_ne!(sum("sum([a, b, 0.3])"), sum("a + b + 0.3"));
}

#[test]
fn what_counts_as_an_integer_and_is_none_has_no_equal() {
    // `max(1, a)` counts as an integer, since its first argument is one.
    let text = "max(1, a) == 3 ? 1 : 2";
    assert_eq!(parsed(text).evaluate(&[Some(0.5)]), Ok(Some(2.0)));
    let undefined = EvaluationProblem::Undefined { operation: "==", given: "a float" };
    assert_eq!(problem(text, &[Some(3.0)]), undefined);
    assert_eq!(parsed("max(a, 1) == 3 ? 1 : 2").evaluate(&[Some(3.0)]), Ok(Some(1.0)));
}

#[test]
fn a_trigger_without_a_value_is_nil() {
    assert_eq!(parsed("a ?? b").evaluate(&[None, Some(2.0)]), Ok(Some(2.0)));
    assert_eq!(parsed("a ?? b").evaluate(&[None, None]), Ok(None));
    assert_eq!(parsed("a ?? b").evaluate(&[]), Ok(None));
    assert_eq!(parsed("a == nil ? 7 : a").evaluate(&[None]), Ok(Some(7.0)));
    let undefined =
        EvaluationProblem::UndefinedPair { operation: "+", left: "nil", right: "an integer" };
    assert_eq!(problem("a + 1", &[None]), undefined);
    let undefined = EvaluationProblem::Undefined { operation: "float", given: "nil" };
    assert_eq!(problem("a", &[None]), undefined);
}

#[test]
fn the_cast_is_made_of_the_text() {
    // Wrapped in `float(` and `)`, whatever that makes of it.
    assert_eq!(parsed("a) + (b").evaluate(&[Some(1.0), Some(2.0)]), Ok(Some(3.0)));
    for text in ["a // in all", "a; b", ")", "true", "[a]", "nil"] {
        let error = Formula::parse(text, &NAMES).expect_err(text);
        assert_eq!(error.kind(), FormulaErrorKind::Invalid, "{text}");
    }
    // In the other cast a sequence has its place.
    assert_eq!(parsed("a; b ?? 1").evaluate(&[Some(1.0), Some(2.0)]), Ok(Some(2.0)));
    // What begins with the cast is not cast again.
    let not_a_float = EvaluationProblem::NotAFloat { given: "a boolean" };
    assert_eq!(problem("float(a) > 1", &[Some(2.0)]), not_a_float);
    assert_eq!(parsed("float(a) > 1 ? nil : nil").evaluate(&[Some(2.0)]), Ok(None));
    let own = "let _kedaCompositeResult = a ?? 2.5; _kedaCompositeResult";
    assert_eq!(parsed(own).evaluate(&[None]), Ok(Some(2.5)));
}

#[test]
fn a_formula_is_tried_with_minus_one() {
    for text in ["[a][int(b)+5]", "reduce(filter([a, b], {# > 0}), # + #acc)", "1 % int(a + 1)"] {
        let error = Formula::parse(text, &NAMES).expect_err(text);
        assert_eq!(error.kind(), FormulaErrorKind::Fails, "{text}: {error}");
    }
    assert_eq!(parsed("1 / (a + 1)").evaluate(&[Some(1.0)]), Ok(Some(0.5)));
}

#[test]
fn what_is_no_amount_is_an_error() {
    for (text, value) in [("a / 0", 1.0), ("0 / a", 0.0), ("a * 1000", 1e16), ("a", f64::NAN)] {
        assert_eq!(problem(text, &[Some(value)]), EvaluationProblem::NoAmount, "{text}");
    }
    assert_eq!(parsed("a").evaluate(&[Some(9e15)]), Ok(Some(9e15)));
    assert_eq!(to_milli(-2.0005), Some(-2000));
    assert_eq!(to_milli(9.3e15), None);
}

#[test]
fn a_trigger_hides_the_function_of_its_name() {
    let names = ["max", "queue-depth"];
    let error = Formula::parse("max(1, 2)", &names).expect_err("hidden");
    assert_eq!(error.kind(), FormulaErrorKind::Invalid);
    let formula = Formula::parse("::max(max, $env[\"queue-depth\"])", &names).expect("hidden");
    assert_eq!(formula.evaluate(&[Some(3.0), Some(5.0)]), Ok(Some(5.0)));
}

#[test]
fn what_expr_gets_wrong_is_refused() {
    // expr answers `invalid operation: bool * float64`, or takes a boolean for an item.
    for text in [
        "a * (findLast([a, b], true) ?? 1)",
        "a + last(filter([a, b], true))",
        "max(a, filter([a, b], true)[-1])",
        "len(map([a, b], findLastIndex([a, b], true)))",
    ] {
        let error = Formula::parse(text, &NAMES).expect_err(text);
        assert_eq!(error.kind(), FormulaErrorKind::Unsupported, "{text}");
    }
    let first = parsed("last(filter([a, b], true)) * a");
    assert_eq!(first.evaluate(&[Some(4.0), Some(2.5)]), Ok(Some(10.0)));
    let variable = parsed("let found = findLastIndex([a, b], true); a + found");
    assert_eq!(variable.evaluate(&[Some(4.0), Some(2.5)]), Ok(Some(5.0)));
}

#[test]
fn an_order_that_go_leaves_open_is_an_error() {
    let list: Vec<_> = (0..13).map(|number| number.to_string()).collect();
    let list = list.join(", ");
    let sorted = parsed(&format!("sort([a, {list}])[0]"));
    assert_eq!(sorted.evaluate(&[Some(-3.0)]), Ok(Some(-3.0)));
    // 5 and 5.0 are equal, and not the same.
    let error = sorted.evaluate(&[Some(5.0)]).expect_err("open");
    assert_eq!(*error.problem(), EvaluationProblem::UnclearOrder);
}

#[test]
fn a_formula_is_bounded() {
    let too_large = |text: &str| {
        let error = Formula::parse(text, &NAMES).expect_err("too large");
        assert_eq!(error.kind(), FormulaErrorKind::TooLarge, "{error}");
        assert!(text.get(error.span()).is_some(), "{error}");
    };
    too_large(&" ".repeat(LONGEST_FORMULA + 1));
    too_large(&"(".repeat(MOST_NESTING + 1));
    too_large(&"-".repeat(MOST_NESTING + 1));
    too_large(&format!("a{}", "+a".repeat(MOST_NESTING + 1)));
    too_large(&"if a > 0 { 1 } else ".repeat(MOST_NESTING + 1));
    too_large(&format!("[{}", "a,".repeat(MOST_NODES + 1)));
    too_large(&format!("len(1..{})", MOST_ITEMS + 1));
    too_large("sum(1..9000, {sum([#, #, #, #, #, #, #, #, #, #])})");
    too_large("reduce(1..99, [#acc])[0] == nil ? 1 : 2");
    // Each level asks for the one before twice.
    let mut chain = "a".to_owned();
    for _ in 0..20 {
        chain = format!("(0 < ({chain}) < 9 ? 1 : 2)");
    }
    too_large(&chain);
}

#[test]
fn the_deepest_formulas_fit_a_small_stack() {
    let levels = MOST_NESTING - 10;
    let texts = [
        format!("a{}", "+a".repeat(levels)),
        format!("{}a{}", "(".repeat(levels), ")".repeat(levels)),
        format!("{}a", "-".repeat(levels)),
        format!("{}a{}", "max(1, ".repeat(levels), ")".repeat(levels)),
        format!("{}a{}", "sum([1], {".repeat(levels / 2), "})".repeat(levels / 2)),
        format!("{}a{}", "(a > 9 ? 1 : ".repeat(levels / 2), ")".repeat(levels / 2)),
    ];
    let deepest = move || {
        for text in texts {
            assert!(parsed(&text).evaluate(&[Some(4.0)]).is_ok(), "{text}");
        }
    };
    // A debug build takes the most.
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(deepest);
    thread.expect("a thread").join().expect("it fits");
}

#[test]
fn an_evaluation_is_bounded() {
    let steps = problem("sum(1..int(a), {# * # * # * # * # * # * # * # * #})", &[Some(8000.0)]);
    assert_eq!(steps, EvaluationProblem::TooManySteps { most: MOST_STEPS });
    let items = problem("len(1..int(a))", &[Some(1e12)]);
    assert_eq!(items, EvaluationProblem::TooManyItems { most: MOST_ITEMS });
    // A list that holds the one before twice: small, and long to go through.
    let mut text = "let x0 = [a, a];".to_owned();
    for level in 1..15 {
        write!(text, "let x{level} = [x{0}, x{0}];", level - 1).expect("a string");
    }
    let levels = parsed(&format!("{text} a < 0 ? 1 : mean(x14)"));
    assert!(levels.evaluate(&[Some(1.0)]).is_ok());
    let most = format!("{text} let y = [x14, x14, x14, x14, x14]; a < 0 ? 1 : mean(y)");
    assert_eq!(problem(&most, &[Some(1.0)]), EvaluationProblem::TooManySteps { most: MOST_STEPS });
}

#[test]
fn formulas_are_equal_by_text_and_names() {
    assert_eq!(parsed("a + b"), parsed("a + b"));
    assert_ne!(parsed("a + b"), parsed("a+b"));
    assert_ne!(Ok(parsed("a")), Formula::parse("a", &["a"]));
    assert_eq!(parsed("a + b").text(), "a + b");
}

/// A formula, what is wrong with it, where, and what would be right.
fn told(text: &str) -> String {
    let error = Formula::parse(text, &NAMES).expect_err(text);
    let span = error.span();
    let before = text[..span.start].chars().count();
    let marked = text[span].chars().count().max(1);
    let mut told = format!("{text}\n{}{}\n{error}", " ".repeat(before), "^".repeat(marked));
    if let Some(help) = error.what_would_be_right() {
        write!(told, "\n  = help: {help}").expect("a string");
    }
    write!(told, " ({:?})\n\n", error.kind()).expect("a string");
    told
}

#[test]
fn each_refusal_says_where_and_what_would_be_right() {
    let refused = [
        "",
        "a +",
        "a + c",
        "(a + b",
        "a b",
        "1__0x",
        "99999999999999999999",
        "a ~ b",
        "a /* b",
        "a ?? b + 1",
        "a not b",
        "a > 1 ? b",
        "a + true",
        "a % 2",
        "not a",
        "a ? 1 : 2",
        "[a, b][1.5]",
        "a[0]",
        "#",
        "filter([a], {#index > 0})",
        "count([a, b], {# + 1}) + 1",
        "count(a, {# > 1})",
        "all([a])",
        "map([a], # ; 1)",
        "max()",
        "max(a, true)",
        "bitand(a, 1)",
        "foo(a)",
        "max",
        "let max = 1; max",
        "let a = 1; a",
        "a == 'x' ? 1 : 2",
        "upper('x')",
        "now()",
        "{a: 1}",
        "a matches b",
        "sort([a, b], a)",
        "$env",
        "$env.c",
        "a.b",
        "1 % 0",
        "[a, b][2]",
        "a * findLastIndex([a, b], true)",
    ];
    let all: String = refused.iter().map(|text| told(text)).collect();
    insta::assert_snapshot!(all);
}
