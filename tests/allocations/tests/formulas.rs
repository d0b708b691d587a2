//! Evaluating a formula without lists allocates nothing.

use trimtab_engine::strategy::keda::Formula;

#[test]
fn a_formula_of_numbers_allocates_nothing() {
    let texts = [
        "(a + b) / 2 > 3 and not (a < b) ? max(a, b) : min(a, 7) ** 2",
        "let x = a ?? b; 1 <= x <= 5 ? round(x) : int(x) % 3 == 0 ? 1 : 2",
        "mean(a, b) + float(int(a))",
    ];
    for text in texts {
        let formula = Formula::parse(text, &["a", "b"]).expect("a formula");
        let info = allocation_counter::measure(|| {
            for number in 0..100 {
                let value = formula.evaluate(&[Some(f64::from(number)), Some(2.5)]);
                assert!(value.is_ok_and(|value| value.is_some()));
            }
        });
        assert_eq!(info.count_total, 0, "{text}");
    }
}
