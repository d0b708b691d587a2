//! What came of tests, as JUnit's XML: what CI servers read.

use std::fmt::Write as _;
use std::io::Write;

use trimtab_manifest::Colour;

use super::args::TestArgs;
use super::suites::{Outcome, Ran};
use super::text::shown_failure;
use crate::error::CommandError;

pub(super) fn write(
    outcome: &Outcome,
    args: &TestArgs,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut suites = String::new();
    for ran in outcome.ran.iter().filter(|ran| shown(ran, args).next().is_some()) {
        suite(ran, args, &mut suites);
    }
    for (file, error) in &outcome.refused {
        let text = error.to_string();
        // An attribute has no lines: what tells the place stands in the text.
        let message = text.lines().next().unwrap_or_default();
        let (file, message, text) = (escaped(file), escaped(message), escaped(&text));
        // Writing to a string cannot fail.
        let _ = write!(
            suites,
            "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"0.000\">\n    \
             <testcase name=\"{file}\" classname=\"{file}\" time=\"0.000\">\n      \
             <error type=\"refused\" message=\"{message}\">{text}</error>\n    </testcase>\n  </testsuite>\n"
        );
    }
    // The sum of no floats is a negative zero.
    let time = outcome.ran.iter().fold(0.0, |time, ran| time + ran.took.as_secs_f64());
    let errors = outcome.refused.len();
    let tests = outcome.ran.iter().map(|ran| shown(ran, args).count()).sum::<usize>() + errors;
    let failures = outcome.failed();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"trimtab test\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         time=\"{time:.3}\">"
    )?;
    write!(out, "{suites}")?;
    writeln!(out, "</testsuites>")?;
    Ok(())
}

fn shown<'r>(
    ran: &'r Ran,
    args: &'r TestArgs,
) -> impl Iterator<Item = &'r trimtab_test::TestResult> {
    ran.result.tests.iter().filter(|test| !(args.fail_only && test.passed()))
}

fn suite(ran: &Ran, args: &TestArgs, out: &mut String) {
    let tests = shown(ran, args).count();
    let failures = shown(ran, args).filter(|test| !test.passed()).count();
    let (file, time) = (escaped(&ran.path), ran.took.as_secs_f64());
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" \
         skipped=\"0\" time=\"{time:.3}\">"
    );
    let each = time / tests.max(1) as f64;
    for test in shown(ran, args) {
        let line = ran.file.source.position(test.place.start).line;
        let name = escaped(&test.name);
        let _ = write!(
            out,
            "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\" \
             time=\"{each:.3}\""
        );
        if test.passed() {
            let _ = writeln!(out, "/>");
            continue;
        }
        let _ = writeln!(out, ">");
        // The schema has one failure per case; what is wrong besides stands in its text.
        if let Some(first) = test.failures.first() {
            let texts = test.failures.iter();
            let texts = texts.map(|failure| shown_failure(ran, test, failure, Colour::Never));
            let text = texts.collect::<Vec<_>>().join("\n\n");
            let code = first.diagnostic.code().unwrap_or("failure");
            let message = escaped(first.diagnostic.message());
            let _ = writeln!(
                out,
                "      <failure type=\"{code}\" message=\"{message}\">{}</failure>",
                escaped(&text)
            );
        }
        let _ = writeln!(out, "    </testcase>");
    }
    let _ = writeln!(out, "  </testsuite>");
}

/// Text as XML 1.0 can hold it, in an element or an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(char),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_can_not_hold_is_replaced() {
        assert_eq!(escaped("a<b & \"c\"\u{1b}\n"), "a&lt;b &amp; &quot;c&quot;\u{fffd}\n");
    }
}
