//! Text in lines of a width: a table that continues below when it is too wide, and wrapped words.

use crate::report::phrase::shortened;

/// Names are not shortened below this to save the table from being continued.
const SHORTEST_NAME: usize = 16;
const GAP: &str = "  ";

/// Rows with a name each, and right-aligned columns.
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) columns: Vec<Column>,
}

/// What a row begins with.
pub(super) struct Row {
    /// At most one character.
    pub(super) mark: &'static str,
    pub(super) name: String,
    /// Shown below the row.
    pub(super) note: String,
}

/// A heading of two lines, and a cell for every row.
pub(super) struct Column {
    pub(super) head: [String; 2],
    pub(super) cells: Vec<String>,
}

impl Table {
    pub(super) fn render(&self, width: usize) -> String {
        let name = self.name_width(width);
        let mut text = String::new();
        let mut rest = self.columns.as_slice();
        while !rest.is_empty() {
            let (block, later) = rest.split_at(fitting(rest, width.saturating_sub(2 + name)));
            let continued = !text.is_empty();
            if continued {
                text.push('\n');
            }
            self.render_block(block, name, width, continued, &mut text);
            rest = later;
        }
        text
    }

    /// As long as the longest name if the table fits with it, shorter if it fits then.
    fn name_width(&self, width: usize) -> usize {
        let longest = self.rows.iter().map(|row| length(&row.name)).max().unwrap_or(0).max(6);
        let columns: usize = self.columns.iter().map(|column| GAP.len() + column.width()).sum();
        let left = width.saturating_sub(2 + columns);
        if left >= SHORTEST_NAME.min(longest) {
            longest.min(left)
        } else {
            longest.min(SHORTEST_NAME.max(width / 4))
        }
    }

    fn render_block(
        &self,
        block: &[Column],
        name: usize,
        width: usize,
        continued: bool,
        text: &mut String,
    ) {
        for (line, label) in ["", "policy"].into_iter().enumerate() {
            let cells = block.iter().map(|column| (column, column.head.get(line)));
            push_line(text, "", label, name, cells);
        }
        for (at, row) in self.rows.iter().enumerate() {
            let cells = block.iter().map(|column| (column, column.cells.get(at)));
            push_line(text, row.mark, &shortened(&row.name, name), name, cells);
            if !continued && !row.note.is_empty() {
                let note = wrapped(&format!("    {}", row.note), width, "    ");
                text.push_str(&note);
            }
        }
    }
}

impl Column {
    fn width(&self) -> usize {
        self.head.iter().chain(&self.cells).map(|cell| length(cell)).max().unwrap_or(0)
    }
}

/// How many columns fit, and one at least.
fn fitting(columns: &[Column], width: usize) -> usize {
    let mut used = 0;
    let fits = columns.iter().take_while(|column| {
        used += GAP.len() + column.width();
        used <= width
    });
    fits.count().clamp(1, columns.len().max(1))
}

fn push_line<'a>(
    text: &mut String,
    mark: &str,
    label: &str,
    name: usize,
    cells: impl Iterator<Item = (&'a Column, Option<&'a String>)>,
) {
    let mut line = format!("{mark:<2}{label:<name$}");
    for (column, cell) in cells {
        let width = column.width();
        line.push_str(GAP);
        line.push_str(&format!("{:>width$}", cell.map_or("", String::as_str)));
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The words in lines of at most `width` characters, the second and later ones indented. The first
/// keeps the spaces that it begins with. A word that is too long is on a line of its own.
pub(super) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let spaces = text.len() - text.trim_start_matches(' ').len();
    let mut lines = String::new();
    let mut line = " ".repeat(spaces);
    let mut empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !empty && length(&line) + 1 + length(word) > width {
            lines.push_str(&line);
            lines.push('\n');
            line = indent.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}
