//! Windows of time that come again: cron expressions, time zones, and what is open when.
//!
//! The engine has no clock and no time zone database: a zone is a rule that is evaluated here, exactly.

mod cron;
mod posix;
mod window;
mod zone;
mod zone_names;

pub use cron::{Cron, ParseCronError};
pub use window::{Schedule, Window};
pub use zone::{ParseTimeZoneError, TimeZone};
