//! The plane of attainment and cost: a point per run, the Pareto front, the objective and the bound.

use super::drawing::{Anchor, Drawing, Frame, Stroke, Type, pixel};
use super::label::{Places, SIZE, text_width};
use super::marker::Identities;
use super::paint::Ink;
use super::scale::{Scale, nines, ticks};
use crate::report::front::{best_of_each_policy, first_share, worst_miss};
use crate::report::phrase::{amount, percent, shortened, tuning};
use crate::{Comparison, Objective, Run, Settings};

/// The shares with a tick, and their labels; from the lowest.
const SHARES: [(f64, &str); 8] = [
    (0.0, "0%"),
    (0.5, "50%"),
    (0.8, "80%"),
    (0.9, "90%"),
    (0.99, "99%"),
    (0.999, "99.9%"),
    (0.9999, "99.99%"),
    (0.999_99, "99.999%"),
];
/// More labels than these cover more than they tell.
const LABELS: usize = 24;
const LONGEST_LABEL: usize = 30;

const GRID: Stroke = Stroke { ink: Ink::Grid, width: 1.0, dash: "" };
const FRONT: Stroke = Stroke { ink: Ink::Front, width: 1.5, dash: "" };
const BOUND: Stroke = Stroke { ink: Ink::Bound, width: 1.5, dash: "2 4" };
const OBJECTIVE: Stroke = Stroke { ink: Ink::Green, width: 1.5, dash: "7 4" };
const LEADER: Stroke = Stroke { ink: Ink::Muted, width: 0.8, dash: "" };
const SMALL: Type = Type { size: SIZE, ink: Ink::Muted, anchor: Anchor::Start, bold: false };

/// Where a run is.
struct Axes {
    frame: Frame,
    cost: Scale,
    attainment: Scale,
}

/// Draws the plane into a frame, its axis labels left of and below it.
pub(super) fn draw(
    drawing: &mut Drawing,
    frame: Frame,
    comparison: &Comparison,
    settings: &Settings,
    ranking: &[usize],
    identities: &Identities<'_>,
) {
    let objective = settings.objectives.first();
    let axes = Axes::of(frame, comparison, objective);
    let mut places = Places::new(frame);
    axes.draw_grid(drawing, comparison, settings);
    if let Some(objective) = objective {
        axes.draw_objective(drawing, &mut places, objective, comparison.bound.cost);
    }
    axes.draw_bound(drawing, &mut places, comparison, settings);
    axes.draw_front(drawing, &mut places, &comparison.runs);
    axes.draw_runs(drawing, &mut places, comparison, settings, ranking, identities);
    draw_key(drawing, frame, comparison);
}

/// A run in words: `slo (target=0.8): 99.21% within ttft<=2s@99%, 9.13 GPU-hours`.
pub(super) fn summary(run: &Run, settings: &Settings) -> String {
    let mut text = run.policy.clone();
    if !run.tuning.is_empty() {
        text.push_str(&format!(" ({})", tuning(run)));
    }
    text.push_str(": ");
    for (attained, objective) in run.attainment.iter().zip(&settings.objectives) {
        text.push_str(&format!(
            "{} within {objective}, ",
            percent(attained.share, objective.share)
        ));
    }
    text.push_str(&format!("{} {}", amount(run.cost), settings.cost_unit));
    text
}

impl Axes {
    fn of(frame: Frame, comparison: &Comparison, objective: Option<&Objective>) -> Self {
        let shares = comparison.runs.iter().map(first_share);
        let shares: Vec<f64> = shares.chain(objective.map(|objective| objective.share)).collect();
        let promised = objective.map_or(0.0, |objective| nines(objective.share, 4.0));
        let top = (libm::ceil(promised - 1e-9) + 1.0).clamp(3.0, 5.0);
        let least = shares.iter().map(|&share| nines(share, top)).fold(top, f64::min);
        let below = SHARES.iter().map(|&(share, _)| nines(share, top));
        let bottom = below.filter(|&tick| tick <= (least - 0.1).min(promised - 0.9));
        let bottom = bottom.fold(0.0, f64::max);
        let costs = comparison.runs.iter().map(|run| run.cost).chain([comparison.bound.cost]);
        let costs: Vec<f64> = costs.filter(|cost| cost.is_finite()).collect();
        let most = costs.iter().copied().fold(0.0, f64::max);
        let least = costs.iter().copied().fold(most, f64::min);
        // From zero, unless this would leave a third of the plane empty.
        let from =
            if least > most / 3.0 && least < most { least - (most - least) / 4.0 } else { 0.0 };
        let range = ticks(from, most, 8);
        let ends = range.first().zip(range.last());
        let (from, to) = ends.map_or((0.0, 1.0), |(first, last)| (first.value, last.value));
        Self {
            frame,
            cost: Scale { from, to, start: frame.left + 12.0, end: frame.right - 12.0 },
            // What attains all is on the top line; a part of the plane above it holds the point.
            attainment: Scale {
                from: bottom,
                to: top,
                start: frame.bottom - 10.0,
                end: frame.top + 16.0,
            },
        }
    }

    fn share(&self, share: f64) -> f64 {
        self.attainment.at(nines(share, self.attainment.to))
    }

    fn point(&self, run: &Run) -> (f64, f64) {
        (self.cost.at(run.cost), self.share(first_share(run)))
    }

    fn draw_grid(&self, drawing: &mut Drawing, comparison: &Comparison, settings: &Settings) {
        let frame = self.frame;
        if let Some(objective) = settings.objectives.first() {
            let line = self.share(objective.share);
            drawing.rectangle(Frame { bottom: line, ..frame }, Ink::Met);
        }
        let capped = |run: &Run| nines(first_share(run), f64::MAX) > self.attainment.to + 1e-9;
        let capped = comparison.runs.iter().any(capped);
        for (share, label) in SHARES {
            let level = nines(share, f64::MAX);
            if level < self.attainment.from - 1e-9 || level > self.attainment.to + 1e-9 {
                continue;
            }
            let y = self.share(share);
            let at_cap = capped && level > self.attainment.to - 1e-9;
            let label = if at_cap { format!("≥ {label}") } else { label.to_owned() };
            drawing.line((frame.left, y), (frame.right, y), GRID);
            drawing.text(frame.left - 8.0, y + 4.0, &label, Type { anchor: Anchor::End, ..SMALL });
        }
        for tick in ticks(self.cost.from, self.cost.to, 8) {
            let x = self.cost.at(tick.value);
            drawing.line((x, frame.top), (x, frame.bottom), GRID);
            drawing.text(
                x,
                frame.bottom + 18.0,
                &tick.label,
                Type { anchor: Anchor::Middle, ..SMALL },
            );
        }
        let middle = (frame.left + frame.right) / 2.0;
        let cost = format!("cost in {}", settings.cost_unit);
        drawing.text(
            middle,
            frame.bottom + 38.0,
            &cost,
            Type { anchor: Anchor::Middle, size: 13.0, ..SMALL },
        );
        let attainment = settings.objectives.first().map_or(String::from("attainment"), within);
        let middle = (frame.top + frame.bottom) / 2.0;
        drawing.upward_text(frame.left - 68.0, middle, &attainment, 13.0, Ink::Muted);
    }

    fn draw_objective(
        &self,
        drawing: &mut Drawing,
        places: &mut Places,
        objective: &Objective,
        bound: f64,
    ) {
        let y = self.share(objective.share);
        drawing.line((self.frame.left, y), (self.frame.right, y), OBJECTIVE);
        let text = format!("objective {objective}");
        let width = text_width(&text, SIZE);
        // Left of the bound is hardly ever a run.
        let left = if self.frame.left + 16.0 + width < self.cost.at(bound) {
            self.frame.left + 8.0
        } else {
            self.frame.right - 8.0 - width
        };
        drawing.text(left, y - 6.0, &text, Type { ink: Ink::Green, ..SMALL });
        places.take(Frame { left, right: left + width, top: y - 18.0, bottom: y });
        places.take(Frame { top: y - 1.0, bottom: y + 1.0, ..self.frame });
    }

    fn draw_bound(
        &self,
        drawing: &mut Drawing,
        places: &mut Places,
        comparison: &Comparison,
        settings: &Settings,
    ) {
        let Frame { left, right, top, bottom } = self.frame;
        let x = self.cost.at(comparison.bound.cost);
        drawing.line((x, top), (x, bottom), BOUND);
        let text =
            format!("clairvoyant bound: {} {}", amount(comparison.bound.cost), settings.cost_unit);
        let half = text_width(&text, SIZE) / 2.0;
        let middle = x.min(right - half).max(left + half);
        let style = Type { anchor: Anchor::Middle, ink: Ink::Text, ..SMALL };
        drawing.text(middle, top - 8.0, &text, style);
        places.take(Frame { left: x - 1.0, right: x + 1.0, top, bottom });
    }

    /// A staircase: for every cost, what the front attains with it.
    fn draw_front(&self, drawing: &mut Drawing, places: &mut Places, runs: &[Run]) {
        let mut points: Vec<(f64, f64)> =
            runs.iter().filter(|run| run.on_front).map(|run| self.point(run)).collect();
        points.sort_by(|(a, high), (b, low)| a.total_cmp(b).then(low.total_cmp(high)));
        let mut points = points.into_iter().peekable();
        let Some(&(x, y)) = points.peek() else { return };
        let mut path = format!("M{} {}", pixel(x), pixel(y));
        while let Some((left, y)) = points.next() {
            let (right, up) = points.peek().copied().unwrap_or((self.frame.right, y));
            path.push_str(&format!("H{}V{}", pixel(right), pixel(up)));
            places.take(Frame { left, right, top: y - 1.0, bottom: y + 1.0 });
            places.take(Frame { left: right - 1.0, right: right + 1.0, top: up, bottom: y });
        }
        drawing.path(&path, FRONT);
    }

    fn draw_runs(
        &self,
        drawing: &mut Drawing,
        places: &mut Places,
        comparison: &Comparison,
        settings: &Settings,
        ranking: &[usize],
        identities: &Identities<'_>,
    ) {
        let runs = &comparison.runs;
        let ranked: Vec<&Run> = ranking.iter().filter_map(|&at| runs.get(at)).collect();
        // The best is drawn last, so that it is on top.
        for run in ranked.iter().rev() {
            let met = worst_miss(run, &settings.objectives).is_none();
            let point = self.point(run);
            places.take_point(point);
            identities.get(&run.policy).draw(drawing, point, met, &summary(run, settings));
        }
        let swept = runs.iter().any(|run| !run.tuning.is_empty());
        let labelled = if swept { best_of_each_policy(runs, ranking) } else { ranking.to_vec() };
        for (at, run) in labelled.iter().filter_map(|&at| runs.get(at)).take(LABELS).enumerate() {
            let text = shortened(&run.policy, LONGEST_LABEL);
            let point = self.point(run);
            let place = places.find(point, &text);
            if let Some(end) = place.leader {
                drawing.line(point, end, LEADER);
            }
            let bold = at == 0 && worst_miss(run, &settings.objectives).is_none();
            let style = Type { anchor: place.anchor, ink: Ink::Text, bold, ..SMALL };
            drawing.text(place.x, place.y, &text, style);
        }
    }
}

fn within(objective: &Objective) -> String {
    let text = objective.to_string();
    let latency = text.split('@').next().unwrap_or_default();
    format!("requests with {latency}")
}

/// What filled and hollow points and the lines are.
fn draw_key(drawing: &mut Drawing, frame: Frame, comparison: &Comparison) {
    if comparison.runs.is_empty() {
        return;
    }
    let y = frame.bottom + 38.0;
    let mut x = frame.left;
    for (ink, text) in [(Ink::Muted, "meets all"), (Ink::Paper, "misses one")] {
        let (left, right) = (pixel(x), "a5.0 5.0 0 1 0 10.0 0.0a5.0 5.0 0 1 0 -10.0 0.0Z");
        drawing.shape(&format!("M{left} {}{right}", pixel(y - 4.0)), ink, Ink::Muted, "");
        drawing.text(x + 16.0, y, text, SMALL);
        x += 16.0 + text_width(text, SIZE) + 18.0;
    }
    drawing.line((x, y - 4.0), (x + 22.0, y - 4.0), FRONT);
    drawing.text(x + 28.0, y, "Pareto front", SMALL);
}
