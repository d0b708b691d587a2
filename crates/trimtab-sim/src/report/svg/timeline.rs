//! The course of the runs, small and on the same axes: what was needed, wanted, ready and starting.

use super::drawing::{Anchor, Drawing, Frame, Stroke, Type, pixel};
use super::label::text_width;
use super::marker::Identities;
use super::paint::Ink;
use super::scale::{Scale, Tick, ticks, time_ticks};
use crate::report::front::{first_share, worst_miss};
use crate::report::phrase::{amount, percent, shortened, tuning};
use crate::{Run, Settings, Timeline};

const PANEL: f64 = 112.0;
/// Above a panel, for its name.
const HEAD: f64 = 36.0;
/// Below the last row of panels, for the time.
const FOOT: f64 = 46.0;
/// Above all panels, for the legend.
const LEGEND: f64 = 30.0;
/// Left of a panel, for the counts of replicas.
const SIDE: f64 = 40.0;
const BETWEEN: f64 = 20.0;
/// In characters; less of a tuning says nothing.
const SHORTEST_TUNING: usize = 12;

const GRID: Stroke = Stroke { ink: Ink::Grid, width: 1.0, dash: "" };
const READY: Stroke = Stroke { ink: Ink::Ready, width: 2.0, dash: "" };
const WANTED: Stroke = Stroke { ink: Ink::Wanted, width: 1.0, dash: "3 2" };
const STARTING: Stroke = Stroke { ink: Ink::Starting, width: 1.5, dash: "" };
const SMALL: Type = Type { size: 11.0, ink: Ink::Muted, anchor: Anchor::Start, bold: false };

/// The columns of a timeline that are drawn, with at most a step per pixel.
struct Course {
    /// The seconds of a step.
    step: f64,
    need: Vec<f64>,
    wanted: Vec<f64>,
    ready: Vec<f64>,
    starting: Vec<f64>,
}

/// Whether there is something to draw.
pub(super) fn exists(run: &Run) -> bool {
    run.timeline.step_seconds > 0.0 && !run.timeline.ready.is_empty()
}

/// The height of so many timelines.
pub(super) fn height(timelines: usize) -> f64 {
    if timelines == 0 {
        return 0.0;
    }
    let rows = timelines.div_ceil(columns(timelines)) as f64;
    LEGEND + rows * (HEAD + PANEL) + FOOT
}

/// Draws the runs in two columns, or one alone in the whole width.
pub(super) fn draw(
    drawing: &mut Drawing,
    frame: Frame,
    runs: &[&Run],
    settings: &Settings,
    identities: &Identities<'_>,
) {
    if runs.is_empty() {
        return;
    }
    let columns = columns(runs.len());
    let width = (frame.right - frame.left - BETWEEN * (columns - 1) as f64) / columns as f64;
    let courses: Vec<Course> =
        runs.iter().map(|run| Course::of(&run.timeline, width - SIDE)).collect();
    let most = courses.iter().map(Course::most).fold(0.0, f64::max);
    let seconds = courses.iter().map(Course::seconds).fold(0.0, f64::max);
    let counts = ticks(0.0, most.max(1.0), 4);
    let times = time_ticks(seconds, if columns == 1 { 13 } else { 7 });
    draw_legend(drawing, frame);

    for (at, (run, course)) in runs.iter().zip(&courses).enumerate() {
        let (column, row) = (at % columns, at / columns);
        let left = frame.left + column as f64 * (width + BETWEEN);
        let top = frame.top + LEGEND + row as f64 * (HEAD + PANEL) + HEAD;
        let panel = Frame { left: left + SIDE, right: left + width, top, bottom: top + PANEL };
        let time = Scale { from: 0.0, to: seconds, start: panel.left, end: panel.right };
        let highest = counts.last().map_or(1.0, |tick| tick.value);
        let count = Scale { from: 0.0, to: highest, start: panel.bottom, end: panel.top };
        draw_name(drawing, panel, run, settings, identities);
        draw_grid(drawing, panel, (&time, &times), (&count, &counts), at + columns >= runs.len());
        course.draw(drawing, &time, &count);
        let floor = Stroke { ink: Ink::Muted, ..GRID };
        drawing.line((panel.left, panel.bottom), (panel.right, panel.bottom), floor);
    }
}

fn columns(timelines: usize) -> usize {
    if timelines == 1 { 1 } else { 2 }
}

fn draw_legend(drawing: &mut Drawing, frame: Frame) {
    let y = frame.top + 10.0;
    let heading = Type { size: 14.0, ink: Ink::Text, bold: true, ..SMALL };
    drawing.text(frame.left, y, "Replicas over time", heading);
    let style = Type { size: 12.0, ..SMALL };
    let mut x = frame.left + text_width("Replicas over time", 14.0) + 36.0;
    drawing.rectangle(Frame { left: x, right: x + 22.0, top: y - 9.0, bottom: y + 1.0 }, Ink::Need);
    for (stroke, text) in [
        (None, "needed"),
        (Some(READY), "ready"),
        (Some(STARTING), "starting"),
        (Some(WANTED), "wanted"),
    ] {
        if let Some(stroke) = stroke {
            drawing.line((x, y - 4.0), (x + 22.0, y - 4.0), stroke);
        }
        drawing.text(x + 28.0, y, text, style);
        x += 28.0 + text_width(text, 12.0) + 20.0;
    }
}

fn draw_name(
    drawing: &mut Drawing,
    panel: Frame,
    run: &Run,
    settings: &Settings,
    identities: &Identities<'_>,
) {
    let missed = worst_miss(run, &settings.objectives).is_some();
    let y = panel.top - 8.0;
    identities.get(&run.policy).draw(drawing, (panel.left + 6.0, y - 4.0), !missed, "");
    let mut facts = format!("{} {}", amount(run.cost), settings.cost_unit);
    if let Some(objective) = settings.objectives.first() {
        let share = percent(first_share(run), objective.share);
        let word = if missed { "missed" } else { "ok" };
        facts = format!("{share} {word}, {facts}");
    }
    let left = panel.left + 18.0;
    let room = panel.right - left - text_width(&facts, 12.0) - 12.0;
    let name = shortened(&run.policy, fitting(room, 13.0));
    drawing.text(left, y, &name, Type { size: 13.0, ink: Ink::Text, bold: true, ..SMALL });
    // Bold text is a little wider.
    let used = text_width(&name, 13.0) * 1.12 + 8.0;
    let rest = fitting(room - used, SMALL.size);
    if rest >= SHORTEST_TUNING && !run.tuning.is_empty() {
        drawing.text(left + used, y, &shortened(&tuning(run), rest), SMALL);
    }
    drawing.text(panel.right, y, &facts, Type { size: 12.0, anchor: Anchor::End, ..SMALL });
}

/// How many characters fit.
fn fitting(width: f64, size: f64) -> usize {
    (width / text_width("n", size)) as usize
}

fn draw_grid(
    drawing: &mut Drawing,
    panel: Frame,
    (time, times): (&Scale, &[Tick]),
    (count, counts): (&Scale, &[Tick]),
    lowest: bool,
) {
    for tick in counts {
        let y = count.at(tick.value);
        drawing.line((panel.left, y), (panel.right, y), GRID);
        drawing.text(panel.left - 6.0, y + 4.0, &tick.label, Type { anchor: Anchor::End, ..SMALL });
    }
    for tick in times {
        let x = time.at(tick.value);
        drawing.line((x, panel.top), (x, panel.bottom), GRID);
        if lowest {
            let at_end = x > panel.right - 12.0;
            let anchor = if at_end { Anchor::End } else { Anchor::Middle };
            drawing.text(x, panel.bottom + 16.0, &tick.label, Type { anchor, ..SMALL });
        }
    }
}

impl Course {
    /// Means over as many steps as keep the picture at a step per pixel.
    fn of(timeline: &Timeline, pixels: f64) -> Self {
        let steps = timeline.ready.len().max(timeline.need.len()).max(timeline.wanted.len());
        let merged = libm::ceil(steps as f64 / pixels.max(1.0)).max(1.0);
        let means = |column: &[f64]| -> Vec<f64> {
            let chunks = column.chunks(merged as usize);
            chunks.map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
        };
        Self {
            step: timeline.step_seconds * merged,
            need: means(&timeline.need),
            wanted: means(&timeline.wanted),
            ready: means(&timeline.ready),
            starting: means(&timeline.starting),
        }
    }

    fn columns(&self) -> [&Vec<f64>; 4] {
        [&self.need, &self.wanted, &self.ready, &self.starting]
    }

    fn most(&self) -> f64 {
        self.columns().into_iter().flatten().copied().fold(0.0, f64::max)
    }

    fn seconds(&self) -> f64 {
        let steps = self.columns().into_iter().map(Vec::len).max().unwrap_or(0);
        self.step * steps as f64
    }

    fn draw(&self, drawing: &mut Drawing, time: &Scale, count: &Scale) {
        if let Some(line) = self.stairs(&self.need, time, count) {
            let floor = pixel(count.at(0.0));
            drawing.area(&format!("{line}V{floor}H{}Z", pixel(time.at(0.0))), Ink::Need);
        }
        for (column, stroke) in
            [(&self.starting, STARTING), (&self.wanted, WANTED), (&self.ready, READY)]
        {
            if let Some(line) = self.stairs(column, time, count) {
                drawing.path(&line, stroke);
            }
        }
    }

    /// A line that is level through each step; `None` without a value.
    fn stairs(&self, column: &[f64], time: &Scale, count: &Scale) -> Option<String> {
        let mut level = pixel(count.at(*column.first()?));
        let mut path = format!("M{} {level}", pixel(time.at(0.0)));
        for (at, value) in column.iter().enumerate().skip(1) {
            let next = pixel(count.at(*value));
            if next != level {
                path.push_str(&format!("H{}V{next}", pixel(time.at(self.step * at as f64))));
                level = next;
            }
        }
        path.push_str(&format!("H{}", pixel(time.at(self.step * column.len() as f64))));
        Some(path)
    }
}
