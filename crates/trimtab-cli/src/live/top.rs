//! A live view of all workloads, and of the decision of one.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table, TableState, Wrap};
use trimtab_runtime::{WorkloadId, WorkloadStatus};

use super::client::Client;
use super::status::row;
use crate::error::CommandError;

/// How many counts of a workload are kept for its curve.
const CURVE: usize = 600;

/// What is shown.
#[derive(Default)]
struct View {
    server: String,
    workloads: Vec<WorkloadStatus>,
    /// What each workload wanted, the latest last.
    curves: BTreeMap<WorkloadId, VecDeque<u64>>,
    chosen: TableState,
    /// Why nothing new is known.
    trouble: Option<String>,
}

impl View {
    fn new(server: &str) -> Self {
        Self { server: server.to_owned(), ..Self::default() }
    }

    /// Takes what was answered.
    fn take(&mut self, answer: Result<Vec<WorkloadStatus>, CommandError>) {
        match answer {
            Err(error) => self.trouble = Some(error.to_string()),
            Ok(workloads) => {
                self.trouble = None;
                for workload in &workloads {
                    let curve = self.curves.entry(workload.workload.clone()).or_default();
                    if curve.len() == CURVE {
                        curve.pop_front();
                    }
                    curve.push_back(u64::try_from(workload.desired_replicas).unwrap_or(0));
                }
                self.curves.retain(|id, _| workloads.iter().any(|known| known.workload == *id));
                self.workloads = workloads;
                let last = self.workloads.len().checked_sub(1);
                let chosen = self.chosen.selected().unwrap_or(0);
                self.chosen.select(last.map(|last| chosen.min(last)));
            }
        }
    }

    fn chosen(&self) -> Option<&WorkloadStatus> {
        self.workloads.get(self.chosen.selected()?)
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let rows = u16::try_from(self.workloads.len()).unwrap_or(u16::MAX);
        let [head, table, curve, decision, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Max(rows.saturating_add(3).max(6)),
            Constraint::Length(6),
            Constraint::Min(4),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let (workloads, wanted) = (self.workloads.len(), self.wanted());
        let title =
            format!("trimtab  {workloads} workloads, {wanted} replicas wanted  {}", self.server);
        frame.render_widget(Line::from(title).style(Modifier::BOLD), head);
        frame.render_stateful_widget(table_of(&self.workloads), table, &mut self.chosen.clone());
        if let Some(workload) = self.chosen() {
            let counts: Vec<u64> = self
                .curves
                .get(&workload.workload)
                .map(|curve| {
                    let width = usize::from(curve_width(frame)).min(curve.len());
                    curve.iter().skip(curve.len() - width).copied().collect()
                })
                .unwrap_or_default();
            let title = format!("{}: wanted", workload.workload);
            let curve_widget = Sparkline::default()
                .block(Block::bordered().title(title))
                .data(counts)
                .style(Style::new().fg(Color::Cyan));
            frame.render_widget(curve_widget, curve);
            let mut text = workload.explanation.clone();
            for problem in &workload.problems {
                text.push_str("\n! ");
                text.push_str(problem);
            }
            let words = Paragraph::new(text)
                .wrap(Wrap { trim: false })
                .block(Block::bordered().title("last decision"));
            frame.render_widget(words, decision);
        }
        let foot_line = match &self.trouble {
            Some(trouble) => Line::from(trouble.as_str()).style(Color::Red),
            None => Line::from("up and down choose, q ends").style(Modifier::DIM),
        };
        frame.render_widget(foot_line, foot);
    }

    fn wanted(&self) -> i64 {
        self.workloads.iter().map(|workload| i64::from(workload.desired_replicas)).sum()
    }
}

fn curve_width(frame: &Frame<'_>) -> u16 {
    frame.area().width.saturating_sub(2)
}

fn table_of(workloads: &[WorkloadStatus]) -> Table<'_> {
    let head = ["workload", "strategy", "now", "wanted", "ready", "starting", "conditions"];
    let rows = workloads.iter().map(|workload| {
        let style = match (workload.problems.is_empty(), workload.scale_to) {
            (false, _) => Style::new().fg(Color::Yellow),
            (true, Some(_)) => Style::new().fg(Color::Green),
            (true, None) => Style::new(),
        };
        Row::new(row(workload).map(Cell::from)).style(style)
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(18),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Fill(3),
    ];
    Table::new(rows, widths)
        .header(Row::new(head).style(Modifier::BOLD))
        .row_highlight_style(Modifier::REVERSED)
        .block(Block::bordered())
}

/// Shows it until `q`.
pub(super) fn show(client: &Client, every: u64) -> Result<(), CommandError> {
    let mut view = View::new(client.server());
    // The first answer decides whether there is anything to show.
    view.take(Ok(client.workloads()?));
    let mut terminal = ratatui::try_init()?;
    let shown = watch(&mut terminal, &mut view, client, Duration::from_secs(every));
    ratatui::restore();
    Ok(shown?)
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    view: &mut View,
    client: &Client,
    every: Duration,
) -> io::Result<()> {
    let mut asked = Instant::now();
    loop {
        terminal.draw(|frame| view.draw(frame))?;
        let wait = every.saturating_sub(asked.elapsed());
        if event::poll(wait)? {
            let Event::Key(key) = event::read()? else { continue };
            let ends = key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL;
            match key.code {
                _ if key.kind != KeyEventKind::Press => {}
                _ if ends => return Ok(()),
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Up | KeyCode::Char('k') => view.chosen.select_previous(),
                KeyCode::Down | KeyCode::Char('j') => {
                    let last = view.workloads.len().saturating_sub(1);
                    view.chosen.select_next();
                    let chosen = view.chosen.selected().unwrap_or(0).min(last);
                    view.chosen.select(Some(chosen));
                }
                _ => {}
            }
        }
        if asked.elapsed() >= every {
            asked = Instant::now();
            view.take(client.workloads());
        }
    }
}

/// Writes one picture as plain text.
pub(super) fn draw_once(client: &Client, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut view = View::new(client.server());
    view.take(Ok(client.workloads()?));
    let width = terminal_size::terminal_size().map_or(100, |(width, _)| width.0);
    write!(out, "{}", picture(&mut view, width, 30)?)?;
    Ok(())
}

fn picture(view: &mut View, width: u16, height: u16) -> io::Result<String> {
    let Ok(mut terminal) = ratatui::Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| view.draw(frame));
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for line in buffer.content().chunks(usize::from(width).max(1)) {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}
