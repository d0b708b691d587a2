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
    profile.check().map_err(|invalid| {
        let message = format!("`{}` of the profile is out of range", invalid.field());
        CommandError::in_file(source.name(), message).with_help(invalid.rule())
    })?;
    Ok(profile)
}
