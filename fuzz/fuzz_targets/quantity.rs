//! A quantity that parses prints a text that parses to the same quantity, and no text makes any of it panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_metric::{ParseQuantityError, Quantity};

fuzz_target!(|text: &str| {
    let Ok(written) = text.parse::<Quantity>() else {
        return;
    };
    let printed = written.to_string();
    let read: Quantity = match printed.parse() {
        Ok(read) => read,
        // A text at the bounds of the parser may gain digits when it is printed.
        Err(ParseQuantityError::TooLong { .. } | ParseQuantityError::ExponentTooLarge { .. }) => {
            return;
        }
        Err(error) => panic!("{text:?} prints {printed:?}: {error}"),
    };
    // The first text may change once more: `11.71875Ki` prints `12000`, which is decimal and prints `12k`.
    let settled = read.canonical();
    assert_eq!(settled.to_string(), read.to_string(), "{text:?} does not settle");
    assert_eq!(read.signum(), written.signum(), "{text:?} changes its sign");
    let _defined = written.approx_f64();

    // From 10^21 on a canonical text may lose its zeros, as it does in Kubernetes.
    if within(&written, "1e21") {
        assert_eq!(read, written, "{text:?} prints {printed:?}");
    }
    // The milli-units of more overflow, and those of a negative amount round by how it is written.
    if within(&written, "9e15") && written.signum() >= 0 {
        assert_eq!(read.milli(), written.milli(), "{text:?} prints {printed:?}");
    }
});

/// Whether a quantity is nearer to zero than `bound`.
fn within(quantity: &Quantity, bound: &str) -> bool {
    let bound =
        |sign: &str| [sign, bound].concat().parse::<Quantity>().expect("the bound is a quantity");
    *quantity > bound("-") && *quantity < bound("")
}
