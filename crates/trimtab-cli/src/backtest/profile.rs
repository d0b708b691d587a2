//! The service profile: built in, or from a file.

use trimtab_manifest::{Limits, from_str};
use trimtab_sim::ServiceProfile;

use super::args::FleetArgs;
use crate::error::CommandError;
use crate::input::read_source;

pub(super) fn read(args: &FleetArgs) -> Result<ServiceProfile, CommandError> {
    let Some(file) = &args.profile_file else {
        let name = &args.profile;
        return ServiceProfile::named(name)
            .ok_or_else(|| CommandError::argument(format!("there is no profile `{name}`")));
    };
    let source = read_source(file, Limits::default().max_bytes)?;
    let profile: ServiceProfile = from_str(&source, &Limits::default())?;
    match broken_rule(&profile) {
        Some((field, rule)) => {
            let message = format!("`{field}` of the profile is out of range");
            Err(CommandError::in_file(source.name(), message).with_help(rule))
        }
        None => Ok(profile),
    }
}

/// What no server can have: a field, and what would be right.
fn broken_rule(profile: &ServiceProfile) -> Option<(&'static str, &'static str)> {
    let counts = [
        ("gpus", u64::from(profile.gpus)),
        ("kvTokens", profile.kv_tokens),
        ("maxSequences", u64::from(profile.max_sequences)),
        ("maxBatchedTokens", u64::from(profile.max_batched_tokens)),
    ];
    let (prefill, decode) = (&profile.prefill, &profile.decode);
    let times = [
        ("prefill.c0Ms", prefill.c0_ms),
        ("prefill.c1Ms", prefill.c1_ms),
        ("prefill.c2Ms", prefill.c2_ms),
        ("decode.aMs", decode.a_ms),
        ("decode.bMs", decode.b_ms),
        ("decode.cMs", decode.c_ms),
    ];
    let empty = counts.into_iter().find(|(_, count)| *count == 0);
    let absurd = times.into_iter().find(|(_, ms)| !(0.0..=MOST_MS).contains(ms));
    let instant = [
        ("prefill.c1Ms", prefill.c0_ms + prefill.c1_ms),
        ("decode.aMs", decode.a_ms + decode.b_ms),
    ];
    let instant = instant.into_iter().find(|(_, ms)| *ms < LEAST_MS);
    empty
        .map(|(field, _)| (field, "it has to be at least 1"))
        .or(absurd.map(|(field, _)| (field, "it has to be from 0 to 1000000 milliseconds")))
        .or(instant.map(|(field, _)| (field, "a token has to take at least 0.001 milliseconds")))
}

const MOST_MS: f64 = 1e6;
const LEAST_MS: f64 = 1e-3;
