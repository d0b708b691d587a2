//! How a policy looks: a colour and a shape of its own, so that neither alone must tell.

use std::collections::BTreeMap;

use super::drawing::{Drawing, pixel};
use super::paint::{Ink, POLICIES};
use crate::Run;

/// Which policy has which look, by the order of their first runs.
pub(super) struct Identities<'a> {
    order: BTreeMap<&'a str, usize>,
}

/// A colour and a shape.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) ink: Ink,
    shape: Shape,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Hourglass,
    Cross,
}

/// Their number has no divisor in common with that of the colours, so thirty policies differ.
const SHAPES: [Shape; 6] =
    [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::Hourglass, Shape::Cross];

impl<'a> Identities<'a> {
    pub(super) fn of(runs: &'a [Run]) -> Self {
        let mut order = BTreeMap::new();
        for run in runs {
            let next = order.len();
            order.entry(run.policy.as_str()).or_insert(next);
        }
        Self { order }
    }

    pub(super) fn get(&self, policy: &str) -> Identity {
        let at = self.order.get(policy).copied().unwrap_or(0);
        let ink = POLICIES.iter().cycle().nth(at % POLICIES.len());
        let shape = SHAPES.iter().cycle().nth(at % SHAPES.len());
        Identity { ink: *ink.unwrap_or(&Ink::Blue), shape: *shape.unwrap_or(&Shape::Circle) }
    }
}

impl Identity {
    /// Draws the shape around a point, filled if the run meets its objectives and hollow if not.
    pub(super) fn draw(self, drawing: &mut Drawing, (x, y): (f64, f64), met: bool, says: &str) {
        let filling = if met { self.ink } else { Ink::Paper };
        drawing.shape(&self.shape.path(x, y), filling, self.ink, says);
    }
}

impl Shape {
    fn path(self, x: f64, y: f64) -> String {
        match self {
            Self::Circle => format!(
                "M{} {}a5.0 5.0 0 1 0 10.0 0.0a5.0 5.0 0 1 0 -10.0 0.0Z",
                pixel(x - 5.0),
                pixel(y)
            ),
            Self::Square => polygon(x, y, &[(-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)]),
            Self::Triangle => polygon(x, y, &[(0.0, -6.0), (5.5, 4.0), (-5.5, 4.0)]),
            Self::Diamond => polygon(x, y, &[(0.0, -6.5), (6.0, 0.0), (0.0, 6.5), (-6.0, 0.0)]),
            Self::Hourglass => polygon(x, y, &[(-5.0, -5.0), (5.0, -5.0), (-5.0, 5.0), (5.0, 5.0)]),
            Self::Cross => polygon(
                x,
                y,
                &[
                    (-2.0, -6.0),
                    (2.0, -6.0),
                    (2.0, -2.0),
                    (6.0, -2.0),
                    (6.0, 2.0),
                    (2.0, 2.0),
                    (2.0, 6.0),
                    (-2.0, 6.0),
                    (-2.0, 2.0),
                    (-6.0, 2.0),
                    (-6.0, -2.0),
                    (-2.0, -2.0),
                ],
            ),
        }
    }
}

fn polygon(x: f64, y: f64, corners: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (at, (right, down)) in corners.iter().enumerate() {
        path.push(if at == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", pixel(x + right), pixel(y + down)));
    }
    path.push('Z');
    path
}
