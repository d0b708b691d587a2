//! The course of the replicas in a line of blocks for each run, for a terminal.

use crate::report::phrase::{duration, shortened};
use crate::{Comparison, Run, Timeline};

/// Eighths of a character's height.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// No more runs than this get a line.
const MOST_RUNS: usize = 6;
const MOST_COLUMNS: usize = 96;
const FEWEST_COLUMNS: usize = 16;
const LONGEST_NAME: usize = 24;
const NEEDED: &str = "needed";

/// What the arriving work needs and what each run had ready, on one scale; nothing where no course was
/// recorded.
pub(super) fn course(comparison: &Comparison, shown: &[&Run], width: usize) -> Option<String> {
    let recorded = |run: &&&Run| !run.timeline.ready.is_empty() && run.tuning.is_empty();
    let runs: Vec<&Run> = shown.iter().filter(recorded).take(MOST_RUNS).copied().collect();
    let first = runs.first()?;
    let names: Vec<String> = runs.iter().map(|run| shortened(&run.policy, LONGEST_NAME)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max()?.max(NEEDED.len());
    let columns = width.checked_sub(longest + 4).filter(|columns| *columns >= FEWEST_COLUMNS)?;
    let columns = columns.min(MOST_COLUMNS).min(first.timeline.ready.len());
    let lines = |values: fn(&Timeline) -> &[f64]| {
        runs.iter().map(|run| merged(values(&run.timeline), columns)).collect::<Vec<_>>()
    };
    let (need, ready) = (merged(&first.timeline.need, columns), lines(|course| &course.ready));
    let highest = ready.iter().flatten().chain(&need).fold(0.0_f64, |high, value| high.max(*value));
    let mut text = format!(
        "replicas over {}, where a full block is {}:\n",
        duration(comparison.workload.seconds),
        libm::ceil(highest)
    );
    let all = std::iter::once((NEEDED, &need));
    for (name, values) in all.chain(names.iter().map(String::as_str).zip(&ready)) {
        let blocks: String =
            values.iter().map(|value| block(*value, libm::ceil(highest))).collect();
        text.push_str(format!("  {name:<longest$}  {blocks}").trim_end());
        text.push('\n');
    }
    Some(text)
}

/// Means over as many equal parts.
fn merged(values: &[f64], parts: usize) -> Vec<f64> {
    let parts = parts.clamp(1, values.len().max(1));
    let bound = |part: usize| part * values.len() / parts;
    let part = |part: usize| values.get(bound(part)..bound(part + 1)).unwrap_or_default();
    (0..parts).map(part).map(|part| part.iter().sum::<f64>() / part.len().max(1) as f64).collect()
}

/// Nothing for nothing, and at least an eighth for something.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "eighths of what is at most the highest"
)]
fn block(value: f64, highest: f64) -> char {
    if value <= 0.0 || highest <= 0.0 {
        return ' ';
    }
    let eighths = libm::ceil(value / highest * BLOCKS.len() as f64) as usize;
    BLOCKS.get(eighths.clamp(1, BLOCKS.len()) - 1).copied().unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_eighths_of_the_highest() {
        let blocks: String = [0.0, 0.1, 1.0, 4.0, 7.9, 8.0].map(|v| block(v, 8.0)).iter().collect();
        assert_eq!(blocks, " ▁▁▄██");
        assert_eq!(block(1.0, 0.0), ' ');
    }

    #[test]
    fn parts_are_means_and_lose_nothing() {
        assert_eq!(merged(&[1.0, 3.0, 5.0, 7.0], 2), [2.0, 6.0]);
        assert_eq!(merged(&[1.0, 2.0], 9), [1.0, 2.0]);
        assert_eq!(merged(&[], 4), [0.0]);
    }
}
