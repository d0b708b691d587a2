//! Where the labels of points go, so that they cover neither each other nor the points.

use super::drawing::{Anchor, Frame};

/// Labels are set in this size.
pub(super) const SIZE: f64 = 12.0;
/// The mean width of a character in the common system fonts, as a part of the size.
const CHARACTER: f64 = 0.57;
/// From the middle of a point to its label.
const DISTANCE: f64 = 10.0;

/// A text that has found its place.
#[derive(Copy, Clone, Debug)]
pub(super) struct Place {
    pub(super) x: f64,
    /// The baseline.
    pub(super) y: f64,
    pub(super) anchor: Anchor,
    /// Where a line to the point begins, if the label is too far off to be seen as the point's.
    pub(super) leader: Option<(f64, f64)>,
}

/// What is taken, and where labels may be.
pub(super) struct Places {
    frame: Frame,
    taken: Vec<Frame>,
}

/// A place before it is known to be free.
struct Candidate {
    place: Place,
    covers: Frame,
}

impl Places {
    pub(super) fn new(frame: Frame) -> Self {
        Self { frame, taken: Vec::new() }
    }

    pub(super) fn take(&mut self, frame: Frame) {
        self.taken.push(frame);
    }

    /// Keeps labels off a point.
    pub(super) fn take_point(&mut self, (x, y): (f64, f64)) {
        self.take(Frame { left: x - 7.0, right: x + 7.0, top: y - 7.0, bottom: y + 7.0 });
    }

    /// The nearest place that is free for a text about a point, or that covers the least.
    pub(super) fn find(&mut self, point: (f64, f64), text: &str) -> Place {
        let width = text_width(text, SIZE);
        let mut best: Option<(f64, Candidate)> = None;
        for candidate in candidates(point, width) {
            let cost = self.cost(&candidate.covers);
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, candidate));
            }
            if cost <= 0.0 {
                break;
            }
        }
        let fallback = Candidate {
            place: Place {
                x: point.0 + DISTANCE,
                y: point.1 + 4.0,
                anchor: Anchor::Start,
                leader: None,
            },
            covers: Frame { left: point.0, right: point.0, top: point.1, bottom: point.1 },
        };
        let chosen = best.map_or(fallback, |(_, candidate)| candidate);
        self.take(chosen.covers);
        chosen.place
    }

    /// The area that is covered already, and much more for what is outside.
    fn cost(&self, frame: &Frame) -> f64 {
        let covered: f64 = self.taken.iter().map(|taken| overlap(taken, frame)).sum();
        let inside = overlap(&self.frame, frame);
        let outside = (frame.right - frame.left) * (frame.bottom - frame.top) - inside;
        covered + 100.0 * outside.max(0.0)
    }
}

/// The width that a text has in the common system fonts, roughly.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER
}

/// Right, left, above and below, and then the same further off.
fn candidates((x, y): (f64, f64), width: f64) -> Vec<Candidate> {
    let mut all = Vec::new();
    for ring in 0..6_u8 {
        let off = 16.0 * f64::from(ring);
        let rise = DISTANCE + off;
        let leads = ring > 0;
        for (right, down) in [
            (1.0, 0.0),
            (-1.0, 0.0),
            (0.0, -1.0),
            (0.0, 1.0),
            (1.0, -1.0),
            (1.0, 1.0),
            (-1.0, -1.0),
            (-1.0, 1.0),
        ] {
            let (anchor, left) = match right {
                side if side > 0.0 => (Anchor::Start, x + DISTANCE + off / 2.0),
                side if side < 0.0 => (Anchor::End, x - DISTANCE - off / 2.0 - width),
                _ => (Anchor::Middle, x - width / 2.0),
            };
            let middle = y + down * (rise + 3.0);
            let covers =
                Frame { left, right: left + width, top: middle - 7.0, bottom: middle + 7.0 };
            let (at, end) = match anchor {
                Anchor::Start => (left, (left - 2.0, middle)),
                Anchor::Middle => (x, (x, middle - down * 7.0)),
                Anchor::End => (left + width, (left + width + 2.0, middle)),
            };
            let leader = leads.then_some(end);
            all.push(Candidate { place: Place { x: at, y: middle + 4.0, anchor, leader }, covers });
        }
    }
    all
}

fn overlap(a: &Frame, b: &Frame) -> f64 {
    let width = a.right.min(b.right) - a.left.max(b.left);
    let height = a.bottom.min(b.bottom) - a.top.max(b.top);
    if width > 0.0 && height > 0.0 { width * height } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { left: 0.0, right: 600.0, top: 0.0, bottom: 400.0 };

    #[test]
    fn a_lonely_label_is_right_of_its_point() {
        let place = Places::new(FRAME).find((100.0, 100.0), "slo");
        assert_eq!((place.x, place.anchor, place.leader), (110.0, Anchor::Start, None));
    }

    #[test]
    fn a_label_at_the_right_edge_is_left_of_its_point() {
        let place = Places::new(FRAME).find((595.0, 100.0), "slo");
        assert_eq!(place.anchor, Anchor::End);
    }

    #[test]
    fn labels_of_close_points_do_not_overlap() {
        let mut places = Places::new(FRAME);
        let points: Vec<(f64, f64)> =
            (0..8_u8).map(|at| (300.0 + f64::from(at), 200.0 + f64::from(at))).collect();
        for &point in &points {
            places.take_point(point);
        }
        for &point in &points {
            places.find(point, "a-policy");
        }
        let labels = &places.taken[points.len()..];
        for (at, a) in labels.iter().enumerate() {
            assert!(labels[at + 1..].iter().all(|b| overlap(a, b) <= 0.0), "{labels:?}");
        }
    }
}
