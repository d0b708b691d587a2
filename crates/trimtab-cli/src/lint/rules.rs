//! The rules themselves: as a list, and one in full.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use trimtab_manifest::{Rule, Severity};

use crate::error::CommandError;

const NAME: Style = Style::new().bold();

fn colour(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Error => AnsiColor::BrightRed,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::BrightGreen,
    };
    colour.on_default().bold()
}

pub(super) fn list(out: &mut dyn Write) -> io::Result<()> {
    let widest = Rule::all().map(|rule| rule.id().len()).max().unwrap_or_default();
    for rule in Rule::all() {
        let severity = rule.severity();
        let style = colour(severity);
        let (id, summary) = (rule.id(), rule.summary());
        writeln!(out, "{style}{severity:7}{style:#}  {NAME}{id:widest$}{NAME:#}  {summary}")?;
    }
    Ok(())
}

pub(super) fn explain(id: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    let Some(rule) = Rule::named(id) else {
        let near = Rule::all().find(|rule| id.len() > 3 && rule.id().contains(id));
        let help = match near {
            Some(rule) => format!("did you mean `{}`?", rule.id()),
            None => String::from("`trimtab lint --list` shows all rules"),
        };
        return Err(CommandError::argument(format!("there is no rule `{id}`")).with_help(help));
    };
    let severity = rule.severity();
    let style = colour(severity);
    writeln!(out, "{style}{severity}{style:#}: {NAME}{}{NAME:#}", rule.id())?;
    writeln!(out, "{}", rule.summary())?;
    writeln!(out, "\n{NAME}Why{NAME:#}\n{}", wrapped(rule.why()))?;
    writeln!(out, "\n{NAME}What to do{NAME:#}\n{}", wrapped(rule.fix()))?;
    writeln!(out, "\n{}", super::rule_page(rule.id()))?;
    Ok(())
}

/// In lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
