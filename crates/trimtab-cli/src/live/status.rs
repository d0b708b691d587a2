//! Workloads as text.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use trimtab_engine::ConditionStatus;
use trimtab_runtime::{Mode, WorkloadStatus};

const WARN: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();

/// A line per workload.
pub(super) fn write_table(workloads: &[WorkloadStatus], out: &mut dyn Write) -> io::Result<()> {
    if workloads.is_empty() {
        return writeln!(out, "no workload has had a tick yet");
    }
    let rows: Vec<[String; 7]> = workloads.iter().map(row).collect();
    let head = ["WORKLOAD", "STRATEGY", "NOW", "WANTED", "READY", "STARTING", "CONDITIONS"];
    let head = head.map(String::from);
    let mut widths = head.clone().map(|cell| cell.len());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    write_row(&head, &widths, HEAD, out)?;
    for (workload, row) in workloads.iter().zip(&rows) {
        let style = if workload.problems.is_empty() { Style::new() } else { WARN };
        write_row(row, &widths, style, out)?;
    }
    Ok(())
}

fn write_row(
    row: &[String; 7],
    widths: &[usize; 7],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        let is_number = (2..6).contains(&index);
        let padded = if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
        line.push_str(&padded);
        line.push_str("  ");
    }
    writeln!(out, "{style}{}{style:#}", line.trim_end())
}

/// The cells of a workload: name, strategy, now, wanted, ready, starting, conditions.
pub(super) fn row(workload: &WorkloadStatus) -> [String; 7] {
    let count = |of: fn(trimtab_runtime::ReplicaCounts) -> u32| {
        workload.replicas.map_or_else(|| String::from("-"), |counts| of(counts).to_string())
    };
    let mode = if workload.mode == Mode::Shadow { " (shadow)" } else { "" };
    [
        workload.workload.to_string(),
        format!("{}{mode}", workload.strategy.as_str()),
        workload.current_replicas.to_string(),
        workload.desired_replicas.to_string(),
        count(|counts| counts.ready),
        count(|counts| counts.starting),
        conditions(workload).join(", "),
    ]
}

/// The conditions that say something is the matter, and how many problems there are.
fn conditions(workload: &WorkloadStatus) -> Vec<String> {
    let is_fine = |name: &str| matches!(name, "AbleToScale" | "ScalingActive");
    let mut told: Vec<String> = workload
        .conditions
        .iter()
        .filter_map(|condition| {
            let name = format!("{:?}", condition.type_);
            match (is_fine(&name), condition.status) {
                (true, ConditionStatus::False) => Some(format!("not {name}")),
                (false, ConditionStatus::True) => Some(name),
                _ => None,
            }
        })
        .collect();
    match workload.problems.len() {
        0 => {}
        1 => told.push(String::from("1 problem")),
        count => told.push(format!("{count} problems")),
    }
    told
}

/// Everything of one workload.
pub(super) fn write_whole(workload: &WorkloadStatus, out: &mut dyn Write) -> io::Result<()> {
    let mode = match workload.mode {
        Mode::Active => "",
        Mode::Shadow => ", in shadow: nothing is carried out",
    };
    writeln!(
        out,
        "{HEAD}{}{HEAD:#} by {} {}{mode}",
        workload.workload,
        workload.strategy.as_str(),
        workload.policy
    )?;
    writeln!(out, "{}", workload.explanation.trim_end())?;
    for problem in &workload.problems {
        writeln!(out, "{WARN}{problem}{WARN:#}")?;
    }
    Ok(())
}
