//! An SVG document, element by element: numbers of one decimal, and escaped text.

use super::paint::{Ink, style_sheet};

const FONT: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";

/// A rectangle of the picture, in pixels from its top left corner.
#[derive(Copy, Clone, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// How text is set.
#[derive(Copy, Clone, Debug)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) ink: Ink,
    pub(super) anchor: Anchor,
    pub(super) bold: bool,
}

/// What of a text is at its position.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line is drawn.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stroke {
    pub(super) ink: Ink,
    pub(super) width: f64,
    /// As in `stroke-dasharray`; empty for a solid line.
    pub(super) dash: &'static str,
}

pub(super) struct Drawing {
    svg: String,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut drawing = Self {
            svg: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
                 width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" \
                 font-family=\"{FONT}\">\n<title>{}</title>\n<desc>{}</desc>\n\
                 <style>{}</style>\n",
                escaped(title),
                escaped(description),
                style_sheet(),
            ),
        };
        drawing.rectangle(Frame { left: 0.0, right: width, top: 0.0, bottom: height }, Ink::Paper);
        drawing
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, style: Type) {
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        self.svg.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{:.0}\"{anchor}{weight}{}>{}</text>\n",
            pixel(x),
            pixel(y),
            style.size,
            fill(style.ink),
            escaped(text),
        ));
    }

    /// Text from below to above, centred at a point.
    pub(super) fn upward_text(&mut self, x: f64, y: f64, text: &str, size: f64, ink: Ink) {
        let (x, y) = (pixel(x), pixel(y));
        self.svg.push_str(&format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size:.0}\" text-anchor=\"middle\" \
             transform=\"rotate(-90 {x} {y})\"{}>{}</text>\n",
            fill(ink),
            escaped(text),
        ));
    }

    pub(super) fn rectangle(&mut self, frame: Frame, ink: Ink) {
        self.svg.push_str(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>\n",
            pixel(frame.left),
            pixel(frame.top),
            pixel(frame.right - frame.left),
            pixel(frame.bottom - frame.top),
            fill(ink),
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        let path = format!("M{} {}L{} {}", pixel(from.0), pixel(from.1), pixel(to.0), pixel(to.1));
        self.path(&path, stroke);
    }

    /// A line along a path.
    pub(super) fn path(&mut self, path: &str, stroke: Stroke) {
        let dash = match stroke.dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        self.svg.push_str(&format!(
            "<path d=\"{path}\" fill=\"none\" class=\"s-{}\" stroke=\"{}\" stroke-width=\"{:.1}\"{dash} \
             stroke-linejoin=\"round\"/>\n",
            stroke.ink.name(),
            stroke.ink.light(),
            stroke.width,
        ));
    }

    pub(super) fn area(&mut self, path: &str, ink: Ink) {
        self.svg.push_str(&format!("<path d=\"{path}\"{}/>\n", fill(ink)));
    }

    /// An outline with a filling of its own, and what to say when it is pointed at.
    pub(super) fn shape(&mut self, path: &str, filling: Ink, outline: Ink, says: &str) {
        let tip = match says {
            "" => String::new(),
            says => format!("<title>{}</title>", escaped(says)),
        };
        self.svg.push_str(&format!(
            "<path d=\"{path}\" class=\"f-{} s-{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"2.0\" \
             stroke-linejoin=\"round\">{tip}</path>\n",
            filling.name(),
            outline.name(),
            filling.light(),
            outline.light(),
        ));
    }

    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

/// A coordinate with one decimal, and never `-0.0`.
pub(super) fn pixel(value: f64) -> String {
    let rounded = libm::rint(value * 10.0) / 10.0;
    format!("{:.1}", if rounded.is_finite() { rounded + 0.0 } else { 0.0 })
}

fn fill(ink: Ink) -> String {
    format!(" class=\"f-{}\" fill=\"{}\"", ink.name(), ink.light())
}

/// The text as the content of an element or of a quoted attribute. What XML cannot say is replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        assert_eq!(escaped("a<b>&\"c\u{7}\nd"), "a&lt;b&gt;&amp;&quot;c\u{fffd} d");
    }

    #[test]
    fn a_coordinate_has_one_decimal_and_no_negative_zero() {
        let texts = [-0.01, 1.25, 12.04, f64::NAN, f64::INFINITY].map(pixel);
        assert_eq!(texts, ["0.0", "1.2", "12.0", "0.0", "0.0"]);
    }
}
