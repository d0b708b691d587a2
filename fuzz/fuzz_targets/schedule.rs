//! No text makes reading a cron expression or a time zone panic; what comes next is after, what came before is not,
//! and nothing lies in between. The input has an expression, a zone and a time in milliseconds, a line each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_engine::schedule::{Cron, TimeZone, Window};
use trimtab_metric::{Span, Timestamp};

fuzz_target!(|input: &str| {
    let mut lines = input.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (cron, zone, now) = (line().parse::<Cron>(), line().parse::<TimeZone>(), line().parse());
    let zone = zone.unwrap_or(TimeZone::UTC);
    let now = Timestamp::from_millis(now.unwrap_or(0));
    let offset = zone.offset(now).as_millis().abs();
    assert!(offset <= 37 * 3_600_000, "{input:?}: {offset} ms");
    let Ok(cron) = cron else { return };
    let (next, previous) = (cron.next(now, &zone), cron.previous(now, &zone));
    assert!(previous.is_none_or(|previous| previous <= now), "{input:?}");
    let Some(next) = next else { return };
    assert!(next > now, "{input:?}");
    let just_before = next.saturating_sub(Span::from_millis(1));
    assert_eq!(cron.previous(next, &zone), Some(next), "{input:?}");
    assert_eq!(cron.previous(just_before, &zone), previous, "{input:?}");
    let window = Window::lasting(cron, Span::from_secs(60), zone);
    assert!(window.is_open(next), "{input:?}");
});
