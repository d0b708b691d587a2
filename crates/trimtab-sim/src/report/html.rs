//! The report: a backtest as one HTML file that needs nothing else.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::report::front::ranking;
use crate::{Backtest, Timeline};

const PAGE: &str = include_str!("assets/report.html");
const STYLE: &str = include_str!("assets/report.css");

/// The parts of the script, in the order in which they build on each other.
const SCRIPT: [&str; 14] = [
    include_str!("assets/format.js"),
    include_str!("assets/scale.js"),
    include_str!("assets/draw.js"),
    include_str!("assets/model.js"),
    include_str!("assets/run_facts.js"),
    include_str!("assets/plane.js"),
    include_str!("assets/points.js"),
    include_str!("assets/runs.js"),
    include_str!("assets/overview.js"),
    include_str!("assets/spending.js"),
    include_str!("assets/course.js"),
    include_str!("assets/cursor.js"),
    include_str!("assets/controls.js"),
    include_str!("assets/report.js"),
];

/// A backtest as a self-contained HTML page: attainment against cost, the numbers of every run, and
/// the course of each with the explanation of its decisions.
///
/// The page makes no request of any kind. The same backtest gives the same bytes. The data is in
/// it as JSON, in the element with the id `data`; the columns of the timelines are rounded to four
/// significant digits.
///
/// # Errors
///
/// When a part of the backtest cannot be written as JSON, which holds for none that was read from JSON.
///
/// ```
/// use trimtab_sim::{Backtest, Settings, report};
///
/// let backtest = Backtest {
///     settings: Settings {
///         trimtab: "0.1.0".to_owned(),
///         seed: 7,
///         profile: "llama-8b".to_owned(),
///         objectives: vec!["ttft<=2s@99%".parse()?],
///         cost_unit: "GPU-hours".to_owned(),
///         details: Vec::new(),
///     },
///     comparisons: Vec::new(),
/// };
/// let page = report::html(&backtest)?;
/// assert!(page.starts_with("<!doctype html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn html(backtest: &Backtest) -> Result<String, serde_json::Error> {
    let data = data(backtest)?;
    // In one scope, so that the page has no global names; strict, so that a slip is an error.
    let script = format!("(() => {{\n\"use strict\";\n\n{}}})();\n", SCRIPT.join("\n"));
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + script.len() + data.len());
    let mut rest = PAGE;
    for (mark, part) in [("{{style}}", STYLE), ("{{data}}", &data), ("{{script}}", &script)] {
        if let Some((before, after)) = rest.split_once(mark) {
            page.push_str(before);
            page.push_str(part);
            rest = after;
        }
    }
    page.push_str(rest);
    Ok(page)
}

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    /// A number of 64 bits is more than a number of JavaScript holds.
    seed: String,
    /// As people write them.
    objectives: Vec<String>,
    /// Per comparison the numbers of its runs, the best first.
    rankings: Vec<Vec<usize>>,
    backtest: &'a Backtest,
}

fn data(backtest: &Backtest) -> Result<String, serde_json::Error> {
    let mut backtest = backtest.clone();
    let runs = backtest.comparisons.iter_mut().flat_map(|comparison| &mut comparison.runs);
    runs.for_each(|run| round(&mut run.timeline));
    let objectives = &backtest.settings.objectives;
    let data = Data {
        seed: backtest.settings.seed.to_string(),
        objectives: objectives.iter().map(ToString::to_string).collect(),
        rankings: backtest.comparisons.iter().map(|c| ranking(&c.runs, objectives)).collect(),
        backtest: &backtest,
    };
    let mut json = Vec::new();
    data.serialize(&mut Serializer::with_formatter(&mut json, Embedded(CompactFormatter)))?;
    String::from_utf8(json).map_err(serde::ser::Error::custom)
}

/// Most of a page is timelines, and most of their digits are finer than a pixel.
fn round(timeline: &mut Timeline) {
    let Timeline {
        step_seconds: _,
        arrivals_per_second,
        need,
        wanted,
        pending,
        starting,
        ready,
        warm,
        draining,
        queue,
        ttft_p50,
        ttft_p95,
        ttft_p99,
        decision: _,
        decisions: _,
    } = timeline;
    let counts =
        [arrivals_per_second, need, wanted, pending, starting, ready, warm, draining, queue];
    let latencies = [ttft_p50, ttft_p95, ttft_p99];
    let values = counts.into_iter().flatten().chain(latencies.into_iter().flatten().flatten());
    values.for_each(|value| *value = four_digits(*value));
}

fn four_digits(value: f64) -> f64 {
    let magnitude = libm::floor(libm::log10(libm::fabs(value)));
    // Neither a whole number of five digits nor a count near nothing has digits to spare.
    if !(-9.0..4.0).contains(&magnitude) {
        return value;
    }
    let scale = libm::rint(libm::pow(10.0, 3.0 - magnitude));
    libm::rint(value * scale) / scale
}

/// JSON that can stand in a `script` element: no text in it can end the element or open a comment.
struct Embedded(CompactFormatter);

impl Formatter for Embedded {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let unsafe_here = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some((at, found)) = rest.char_indices().find(|(_, c)| unsafe_here(*c)) {
            let (before, after) = rest.split_at(at);
            self.0.write_string_fragment(writer, before)?;
            write!(writer, "\\u{:04x}", u32::from(found))?;
            rest = after.strip_prefix(found).unwrap_or_default();
        }
        self.0.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn backtest(profile: &str) -> Backtest {
        Backtest {
            settings: Settings {
                trimtab: "0.1.0".to_owned(),
                seed: u64::MAX,
                profile: profile.to_owned(),
                objectives: vec!["ttft<=2s@99%".parse().unwrap()],
                cost_unit: "GPU-hours".to_owned(),
                details: vec![("router".to_owned(), "least-loaded".to_owned())],
            },
            comparisons: Vec::new(),
        }
    }

    fn embedded(page: &str) -> &str {
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        rest.split_once("</script>").unwrap().0
    }

    #[test]
    fn every_mark_of_the_page_is_filled() {
        let page = html(&backtest("8b")).unwrap();
        assert!(!page.contains("{{style}}") && !page.contains("{{data}}"));
        assert!(!page.contains("{{script}}") && page.trim_end().ends_with("</html>"));
    }

    #[test]
    fn the_embedded_data_is_the_backtest() {
        let backtest = backtest("8b");
        let page = html(&backtest).unwrap();
        let data: serde_json::Value = serde_json::from_str(embedded(&page)).unwrap();
        assert_eq!(data["seed"], u64::MAX.to_string());
        assert_eq!(data["objectives"][0], "ttft<=2s@99%");
        assert_eq!(serde_json::from_value::<Backtest>(data["backtest"].clone()).unwrap(), backtest);
    }

    #[test]
    fn no_text_of_the_backtest_can_leave_its_element() {
        let nasty = "</script><!--<script>{{script}}{{style}}\u{2028}\u{2029}&\"\\é";
        let page = html(&backtest(nasty)).unwrap();
        assert_eq!(
            page.matches("</script>").count(),
            html(&backtest("8b")).unwrap().matches("</script>").count()
        );
        assert!(!page.contains("<!--") && !page.contains(['\u{2028}', '\u{2029}']));
        let data: serde_json::Value = serde_json::from_str(embedded(&page)).unwrap();
        assert_eq!(data["backtest"]["settings"]["profile"], nasty);
    }

    #[test]
    fn the_page_names_no_other_place() {
        let page = html(&backtest("8b")).unwrap();
        // The name of the SVG language is not an address that is visited.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        for address in ["http:", "https:", "//cdn", "@import", "src=\"", "fetch(", "url(h"] {
            assert!(!page.contains(address), "{address}");
        }
    }

    #[test]
    fn timelines_keep_four_digits() {
        for (value, rounded) in [
            (0.0, 0.0),
            (11.0 / 3.0, 3.667),
            (0.000_123_456, 0.000_123_5),
            (-2.00049, -2.0),
            (9999.96, 10000.0),
            (123_456.7, 123_456.7),
        ] {
            assert_eq!(four_digits(value), rounded);
        }
        assert!(four_digits(f64::NAN).is_nan());
        assert_eq!(four_digits(f64::INFINITY), f64::INFINITY);
    }
}
