//! What came of a policy, for people and for machines.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use trimtab_engine::{Bounds, Digest};
use trimtab_metric::{Span, Timestamp};

use super::feed::Clock;
use super::history::History;
use super::plot::{Panel, SCALE, times};
use super::requests::Server;
use super::tally::{Change, Recorded, Totals, span};

const BOLD: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const UP: Style = AnsiColor::Green.on_default();
const DOWN: Style = AnsiColor::Yellow.on_default();

/// All that is known at the end.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) policy: PolicyLine,
    pub(super) load: LoadLine,
    pub(super) mapping: Vec<MappingLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Server>,
    pub(super) assumptions: Vec<String>,
    pub(super) changes: Vec<Change>,
    pub(super) totals: Totals,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyLine {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) digest: Digest,
    #[serde(flatten)]
    pub(super) bounds: Bounds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoadLine {
    pub(super) file: String,
    pub(super) extent: String,
    pub(super) rate_scale: f64,
    pub(super) first_decision: Timestamp,
    pub(super) last_decision: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync_seconds: Option<Span>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MappingLine {
    pub(super) metric: String,
    pub(super) series: String,
}

/// What to plot.
pub(super) struct Picture<'a> {
    pub(super) history: &'a History,
    /// The metric whose load is shown, by its place.
    pub(super) metric: usize,
    pub(super) title: String,
    pub(super) width: usize,
}

impl Report {
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    pub(super) fn write_text(
        &self,
        shown: usize,
        picture: Option<&Picture<'_>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let clock = Clock::of(self.load.first_decision);
        self.write_header(clock, out)?;
        self.write_changes(shown, clock, out)?;
        if let Some(picture) = picture {
            self.write_picture(picture, clock, out)?;
        }
        self.write_totals(out)
    }

    fn write_header(&self, clock: Clock, out: &mut dyn Write) -> io::Result<()> {
        let PolicyLine { name, kind, digest, bounds: Bounds { min, max } } = &self.policy;
        let policy = format!("{name} ({kind}), {min} to {max} replicas, digest {digest}");
        line(out, "policy", &policy)?;
        let LoadLine { file, extent, rate_scale, first_decision, last_decision, sync_seconds } =
            &self.load;
        line(out, "load", &format!("{file}: {extent}{}", times_what(*rate_scale)))?;
        let each = sync_seconds
            .map_or_else(|| String::from("at each observation"), |sync| format!("every {sync}"));
        let (first, last) = (clock.show(*first_decision), clock.show(*last_decision));
        line(out, "decided", &format!("{each} from {first} to {last}"))?;
        let width = self.mapping.iter().map(|m| m.metric.chars().count()).max().unwrap_or(0);
        for (index, MappingLine { metric, series }) in self.mapping.iter().enumerate() {
            let title = if index == 0 { "metrics" } else { "" };
            line(out, title, &format!("{metric:<width$} takes {series}"))?;
        }
        if let Some(server) = &self.server {
            for (index, text) in server_words(server).iter().enumerate() {
                line(out, if index == 0 { "server" } else { "" }, text)?;
            }
        }
        for (index, assumption) in self.assumptions.iter().enumerate() {
            line(out, if index == 0 { "assumed" } else { "" }, assumption)?;
        }
        writeln!(out)
    }

    fn write_changes(&self, shown: usize, clock: Clock, out: &mut dyn Write) -> io::Result<()> {
        if self.changes.is_empty() {
            return writeln!(out, "The count never changes.\n");
        }
        let shown_changes = || self.changes.iter().take(shown);
        let times = shown_changes().map(|change| clock.show(change.time).chars().count());
        let width = times.max().unwrap_or(0).max(4);
        if shown > 0 {
            writeln!(out, "{BOLD}{:<width$}  replicas  why{BOLD:#}", "time")?;
        }
        for Change { time, from, to, why } in shown_changes() {
            let style = if to > from { UP } else { DOWN };
            let change = format!("{from:>2} -> {to}");
            let time = clock.show(*time);
            writeln!(out, "{time:<width$}  {style}{change:<8}{style:#}  {why}")?;
        }
        let more = self.changes.len().saturating_sub(shown);
        if more > 0 {
            let hint = format!("… and {more} more (`--changes {}` shows them)", self.changes.len());
            writeln!(out, "{QUIET}{hint}{QUIET:#}")?;
        }
        writeln!(out)
    }

    fn write_picture(
        &self,
        picture: &Picture<'_>,
        clock: Clock,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let width = picture.width.saturating_sub(SCALE);
        let columns = picture.history.columns(width);
        let load: Vec<Option<f64>> =
            columns.iter().map(|c| c.load.get(picture.metric).copied().flatten()).collect();
        let replicas: Vec<Option<f64>> =
            columns.iter().map(|column| column.replicas.map(f64::from)).collect();
        let (title, values) = (picture.title.as_str(), load.as_slice());
        Panel { title, values, rows: 6, colour: AnsiColor::Cyan }.draw(out)?;
        let (title, values) = ("replicas", replicas.as_slice());
        Panel { title, values, rows: 6, colour: AnsiColor::Green }.draw(out)?;
        let LoadLine { first_decision, last_decision, .. } = &self.load;
        times(out, width, &clock.show(*first_decision), &clock.show(*last_decision))?;
        writeln!(out)
    }

    fn write_totals(&self, out: &mut dyn Write) -> io::Result<()> {
        let totals = &self.totals;
        let part = |seconds: f64| {
            let whole = totals.seconds;
            let percent = if whole > 0.0 { seconds / whole * 100.0 } else { 0.0 };
            format!("{} ({percent:.1}%)", span(seconds))
        };
        let Totals { decisions, scale_ups, scale_downs, .. } = totals;
        let changes = match scale_ups + scale_downs {
            1 => String::from("1 change"),
            count => format!("{count} changes"),
        };
        let over = span(totals.seconds);
        let (hours, mean, peak) =
            (totals.replica_hours, totals.mean_replicas, totals.peak_replicas);
        let undecided = match totals.undecided {
            0 => String::new(),
            1 => String::from("; 1 decision changed nothing for it"),
            count => format!("; {count} decisions changed nothing for it"),
        };
        let (windows, limits, bounds) = (
            part(totals.seconds_held_by_stabilization),
            part(totals.seconds_held_by_rate_limits),
            part(totals.seconds_held_by_bounds),
        );
        let decided =
            format!("{decisions} over {over}; {changes}: {scale_ups} up, {scale_downs} down");
        let mut lines = vec![
            ("decisions", decided),
            ("replicas", format!("{hours:.2} replica-hours, mean {mean:.2}, peak {peak}")),
            ("at max", part(totals.seconds_at_max)),
            ("held by", format!("windows {windows}, rate limits {limits}, bounds {bounds}")),
            ("unknown", format!("{} readings{undecided}", totals.unknown_readings)),
        ];
        if let Some(recorded) = &totals.recorded {
            let Recorded { replica_hours, peak_replicas, seconds_equal } = recorded;
            let equal = part(*seconds_equal);
            lines.push((
                "recorded",
                format!("{replica_hours:.2} replica-hours, peak {peak_replicas}; the same count for {equal}"),
            ));
        }
        lines.iter().try_for_each(|(title, text)| line(out, title, text))
    }
}

fn line(out: &mut dyn Write, title: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{BOLD}{title:<9}{BOLD:#} {text}")
}

fn times_what(scale: f64) -> String {
    if scale.total_cmp(&1.0).is_eq() {
        String::new()
    } else {
        format!(", each counted {scale} times")
    }
}

/// To three decimals at most.
fn decimal(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn server_words(server: &Server) -> [String; 2] {
    let source = server.measured.unwrap_or("as given");
    let input = decimal(server.seconds_per_input_token * 1e6);
    let output = decimal(server.seconds_per_output_token * 1e3);
    let (concurrency, tokens) = (server.max_concurrency, server.kv_tokens);
    [
        format!("{source}: {input} ms per 1,000 input tokens, {output} ms per output token"),
        format!("{concurrency} requests at once and {tokens} tokens of KV cache per replica"),
    ]
}
