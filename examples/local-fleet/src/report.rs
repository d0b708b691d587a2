//! What happened.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use trimtab_engine::LogEntry;
use trimtab_metric::Timestamp;

use crate::load::{Answer, End};

/// What happened: to the requests, and to the fleet.
pub(crate) struct Report {
    requests: usize,
    cut: Vec<String>,
    never: usize,
    turned_away: u32,
    first_tokens: Vec<Duration>,
    decisions: usize,
    changes: Vec<(Timestamp, i32, i32, String)>,
}

impl Report {
    /// From the answers, and the log of decisions.
    pub(crate) fn new(answers: &[Answer], log: &Path) -> Result<Self, Box<dyn Error>> {
        let mut report = Self {
            requests: answers.len(),
            cut: Vec::new(),
            never: answers.iter().filter(|answer| answer.end == End::Never).count(),
            turned_away: answers.iter().map(|answer| answer.turned_away).sum(),
            first_tokens: answers.iter().filter_map(|answer| answer.first_token).collect(),
            decisions: 0,
            changes: Vec::new(),
        };
        report.first_tokens.sort_unstable();
        for answer in answers {
            if let End::Cut(why) = &answer.end {
                report.cut.push(why.clone());
            }
        }
        for line in fs::read_to_string(log)?.lines() {
            let LogEntry::Decision(record) = serde_json::from_str(line)? else { continue };
            report.decisions += 1;
            let decision = record.decision;
            if let Some(wanted) = decision.scale_to {
                let words = decision.explain().to_string();
                let headline = words.lines().next().unwrap_or_default();
                let headline = headline.split_once("  ").map_or(headline, |(_, words)| words);
                let change = (decision.at, decision.current_replicas, wanted, headline.to_owned());
                report.changes.push(change);
            }
        }
        Ok(report)
    }

    /// No stream was cut, nobody was forgotten, and the fleet grew and shrank.
    pub(crate) fn is_good(&self) -> bool {
        let grew = self.changes.iter().any(|(_, from, to, _)| to > from);
        let shrank = self.changes.iter().any(|(_, from, to, _)| to < from);
        self.cut.is_empty() && self.never == 0 && grew && shrank
    }

    fn first_token(&self, share: f64) -> Duration {
        let rank = (self.first_tokens.len() as f64 * share).ceil() as usize;
        self.first_tokens.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.changes.first().map(|(at, ..)| *at);
        for (at, _, _, headline) in &self.changes {
            let seconds = start.map_or(0.0, |start| at.since(start).as_secs_f64());
            writeln!(f, "{seconds:7.1} s  {headline}")?;
        }
        writeln!(f)?;
        writeln!(f, "{} decisions, {} changes", self.decisions, self.changes.len())?;
        writeln!(
            f,
            "{} requests: {} answered, {} never, {} turned away and sent again",
            self.requests,
            self.first_tokens.len(),
            self.never,
            self.turned_away
        )?;
        writeln!(
            f,
            "first token: half within {:.2?}, 95 % within {:.2?}, 99 % within {:.2?}",
            self.first_token(0.5),
            self.first_token(0.95),
            self.first_token(0.99)
        )?;
        match self.cut.first() {
            None => write!(f, "no stream was cut"),
            Some(why) => write!(f, "{} STREAMS WERE CUT, the first because {why}", self.cut.len()),
        }
    }
}
