//! The comparison as one static picture, for a page that runs no scripts.

mod drawing;
mod label;
mod marker;
mod paint;
mod plane;
mod scale;
mod timeline;

use self::drawing::{Anchor, Drawing, Frame, Type};
use self::marker::Identities;
use self::paint::Ink;
use super::front::{best_of_each_policy, ranking};
use super::phrase::{amount, count, duration, shortened};
use crate::{Comparison, Run, Settings};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 24.0;
const PLANE_TOP: f64 = 102.0;
const PLANE_HEIGHT: f64 = 340.0;
/// Between the plane and the timelines: the labels of its axis and its legend.
const PLANE_FOOT: f64 = 84.0;
/// More timelines than these are too small to be compared.
const TIMELINES: usize = 6;

/// The comparison as an SVG file of its own: the plane of attainment and cost with a point per run,
/// the Pareto front and the bound, and the timelines of up to six runs. It follows the reader's light
/// or dark theme, needs no font, script or file, and is the same to the byte for the same comparison.
///
/// Of a sweep, the runs that are the best of their policy are labelled and drawn as timelines first.
///
/// ```
/// use trimtab_sim::report::svg;
/// use trimtab_sim::{Comparison, Settings};
///
/// let settings: Settings = serde_json::from_str(r#"{
///     "trimtab": "0.1.0", "seed": 7, "profile": "llama-3.1-8b-a100", "costUnit": "GPU-hours",
///     "objectives": [{"measure": "ttft", "seconds": 2.0, "share": 0.99}], "details": []
/// }"#)?;
/// let comparison: Comparison = serde_json::from_str(r#"{
///     "workload": {
///         "name": "chat", "requests": 86400, "seconds": 86400.0, "peakPerSecond": 2.5,
///         "meanInputTokens": 512.0, "meanOutputTokens": 128.0
///     },
///     "leadTime": "120s", "bound": {"replicaSeconds": 90000.0, "cost": 25.0}, "runs": []
/// }"#)?;
/// let picture = svg(&comparison, &settings);
/// assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn svg(comparison: &Comparison, settings: &Settings) -> String {
    let ranking = ranking(&comparison.runs, &settings.objectives);
    let identities = Identities::of(&comparison.runs);
    let timelines: Vec<&Run> = drawn_as_timelines(&comparison.runs, &ranking);

    let plane = Frame {
        left: MARGIN + 64.0,
        right: WIDTH - MARGIN,
        top: PLANE_TOP,
        bottom: PLANE_TOP + PLANE_HEIGHT,
    };
    let top = plane.bottom + PLANE_FOOT;
    let height = top + timeline::height(timelines.len());

    let mut drawing =
        Drawing::new(WIDTH, height, &title(comparison), &description(comparison, settings));
    header(&mut drawing, comparison, settings);
    plane::draw(&mut drawing, plane, comparison, settings, &ranking, &identities);
    let frame = Frame { left: MARGIN, right: WIDTH - MARGIN, top, bottom: height };
    timeline::draw(&mut drawing, frame, &timelines, settings, &identities);
    drawing.finish()
}

/// The front before the others and, of a sweep, every policy before a second tuning of one.
fn drawn_as_timelines<'a>(runs: &'a [Run], ranking: &[usize]) -> Vec<&'a Run> {
    let swept = runs.iter().any(|run| !run.tuning.is_empty());
    let picks = best_of_each_policy(runs, ranking);
    let mut ranked: Vec<(usize, &Run)> =
        ranking.iter().filter_map(|&at| runs.get(at).map(|run| (at, run))).collect();
    ranked.sort_by_key(|(at, run)| (swept && !picks.contains(at), !run.on_front));
    let with_timeline = ranked.into_iter().map(|(_, run)| run).filter(|run| timeline::exists(run));
    with_timeline.take(TIMELINES).collect()
}

fn header(drawing: &mut Drawing, comparison: &Comparison, settings: &Settings) {
    let heading = Type { size: 20.0, ink: Ink::Text, anchor: Anchor::Start, bold: true };
    drawing.text(MARGIN, 38.0, &shortened(&comparison.workload.name, 72), heading);
    let detail = Type { size: 13.0, ink: Ink::Muted, anchor: Anchor::Start, bold: false };
    drawing.text(MARGIN, 60.0, &shortened(&assumptions(comparison, settings), 120), detail);
}

fn title(comparison: &Comparison) -> String {
    format!("Autoscaling policies on {}: attainment against cost", comparison.workload.name)
}

fn assumptions(comparison: &Comparison, settings: &Settings) -> String {
    let mut parts = vec![
        format!(
            "{} requests in {}, peak {}/s",
            count(comparison.workload.requests),
            duration(comparison.workload.seconds),
            amount(comparison.workload.peak_per_second)
        ),
        settings.profile.clone(),
        format!("lead time {}", comparison.lead_time),
    ];
    parts.extend(settings.objectives.iter().map(ToString::to_string));
    parts.join("  ·  ")
}

/// What the picture shows, in words.
fn description(comparison: &Comparison, settings: &Settings) -> String {
    let mut text = assumptions(comparison, settings).replace("  ·  ", "; ");
    text.push_str(&format!(
        ". Clairvoyant bound: {} {}.",
        amount(comparison.bound.cost),
        settings.cost_unit
    ));
    for run in &comparison.runs {
        if run.on_front {
            text.push_str(&format!(" On the front: {}.", plane::summary(run, settings)));
        }
    }
    text
}
