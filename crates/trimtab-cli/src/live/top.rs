//! A live view of all workloads, and of the decision of one.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ratatui::Frame;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
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

/// How far the page keys go.
const PAGE: isize = 20;

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
        let rows = table_of(&self.workloads, table.width);
        frame.render_stateful_widget(rows, table, &mut self.chosen);
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
            None => Line::from("up, down, page and home keys choose, q ends").style(Modifier::DIM),
        };
        frame.render_widget(foot_line, foot);
    }

    /// Chooses another workload, so many further down or up.
    fn choose(&mut self, by: isize) {
        let last = self.workloads.len().saturating_sub(1);
        let chosen = self.chosen.selected().unwrap_or(0);
        self.chosen.select(Some(chosen.saturating_add_signed(by).min(last)));
    }

    fn press(&mut self, key: KeyCode) {
        match key {
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::PageUp => self.choose(-PAGE),
            KeyCode::PageDown => self.choose(PAGE),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            _ => {}
        }
    }

    fn wanted(&self) -> i64 {
        self.workloads.iter().map(|workload| i64::from(workload.desired_replicas)).sum()
    }
}

fn curve_width(frame: &Frame<'_>) -> u16 {
    frame.area().width.saturating_sub(2)
}

/// What a column holds, and how wide the terminal has to be for it.
const COLUMNS: [(&str, u16); 7] = [
    ("workload", 0),
    ("strategy", 100),
    ("now", 0),
    ("wanted", 0),
    ("ready", 70),
    ("starting", 70),
    ("conditions", 50),
];

fn table_of(workloads: &[WorkloadStatus], width: u16) -> Table<'_> {
    let is_shown = |column: usize| COLUMNS.get(column).is_some_and(|(_, least)| width >= *least);
    let shown = |cells: [String; 7]| {
        let cells = cells.into_iter().enumerate().filter(|(column, _)| is_shown(*column));
        cells.map(|(_, cell)| Cell::from(cell)).collect::<Vec<_>>()
    };
    let rows = workloads.iter().map(|workload| {
        let style = match (workload.problems.is_empty(), workload.scale_to) {
            (false, _) => Style::new().fg(Color::Yellow),
            (true, Some(_)) => Style::new().fg(Color::Green),
            (true, None) => Style::new(),
        };
        Row::new(shown(row(workload))).style(style)
    });
    let longest = workloads.iter().map(|workload| workload.workload.as_str().len()).max();
    let name = u16::try_from(longest.unwrap_or(0)).unwrap_or(u16::MAX).min(width / 2).max(8);
    let widths = [
        Constraint::Length(name),
        Constraint::Length(18),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Fill(1),
    ];
    let widths = widths.into_iter().enumerate().filter(|(column, _)| is_shown(*column));
    let head = COLUMNS.map(|(name, _)| String::from(name));
    Table::new(rows, widths.map(|(_, width)| width))
        .header(Row::new(shown(head)).style(Modifier::BOLD))
        .row_highlight_style(Modifier::REVERSED)
        .block(Block::bordered())
}

/// Shows it until `q`.
pub(super) fn show(client: Client, every: u64) -> Result<(), CommandError> {
    let mut view = View::new(client.server());
    // The first answer decides whether there is anything to show.
    view.take(Ok(client.workloads()?));
    let (sender, answers) = mpsc::channel();
    // A server that does not answer must not keep anybody from leaving.
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(every));
            if sender.send(client.workloads()).is_err() {
                return;
            }
        }
    });
    let mut terminal = ratatui::try_init()?;
    let shown = watch(&mut terminal, &mut view, &answers);
    ratatui::restore();
    Ok(shown?)
}

/// How often it is looked whether there is an answer.
const LOOK: Duration = Duration::from_millis(100);

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    view: &mut View,
    answers: &mpsc::Receiver<Result<Vec<WorkloadStatus>, CommandError>>,
) -> io::Result<()> {
    loop {
        terminal.draw(|frame| view.draw(frame))?;
        // Drawn again when there is something new.
        loop {
            if event::poll(LOOK)? {
                match event::read()? {
                    Event::Key(key) if ends(key) => return Ok(()),
                    Event::Key(key) if key.kind == KeyEventKind::Press => view.press(key.code),
                    _ => {}
                }
                break;
            }
            if let Ok(answer) = answers.try_recv() {
                view.take(answer);
                break;
            }
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    let is_interrupt = key.modifiers == KeyModifiers::CONTROL && key.code == KeyCode::Char('c');
    is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn view(count: usize) -> View {
        let workload = |number: usize| {
            serde_json::json!({
                "workload": format!("inference/llama-70b-{number:04}"), "mode": "shadow",
                "strategy": "rayServe", "policy": "0123456789abcdef", "at": "2026-11-28T12:00:00Z",
                "currentReplicas": number, "desiredReplicas": 3, "outcome": "decided",
                "reason": "none", "problems": ["prometheus: no answer"], "explanation": "3 replicas stay",
            })
        };
        let all: Vec<serde_json::Value> = (0..count).map(workload).collect();
        let mut view = View::new("http://127.0.0.1:9464");
        view.take(Ok(serde_json::from_value(all.into()).unwrap()));
        view
    }

    #[test]
    fn a_narrow_terminal_has_whole_names_and_counts() {
        for width in [1, 10] {
            assert!(picture(&mut view(1), width, 24).is_ok());
        }
        for width in [40, 60, 80, 140] {
            let text = picture(&mut view(1), width, 24).unwrap();
            let name = "inference/llama-70b-0000";
            let room = usize::from(width / 2).min(name.len());
            assert!(text.contains(&name[..room]), "{text}");
            assert!(text.contains("wanted"), "{text}");
            assert_eq!(text.contains("rayServe (shadow)"), width >= 100, "{text}");
            assert_eq!(text.contains("1 problem"), width >= 50, "{text}");
        }
    }

    #[test]
    fn keys_reach_every_one_of_a_thousand_workloads() {
        let mut view = view(1000);
        for (key, chosen) in [
            (KeyCode::End, 999),
            (KeyCode::Down, 999),
            (KeyCode::PageUp, 979),
            (KeyCode::Up, 978),
            (KeyCode::Home, 0),
            (KeyCode::Up, 0),
            (KeyCode::PageDown, 20),
        ] {
            view.press(key);
            assert_eq!(view.chosen.selected(), Some(chosen), "{key:?}");
            let text = picture(&mut view, 100, 30).unwrap();
            assert!(text.contains(&format!("llama-70b-{chosen:04}: wanted")), "{text}");
            assert!(text.contains(&format!("llama-70b-{chosen:04} ")), "it is in sight: {text}");
        }
        let mut empty = View::new("http://127.0.0.1:9464");
        empty.press(KeyCode::Down);
        assert!(picture(&mut empty, 80, 24).unwrap().contains("0 workloads"));
    }
}
