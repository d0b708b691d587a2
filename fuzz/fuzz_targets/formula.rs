//! No formula makes reading or evaluating it panic or run on: an error points into the text, and a value is finite,
//! fits thousandths and comes again. The last line of the input has the triggers' values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_engine::strategy::keda::{Formula, to_milli};

fuzz_target!(|input: &str| {
    let (text, numbers) = input.rsplit_once('\n').unwrap_or((input, ""));
    let formula = match Formula::parse(text, &["a", "b", "queue-depth"]) {
        Ok(formula) => formula,
        Err(error) => {
            assert!(text.get(error.span()).is_some(), "{error} in {text:?}");
            return;
        }
    };
    let values: Vec<Option<f64>> = numbers.split(' ').map(|number| number.parse().ok()).collect();
    match formula.evaluate(&values) {
        Ok(Some(value)) => {
            assert!(value.is_finite() && to_milli(value).is_some(), "{text:?} is {value}");
            let again = formula.evaluate(&values).expect("the same").expect("the same");
            assert_eq!(again.to_bits(), value.to_bits(), "{text:?}");
        }
        Ok(None) => {}
        Err(error) => assert!(text.get(error.span()).is_some(), "{error} in {text:?}"),
    }
});
