//! What a `/metrics` page says, line by line: Prometheus' text format and OpenMetrics.

mod lexer;

use std::borrow::Cow;

use thiserror::Error;
use trimtab_metric::Timestamp;

use lexer::Lexer;

/// In which of the two formats a page is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' own, version 0.0.4: times in milliseconds, white space wherever it likes, the end where it ends.
    #[default]
    Text,
    /// OpenMetrics 1.0: times in seconds, exemplars, and `# EOF` at the end, so that a page that was cut off is known.
    OpenMetrics,
}

/// What one line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'t> {
    /// What kind of metric a name is of, such as `counter`.
    Type {
        /// The name.
        name: Cow<'t, str>,
        /// The kind, as written.
        kind: &'t str,
    },
    /// What a metric is for.
    Help {
        /// The name.
        name: Cow<'t, str>,
        /// What it is for.
        text: Cow<'t, str>,
    },
    /// In what it is counted: OpenMetrics.
    Unit {
        /// The name.
        name: Cow<'t, str>,
        /// The unit.
        unit: &'t str,
    },
    /// A value.
    Sample(TextSample<'t>),
}

/// A value on a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextSample<'t> {
    /// The metric's name, with its suffix.
    pub name: Cow<'t, str>,
    /// Its labels, in the order in which they stand.
    pub labels: Vec<(Cow<'t, str>, Cow<'t, str>)>,
    /// The value; any float.
    pub value: f64,
    /// When it was taken, where it says so.
    pub at: Option<Timestamp>,
}

impl TextSample<'_> {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_ref())
    }
}

/// Where a page can't be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {message}")]
pub struct ExpositionError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl Exposition {
    /// The format that a `Content-Type` names; Prometheus' own if it names none.
    ///
    /// ```
    /// use trimtab_prometheus::Exposition;
    ///
    /// let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    /// assert_eq!(Exposition::of(kind), Exposition::OpenMetrics);
    /// assert_eq!(Exposition::of("text/plain; version=0.0.4"), Exposition::Text);
    /// ```
    pub fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Reads a page and hands on each line as it comes; nothing is kept.
    ///
    /// It takes what Prometheus takes, names in quotes included, and refuses what it refuses: a page is right as a whole or not at
    /// all. One that ends within a line is cut off.
    ///
    /// # Errors
    ///
    /// [`ExpositionError`] at the first line that can't be read. What was handed on before should be dropped.
    ///
    /// ```
    /// use trimtab_prometheus::{Exposition, Line};
    ///
    /// let page = "# TYPE waiting gauge\nwaiting{model=\"a\"} 3\n";
    /// let mut waiting = 0.0;
    /// Exposition::Text.read(page, &mut |line| {
    ///     if let Line::Sample(sample) = line {
    ///         waiting += sample.value;
    ///     }
    /// })?;
    /// assert_eq!(waiting, 3.0);
    /// # Ok::<(), trimtab_prometheus::ExpositionError>(())
    /// ```
    pub fn read<'t>(
        self,
        page: &'t str,
        each: &mut dyn FnMut(Line<'t>),
    ) -> Result<(), ExpositionError> {
        let mut number = 0;
        let mut rest = page;
        let mut ended = false;
        while !rest.is_empty() {
            number += 1;
            let wrong = |message: String| ExpositionError { line: number, message };
            let Some((line, after)) = rest.split_once('\n') else {
                if self == Self::OpenMetrics && rest == "# EOF" {
                    ended = true;
                    break;
                }
                return Err(wrong(String::from("the page ends within the line: it was cut off")));
            };
            rest = after;
            if ended {
                return Err(wrong(String::from("there is more after `# EOF`")));
            }
            if self == Self::OpenMetrics && line == "# EOF" {
                ended = true;
                continue;
            }
            match Lexer::new(line, self).line().map_err(wrong)? {
                Some(line) => each(line),
                None if self == Self::OpenMetrics && line.is_empty() => {
                    return Err(wrong(String::from("an empty line can't stand in OpenMetrics")));
                }
                None => {}
            }
        }
        if self == Self::OpenMetrics && !ended {
            let message = String::from("`# EOF` is missing at the end: the page was cut off");
            return Err(ExpositionError { line: number, message });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(format: Exposition, page: &str) -> Result<Vec<TextSample<'_>>, ExpositionError> {
        let mut samples = Vec::new();
        format.read(page, &mut |line| {
            if let Line::Sample(sample) = line {
                samples.push(sample);
            }
        })?;
        Ok(samples)
    }

    fn text(page: &str) -> Result<Vec<TextSample<'_>>, ExpositionError> {
        samples(Exposition::Text, page)
    }

    fn open(page: &str) -> Result<Vec<TextSample<'_>>, ExpositionError> {
        samples(Exposition::OpenMetrics, page)
    }

    #[test]
    fn the_text_format() {
        let page = "# HELP a It counts\\nthings \\\\.\n# TYPE a counter\na 1\n\n  b{x=\"1\", y=\"a\\\"b\\\\\\n\",}  -2.5e3 \t 1395066363000\n\
                    # a comment\n#\nc NaN\nd +Inf\ne -Inf\nf{} 0x1p4\n:g:_1 .5\n";
        let found = text(page).unwrap();
        assert_eq!(found.len(), 7);
        assert_eq!(found[1].label("y"), Some("a\"b\\\n"));
        assert_eq!(
            (found[1].value, found[1].at),
            (-2500.0, Some(Timestamp::from_millis(1_395_066_363_000)))
        );
        assert!(found[2].value.is_nan());
        assert_eq!((found[3].value, found[4].value), (f64::INFINITY, f64::NEG_INFINITY));
        assert_eq!((found[5].value, found[6].value), (16.0, 0.5));
        let mut lines = Vec::new();
        Exposition::Text.read(page, &mut |line| lines.push(line)).unwrap();
        assert_eq!(lines[0], Line::Help { name: "a".into(), text: "It counts\nthings \\.".into() });
        assert_eq!(lines[1], Line::Type { name: "a".into(), kind: "counter" });
    }

    #[test]
    fn openmetrics() {
        let page = "# TYPE a counter\n# UNIT a seconds\n# HELP a It \\\"counts\\\".\na_total{x=\"1\"} 1.0 1520879607.789 # {trace=\"f # \"} 0.5 1520879607.7\n\
                    a_created 1520430000.123\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n";
        let found = open(page).unwrap();
        assert_eq!(found[0].at, Some(Timestamp::from_millis(1_520_879_607_789)));
        assert_eq!(found.len(), 3);
        assert!(open(page.trim_end()).is_ok(), "the last line may lack its end");
        for broken in [
            &page.replace("# EOF\n", ""),
            &page.replace("# EOF\n", "# EOF\na 1\n"),
            &page.replace("# EOF\n", "\n# EOF\n"),
            &page.replace("a_created ", " a_created "),
            &page.replace(" # {trace=", " # trace="),
            "",
        ] {
            assert!(open(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn names_in_quotes() {
        let found =
            text("{\"my.metric\",\"a label\"=\"1\"} 2\n{\"b\"} 1\nc{\"d.e\"=\"f\"} 3\n").unwrap();
        assert_eq!((found[0].name.as_ref(), found[0].label("a label")), ("my.metric", Some("1")));
        assert_eq!((found[1].name.as_ref(), found[2].label("d.e")), ("b", Some("f")));
    }

    #[test]
    fn what_prometheus_refuses() {
        for line in [
            "a",
            "a ",
            "a{ 1",
            "a{x} 1",
            "a{x=1} 1",
            "a{x=\"1} 1",
            "a{x=\"1\" y=\"2\"} 1",
            "a{=\"1\"} 1",
            "a{,} 1",
            "a{x=\"1\",,} 1",
            "a{1x=\"1\"} 1",
            "1a 1",
            "a-b 1",
            "a one",
            "a 1 2 3",
            "a 1 1.5",
            "a 1 x",
            "a 1__0",
            "a 0x",
            "a infinitely",
            "{x=\"1\"} 1",
            "{\"a\",\"b\"} 1",
            "a{\"b\"} 1",
            "é 1",
            "# TYPE a",
            "# TYPE a splendid",
            "# TYPE 1a counter",
        ] {
            assert!(text(&format!("{line}\n")).is_err(), "{line}");
        }
        let error = text("a 1\nb x\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: `x` is not a number");
        assert!(text("a 1").is_err(), "cut off");
    }

    fn any_sample() -> impl Strategy<Value = (String, Vec<(String, String)>, f64, Option<i64>)> {
        let labels = prop::collection::vec(("[a-z_][a-z0-9_]{0,5}", any::<String>()), 0..4);
        ("[a-z_:][a-z0-9_:]{0,8}", labels, any::<f64>(), prop::option::of(any::<i64>()))
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(all in prop::collection::vec(any_sample(), 0..8)) {
            let mut page = String::new();
            for (name, labels, value, at) in &all {
                page += name;
                let labels: Vec<String> = labels.iter().map(|(name, value)| {
                    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                    format!("{name}=\"{value}\"")
                }).collect();
                page += &format!("{{{}}} {value}", labels.join(","));
                page += &at.map(|at| format!(" {at}\n")).unwrap_or_else(|| String::from("\n"));
            }
            let found = text(&page).unwrap();
            prop_assert_eq!(found.len(), all.len());
            for (sample, (name, labels, value, at)) in found.iter().zip(&all) {
                prop_assert_eq!(sample.name.as_ref(), name);
                let own: Vec<_> = sample.labels.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
                prop_assert_eq!(&own, labels);
                prop_assert!(sample.value == *value || sample.value.is_nan() && value.is_nan());
                prop_assert_eq!(sample.at, at.map(Timestamp::from_millis));
            }
        }

        #[test]
        fn any_text_ends(page in any::<String>(), odd in "[a-z{}\"\\\\=#, .0-9\n]{0,80}") {
            for format in [Exposition::Text, Exposition::OpenMetrics] {
                let _either = samples(format, &page);
                let _or = samples(format, &odd);
            }
        }
    }
}
