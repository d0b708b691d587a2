//! Where what came of a backtest goes: a table, and files that are all written or none.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use trimtab_sim::{Backtest, report};

use super::args::OutputArgs;
use crate::error::CommandError;
use crate::input::is_stdin;
use crate::replace_file::FileToBe;

/// Columns of a table that nobody sees on a terminal.
const USUAL_WIDTH: usize = 120;
const WIDEST: usize = 200;

/// Files to be written, none of which is there before [`Files::commit`].
pub(crate) struct Files {
    json: Option<FileToBe>,
    report: Option<FileToBe>,
    plots: Vec<FileToBe>,
    json_on_stdout: bool,
    paths: BTreeSet<PathBuf>,
}

impl Files {
    /// Prepares the files of this many comparisons, so that one that can't be written is known before
    /// anything runs.
    pub(crate) fn prepare(args: &OutputArgs, comparisons: usize) -> Result<Self, CommandError> {
        let json_on_stdout = args.json.as_deref().is_some_and(is_stdin);
        let mut files = Self {
            json: None,
            report: None,
            plots: Vec::new(),
            json_on_stdout,
            paths: BTreeSet::new(),
        };
        if let Some(path) = args.json.as_deref().filter(|path| !is_stdin(path)) {
            files.json = Some(files.create("--json", path)?);
        }
        if let Some(path) = &args.report {
            files.report = Some(files.create("--report", path)?);
        }
        if let Some(path) = &args.plot {
            files.plots = files.create_each("--plot", path, comparisons)?;
        }
        Ok(files)
    }

    /// Begins a file that no other output goes to.
    pub(crate) fn create(&mut self, option: &str, path: &Path) -> Result<FileToBe, CommandError> {
        if is_stdin(path) {
            return Err(CommandError::argument(format!("`{option}` has to name a file")));
        }
        if !self.paths.insert(path.to_owned()) {
            let message = format!("two outputs would go to `{}`", path.display());
            return Err(CommandError::argument(message).with_help("give each a file of its own"));
        }
        FileToBe::create(path)
    }

    /// Begins a file for each of several, with their numbers before the extension.
    pub(crate) fn create_each(
        &mut self,
        option: &str,
        path: &Path,
        count: usize,
    ) -> Result<Vec<FileToBe>, CommandError> {
        if count == 1 || is_stdin(path) {
            return Ok(vec![self.create(option, path)?]);
        }
        (1..=count).map(|number| self.create(option, &numbered(path, number))).collect()
    }

    /// Whether something is asked for that shows the courses of runs.
    pub(crate) fn show_courses(&self) -> bool {
        self.json_on_stdout
            || self.json.is_some()
            || self.report.is_some()
            || !self.plots.is_empty()
    }

    /// Fills the files; nothing is in its place yet.
    pub(crate) fn fill(&mut self, backtest: &Backtest) -> Result<(), CommandError> {
        if let Some(json) = &mut self.json {
            json.write_json_line(backtest)?;
        }
        if let Some(page) = &mut self.report {
            page.write(report::html(backtest)?.as_bytes())?;
        }
        for (plot, comparison) in self.plots.iter_mut().zip(&backtest.comparisons) {
            plot.write(report::svg(comparison, &backtest.settings).as_bytes())?;
        }
        Ok(())
    }

    /// Whether the JSON document is printed instead of the table.
    pub(crate) fn json_on_stdout(&self) -> bool {
        self.json_on_stdout
    }

    /// Puts these files and `others` in their places; where those are.
    pub(crate) fn commit(self, others: Vec<FileToBe>) -> Result<Vec<PathBuf>, CommandError> {
        let files = self.json.into_iter().chain(self.report).chain(self.plots).chain(others);
        let commit = |file: FileToBe| {
            let path = file.path().to_owned();
            file.commit().map(|()| path)
        };
        files.map(commit).collect()
    }
}

/// Prints the table, or the JSON document.
pub(crate) fn print(
    backtest: &Backtest,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if json {
        serde_json::to_writer(&mut *out, backtest)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report::text(backtest, width()))?;
    }
    Ok(())
}

/// `plot.svg` as `plot-1.svg`; a `.gz` behind stays behind.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (name, packed) = match name.strip_suffix(".gz") {
        Some(name) => (name, ".gz"),
        None => (&*name, ""),
    };
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    path.with_file_name(format!("{stem}-{number}{extension}{packed}"))
}

fn width() -> usize {
    terminal_size::terminal_size()
        .map_or(USUAL_WIDTH, |(terminal_size::Width(columns), _)| usize::from(columns).min(WIDEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_before_the_extension() {
        let numbered = |path: &str| numbered(Path::new(path), 2).display().to_string();
        assert_eq!(numbered("a/plot.svg"), "a/plot-2.svg");
        assert_eq!(numbered("plot.svg.gz"), "plot-2.svg.gz");
        assert_eq!(numbered("a.b/plot"), "a.b/plot-2");
        assert_eq!(numbered(".plot"), ".plot-2");
    }
}
