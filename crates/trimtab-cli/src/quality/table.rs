//! One row for each load, size and lead time, in Markdown.

use std::io::{self, Write};

use trimtab_sim::{Objective, Run};

use super::case::Compared;
use super::search::meets;

/// Who is compared with the others.
const OWN: &str = "slo";
/// What is no difference: a hundredth of the cost, or of the requests.
const EVEN: f64 = 0.01;

/// A comparison, with what it was made on.
pub(super) struct Row {
    pub(super) compared: Compared,
    pub(super) replicas: f64,
    pub(super) rate_scale: f64,
}

/// How `slo` came out.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// It meets the objectives, and nobody does for as little; or nobody does, and it comes nearest.
    Wins,
    /// It is within a hundredth of the best, which another seed may turn round.
    Even,
    /// Somebody else does.
    Loses,
}

/// What else the best tunings of every row are run on.
#[derive(Copy, Clone, Debug)]
pub(super) enum Elsewhere {
    /// The same load as other seeds make it.
    OtherSeeds,
    /// What comes after the part that was tuned on, and there `slo` with an error budget, too.
    Later,
}

impl Elsewhere {
    pub(super) const ALL: [Self; 2] = [Self::OtherSeeds, Self::Later];

    /// Of everybody, on each seed or on what comes after.
    fn runs(self, compared: &Compared) -> &[Vec<Run>] {
        match self {
            Self::OtherSeeds => &compared.other_seeds,
            Self::Later => &compared.later,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::OtherSeeds => "The same tunings on other seeds:",
            Self::Later => "The same tunings, with `maxReplicas` lifted, on what comes after:",
        }
    }
}

/// A row for each that was run elsewhere, and how often everybody meets the objectives there; nothing where
/// none was.
pub(super) fn write_elsewhere(
    elsewhere: Elsewhere,
    rows: &[Row],
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = rows.iter().map(|row| (row, elsewhere.runs(&row.compared)));
    let rows: Vec<(&Row, &[Vec<Run>])> = rows.filter(|(_, again)| !again.is_empty()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}\n", elsewhere.title())?;
    let (budget, line) = match elsewhere {
        Elsewhere::OtherSeeds => ("", ""),
        Elsewhere::Later => (" `slo` with a budget |", " --- |"),
    };
    writeln!(
        out,
        "| load | busy | lead time | `slo` | `hpa` | `keda` | `knative` | `rayServe` | fixed |{budget}"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |{line}")?;
    let mut met: Vec<(&str, usize)> = Vec::new();
    let mut count = 0;
    for (Row { compared, replicas, .. }, again) in &rows {
        count += again.len();
        let mut cells = Vec::new();
        for (who, run) in again.first().into_iter().flatten().enumerate() {
            let of_each: Vec<&Run> = again.iter().filter_map(|runs| runs.get(who)).collect();
            let each = |tell: fn(&Run) -> String| {
                of_each.iter().map(|run| tell(run)).collect::<Vec<_>>().join(", ")
            };
            cells.push(format!("{} %; {}", each(share), each(|run| Digits(run.cost).to_string())));
            let meet = of_each.iter().filter(|run| meets(run)).count();
            match met.iter_mut().find(|(name, _)| *name == run.policy) {
                Some((_, met)) => *met += meet,
                None => met.push((&run.policy, meet)),
            }
        }
        let Compared { load, lead_time, .. } = compared;
        writeln!(out, "| {load} | {replicas} | {lead_time} | {} |", cells.join(" | "))?;
    }
    let met: Vec<String> = met.iter().map(|(name, met)| format!("`{name}` in {met}")).collect();
    writeln!(out, "\nOf these {count} runs the objectives are met by {}.", met.join(", "))
}

pub(super) fn head(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "| load | scale | busy | lead time | `slo` | `hpa` | `keda` | `knative` | `rayServe` | fixed | efficiency | `slo` |"
    )?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
}

impl Row {
    /// Writes the row.
    pub(super) fn write(
        &self,
        objectives: &[Objective],
        out: &mut dyn Write,
    ) -> io::Result<Outcome> {
        let Self { compared, replicas, rate_scale } = self;
        let best = &compared.best;
        let result = result(best, objectives);
        let cells: Vec<String> = best.iter().map(cell).collect();
        let own = best.iter().find(|run| run.policy == OWN);
        let efficiency = own.map_or(0.0, |run| run.efficiency);
        let word = match result {
            Outcome::Wins => "wins",
            Outcome::Even => "even",
            Outcome::Loses => "**loses**",
        };
        writeln!(
            out,
            "| {} | {rate_scale} | {replicas} | {} | {} | {efficiency:.2} | {word} |",
            compared.load,
            compared.lead_time,
            cells.join(" | ")
        )?;
        out.flush()?;
        Ok(result)
    }

    /// What everybody is tuned to, for who wants to run the row again by hand.
    pub(super) fn tell_tunings(&self, err: &mut dyn Write) -> io::Result<()> {
        let Compared { load, lead_time, best, .. } = &self.compared;
        for run in best {
            let tuning = run.tuning.iter().map(|(field, value)| format!("{field}={value}"));
            let tuning = tuning.collect::<Vec<_>>().join(" ");
            writeln!(err, "note: {load}, {lead_time}: {} {tuning}", run.policy)?;
        }
        Ok(())
    }
}

/// The share within the first objective, rounded down, and the cost.
fn cell(run: &Run) -> String {
    format!("{} %, {}", share(run), Digits(run.cost))
}

/// The share within the first objective in percent, marked where one is missed.
fn share(run: &Run) -> String {
    let share = run.attainment.first().map_or(0.0, |attained| attained.share);
    let mark = if meets(run) { "" } else { "✗ " };
    format!("{mark}{:.2}", (share * 1e4).floor() / 1e2)
}

/// A number to four digits.
struct Digits(f64);

impl std::fmt::Display for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimals = match self.0 {
            value if value >= 1000.0 => 0,
            value if value >= 100.0 => 1,
            value if value >= 10.0 => 2,
            _ => 3,
        };
        write!(f, "{:.decimals$}", self.0)
    }
}

fn result(best: &[Run], objectives: &[Objective]) -> Outcome {
    let (own, others): (Vec<&Run>, Vec<&Run>) = best.iter().partition(|run| run.policy == OWN);
    let short = |run: &&Run| {
        let attained = run.attainment.iter().zip(objectives);
        attained
            .map(|(one, objective)| if one.met { 0.0 } else { objective.share - one.share })
            .fold(0.0, f64::max)
    };
    let Some(own) = own.first() else { return Outcome::Loses };
    let least_short = others.iter().map(short).fold(f64::INFINITY, f64::min);
    let least_cost = others.iter().filter(|run| short(run) == 0.0).map(|run| run.cost);
    let least_cost = least_cost.fold(f64::INFINITY, f64::min);
    let ahead = if short(own) == 0.0 {
        least_cost / own.cost - 1.0
    } else if least_short > 0.0 {
        least_short - short(own)
    } else {
        return Outcome::Loses; // somebody meets them
    };
    match ahead {
        ahead if ahead > EVEN => Outcome::Wins,
        ahead if ahead >= -EVEN => Outcome::Even,
        _ => Outcome::Loses,
    }
}
