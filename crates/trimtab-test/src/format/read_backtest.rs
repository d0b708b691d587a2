//! `backtest`: what holds of the policy on simulated servers.

use trimtab_manifest::{Block, Field, ProblemKind};
use trimtab_metric::Span;

use super::read::Reader;
use super::read_checks::wanted;
use super::{BacktestCase, BacktestFigure, BacktestLoad};

/// One mapping, or a list of them.
pub(super) fn backtests(reader: &mut Reader<'_>, block: &mut Block<'_>) -> Vec<BacktestCase> {
    let Some(field) = block.field("backtest") else { return Vec::new() };
    let items = if field.is_list() { field.items(&mut reader.problems) } else { vec![field] };
    items.into_iter().filter_map(|item| case(reader, item)).collect()
}

fn case(reader: &mut Reader<'_>, item: Field<'_>) -> Option<BacktestCase> {
    let mut block = Block::new(item.clone(), &mut reader.problems)?;
    let before = reader.problems.len();
    let scenario = block.get::<String>("scenario", &mut reader.problems);
    let trace = block.get::<String>("trace", &mut reader.problems);
    let lead_time = span(reader, &mut block, "lead_time", true);
    let duration = span(reader, &mut block, "duration", false);
    let rate_scale = block.get::<f64>("rate_scale", &mut reader.problems);
    let profile = block.get::<String>("profile", &mut reader.problems);
    let cluster = block.get::<String>("cluster", &mut reader.problems);
    let objective = block.get::<String>("objective", &mut reader.problems);
    let seed = block.get::<u64>("seed", &mut reader.problems);
    let mut figures = Vec::new();
    for figure in BacktestFigure::ALL {
        if let Some(field) = block.field(figure.name()) {
            figures.extend(wanted(reader, field, false).map(|wanted| (figure, wanted)));
        }
    }
    block.refuse_rest(&mut reader.problems);
    if let Some((_, field)) =
        rate_scale.as_ref().filter(|(scale, _)| !(*scale > 0.0 && scale.is_finite()))
    {
        reader.unusable(field, "`rate_scale` is above 0", "");
    }
    if reader.problems.len() > before {
        return None;
    }
    if figures.is_empty() {
        let message = "the backtest expects nothing";
        let help = "say what has to come of it, such as `attainment: {min: 0.95}`";
        reader.unusable(&item, message, help);
        return None;
    }
    let load = match (scenario, trace) {
        (Some((scenario, _)), None) => BacktestLoad::Scenario(scenario),
        (None, Some((trace, _))) => BacktestLoad::Trace(trace),
        (Some(_), Some((_, field))) => {
            reader.unusable(&field, "`scenario` and `trace` are both there", "name one load");
            return None;
        }
        (None, None) => {
            let problem = item.problem(ProblemKind::MissingField, "the backtest has no load");
            reader.problems.push(problem.with_help("name a `scenario`, or the file of a `trace`"));
            return None;
        }
    };
    Some(BacktestCase {
        load,
        lead_time,
        duration,
        rate_scale: rate_scale.map_or(1.0, |(scale, _)| scale),
        profile: profile.map(|(profile, _)| profile),
        cluster: cluster.map(|(cluster, _)| cluster),
        objective: objective.map(|(objective, _)| objective),
        seed: seed.map_or(1, |(seed, _)| seed),
        figures,
        place: item.value_span(),
    })
}

fn span(
    reader: &mut Reader<'_>,
    block: &mut Block<'_>,
    key: &'static str,
    may_be_zero: bool,
) -> Option<Span> {
    let (span, field) = block.get::<Span>(key, &mut reader.problems)?;
    if span < Span::ZERO || (span == Span::ZERO && !may_be_zero) {
        reader.unusable(&field, format!("`{key}` can't be {span}"), "");
        return None;
    }
    Some(span)
}
