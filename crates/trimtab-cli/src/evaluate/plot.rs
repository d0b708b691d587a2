//! A panel of bars made of block characters.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

/// Eighths of a character's height.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const AXIS: Style = Style::new().dimmed();

/// Columns of the scale at the left, its line included.
pub(super) const SCALE: usize = 9;

/// Bars with a title, and a scale from 0 at the left.
pub(super) struct Panel<'a> {
    pub(super) title: &'a str,
    pub(super) values: &'a [Option<f64>],
    pub(super) rows: usize,
    pub(super) colour: AnsiColor,
}

impl Panel<'_> {
    pub(super) fn draw(&self, out: &mut dyn Write) -> io::Result<()> {
        let bold = Style::new().bold();
        let bars = self.colour.on_default();
        let highest = self.values.iter().flatten().fold(0.0_f64, |high, value| high.max(*value));
        writeln!(out, "{bold}{}{bold:#}", self.title)?;
        for row in (0..self.rows).rev() {
            let label = match row {
                _ if row + 1 == self.rows => short(highest),
                0 => String::from("0"),
                _ => String::new(),
            };
            let line: String = self
                .values
                .iter()
                .map(|value| value.map_or(' ', |value| self.block(value, highest, row)))
                .collect();
            let (label, line) = (format!("{label:>7} │"), line.trim_end());
            writeln!(out, "{AXIS}{label}{AXIS:#}{bars}{line}{bars:#}")?;
        }
        Ok(())
    }

    /// The character of a bar in a row, counted from below. What is not nothing can be seen.
    fn block(&self, value: f64, highest: f64, row: usize) -> char {
        if highest <= 0.0 || value <= 0.0 {
            return ' ';
        }
        let eighths = (value / highest * (self.rows * 8) as f64).round().max(1.0) as usize;
        let filled = eighths.saturating_sub(row * 8).min(8);
        BLOCKS.get(filled).copied().unwrap_or('█')
    }
}

/// The line below the panels: when they begin and end.
pub(super) fn times(out: &mut dyn Write, width: usize, first: &str, last: &str) -> io::Result<()> {
    let line = "─".repeat(width);
    writeln!(out, "{AXIS}        └{line}{AXIS:#}")?;
    let gap = width.saturating_sub(first.chars().count());
    writeln!(out, "{:SCALE$}{first}{last:>gap$}", "")
}

/// A number in at most seven characters.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e15 => format!("{value:.1e}"),
        value if value >= 1e12 => format!("{:.1}T", value / 1e12),
        value if value >= 1e9 => format!("{:.1}G", value / 1e9),
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value if value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_from_below_in_eighths() {
        let panel = Panel { title: "load", values: &[], rows: 2, colour: AnsiColor::Cyan };
        let bar = |value| [panel.block(value, 16.0, 1), panel.block(value, 16.0, 0)];
        assert_eq!(bar(16.0), ['█', '█']);
        assert_eq!(bar(8.0), [' ', '█']);
        assert_eq!(bar(12.0), ['▄', '█']);
        assert_eq!(bar(0.01), [' ', '▁']);
        assert_eq!(bar(0.0), [' ', ' ']);
    }

    #[test]
    fn labels_are_short() {
        let texts = [0.5, 1.25, 20.0, 396_000.0, 2.5e9, 1e300].map(short);
        assert_eq!(texts, ["0.500", "1.2", "20", "396.0k", "2.5G", "1.0e300"]);
        assert!(texts.iter().all(|text| text.len() <= 7));
    }
}
