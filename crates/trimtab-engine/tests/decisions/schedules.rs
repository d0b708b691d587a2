//! Cron expressions, time zones and windows, against the `jiff` crate and against a minute-by-minute search.

use jiff::civil;
use jiff::tz::TimeZone as Oracle;
use proptest::prelude::*;
use trimtab_engine::schedule::{Cron, TimeZone, Window};
use trimtab_metric::{Span, Timestamp};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn cron(text: &str) -> Cron {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn zone(text: &str) -> TimeZone {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn oracle(text: &str) -> Oracle {
    Oracle::posix(text).or_else(|_| Oracle::get(text)).unwrap_or_else(|error| panic!("{error}"))
}

/// Where the clock is set in the middle of the day, at midnight, by half an hour, the other way round, in the
/// south, a day ahead, and not at all.
const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/Nuuk",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Africa/Cairo",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "XXX3YYY,J60/23:30,300/0",
    "AAA-2BBB-5,M2.5.6/23,M9.1.0/1:15:30",
];

/// What a text names, minute by minute, by a reading of its own: numbers, `*`, ranges, steps and lists.
#[derive(Clone, Debug)]
struct Fields([Vec<i8>; 5], bool);

fn named(text: &str) -> Fields {
    let ranges: [(i8, i8); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
    let mut stars = [false; 5];
    let mut sets = [const { Vec::new() }; 5];
    for (place, field) in text.split(' ').enumerate() {
        let (least, most) = ranges[place];
        for part in field.split(',') {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let step: usize = step.parse().expect("a step");
            let number = |text: &str| text.parse::<i8>().expect("a number");
            stars[place] |= range == "*" && step == 1;
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (least, most),
                Some((first, last)) => (number(first), number(last)),
                None if part.contains('/') => (number(range), most),
                None => (number(range), number(range)),
            };
            sets[place].extend((first..=last).step_by(step));
        }
    }
    Fields(sets, stars[2] || stars[4])
}

impl Fields {
    fn has(&self, at: civil::DateTime) -> bool {
        let Self([minutes, hours, days, months, weekdays], both) = self;
        let day = days.contains(&at.day());
        let weekday = weekdays.contains(&at.weekday().to_sunday_zero_offset());
        minutes.contains(&at.minute())
            && hours.contains(&at.hour())
            && months.contains(&at.month())
            && if *both { day && weekday } else { day || weekday }
    }

    /// The first occurrence within some days, by looking at every minute of the local calendar.
    fn next(&self, after: Timestamp, zone: &Oracle, days: i32) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_millisecond(after.as_millis()).expect("in range");
        let today = zone.to_datetime(now).date();
        let minutes = (-1..days).flat_map(|day| {
            let date = today.checked_add(jiff::Span::new().days(day)).expect("in range");
            (0..1440_i16).map(move |minute| {
                let (hour, minute) = (minute / 60, minute % 60);
                date.at(
                    i8::try_from(hour).expect("0 to 23"),
                    i8::try_from(minute).expect("0 to 59"),
                    0,
                    0,
                )
            })
        });
        minutes
            .filter(|local| self.has(*local))
            .map(|local| zone.to_timestamp(local).expect("in range").as_millisecond())
            .map(Timestamp::from_millis)
            .filter(|at| *at > after)
            .min()
    }
}

fn field(least: i8, most: i8) -> impl Strategy<Value = String> {
    let number = least..=most;
    let part = prop_oneof![
        3 => Just("*".to_owned()),
        3 => number.clone().prop_map(|number| number.to_string()),
        1 => (number.clone(), number.clone())
            .prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1..=most).prop_map(|step| format!("*/{step}")),
        1 => (number.clone(), 1..=most).prop_map(|(from, step)| format!("{from}/{step}")),
    ];
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.join(","))
}

fn expression() -> impl Strategy<Value = String> {
    let days = prop_oneof![2 => Just("*".to_owned()), 1 => field(1, 28)];
    let weekdays = prop_oneof![2 => Just("*".to_owned()), 1 => field(0, 6)];
    let months = prop_oneof![5 => Just("*".to_owned()), 1 => field(1, 12)];
    (field(0, 59), field(0, 23), days, months, weekdays)
        .prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

/// Instants, many of them near a change of some clock.
fn instant() -> impl Strategy<Value = Timestamp> {
    const CHANGES: [&str; 6] = [
        "2027-03-28T01:00:00Z",
        "2027-10-31T01:00:00Z",
        "2028-02-26T20:00:00Z",
        "2027-04-04T03:00:00Z",
        "2027-09-05T04:00:00Z",
        "2028-02-29T23:00:00Z",
    ];
    let near = (prop::sample::select(&CHANGES[..]), -100_000_000_i64..100_000_000)
        .prop_map(|(text, off)| at(text).saturating_add(Span::from_millis(off)));
    let any = (1_800_000_000_i64..2_300_000_000).prop_map(Timestamp::from_secs);
    prop_oneof![2 => near, 1 => any]
}

proptest! {
    /// Offsets, and the instants of local times, are those of `jiff`, from the rule's own changes on.
    #[test]
    fn clocks_are_those_of_jiff(text in prop::sample::select(&ZONES[..]), now in instant()) {
        let ours = zone(text);
        let now_there = jiff::Timestamp::from_millisecond(now.as_millis()).expect("in range");
        let offset = oracle(text).to_offset(now_there).seconds();
        prop_assert_eq!(ours.offset(now), Span::from_secs(offset.into()), "{}", now);
    }

    /// Between two changes a window stays as it is, and whether it is open is what its starts and ends say.
    #[test]
    fn a_window_changes_only_where_it_says(
        (start, end) in (expression(), expression()), minutes in prop::option::of(1_i64..3_000),
        place in prop::sample::select(&ZONES[..]), now in instant(),
    ) {
        let window = match minutes {
            None => Window::until(cron(&start), cron(&end), zone(place)),
            Some(minutes) => Window::lasting(cron(&start), Span::from_secs(minutes * 60), zone(place)),
        };
        let mut now = now;
        for _ in 0..12 {
            let Some(next) = window.next_change(now) else { break };
            prop_assert!(next > now);
            let is_open = window.is_open(now);
            prop_assert_eq!(window.is_open(next.saturating_sub(Span::from_millis(1))), is_open);
            let middle = now.saturating_add(Span::from_millis(next.since(now).as_millis() / 2));
            prop_assert_eq!(window.is_open(middle), is_open);
            let starts = window.next_start(now) == Some(next);
            prop_assert!(window.is_open(next) || !starts, "it begins with its start");
            now = next;
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "[-+0-9A-Za-z,./:<>*@? ]{0,40}", now in any::<i64>()) {
        let parsed = (text.parse::<Cron>(), text.parse::<TimeZone>());
        let now = Timestamp::from_millis(now);
        if let Ok(zone) = parsed.1 {
            let _offset = (zone.offset(now), cron("*/7 2 * * *").next(now, &zone));
        }
        if let Ok(cron) = parsed.0 {
            let _next = cron.next(now, &zone("Europe/Berlin"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_next_occurrence_is_the_first_of_all_minutes(
        text in expression(), place in prop::sample::select(&ZONES[..]), now in instant(),
    ) {
        let found = cron(&text).next(now, &zone(place));
        if let Some(found) = found {
            // Backwards it is found again, and nothing in between.
            prop_assert_eq!(cron(&text).previous(found, &zone(place)), Some(found));
            let just_before = found.saturating_sub(Span::from_millis(1));
            prop_assert!(cron(&text).previous(just_before, &zone(place)) <= Some(now));
        }
        let wanted = named(&text).next(now, &oracle(place), 20);
        match wanted {
            Some(wanted) => prop_assert_eq!(found, Some(wanted), "`{}` in {} after {}", text, place, now),
            None => prop_assert!(found.is_some_and(|at| at.since(now) > Span::from_secs(18 * 86_400))),
        }
    }
}

/// Each name of the table is known to `jiff`, and from 2027 to 2060 means the same there.
#[test]
fn every_name_means_what_the_database_says() {
    let mut known = 0;
    for name in jiff::tz::db().available() {
        let Ok(ours) = name.as_str().parse::<TimeZone>() else { continue };
        known += 1;
        let theirs = Oracle::get(name.as_str()).expect("it is available");
        for week in 0..34 * 52 {
            let now = 1_798_761_600 + week * 604_800 + week * 7919;
            let there = jiff::Timestamp::from_second(now).expect("in range");
            let offset = theirs.to_offset(there).seconds();
            assert_eq!(
                ours.offset(Timestamp::from_secs(now)),
                Span::from_secs(offset.into()),
                "{name} at {there}"
            );
        }
    }
    assert!(known > 580, "{known}");
}

#[test]
fn a_skipped_time_comes_later_and_a_repeated_one_once() {
    let berlin = zone("Europe/Berlin");
    let half_past_two = cron("30 2 * * *");
    // On 28 March 2027 the clock goes from 2:00 to 3:00, on 31 October from 3:00 to 2:00.
    let next = |after: &str| half_past_two.next(at(after), &berlin).map(|at| at.to_string());
    assert_eq!(next("2027-03-28T00:00:00Z").as_deref(), Some("2027-03-28T01:30:00Z")); // 3:30
    assert_eq!(next("2027-10-30T12:00:00Z").as_deref(), Some("2027-10-31T00:30:00Z")); // the first 2:30
    assert_eq!(next("2027-10-31T00:30:00Z").as_deref(), Some("2027-11-01T01:30:00Z"));
}

#[test]
fn a_window_holds_its_begin_and_not_its_end() {
    let night = Window::until(cron("0 22 * * *"), cron("0 6 * * *"), TimeZone::UTC);
    let open = |text: &str| night.is_open(at(text));
    assert!(open("2027-01-01T22:00:00Z") && open("2027-01-02T05:59:59.999Z"));
    assert!(!open("2027-01-01T21:59:59.999Z") && !open("2027-01-02T06:00:00Z"));
    let hour = Window::lasting(cron("0 12 * * MON"), Span::from_secs(3600), TimeZone::UTC);
    let open = |text: &str| hour.is_open(at(text));
    assert!(open("2027-01-04T12:00:00Z") && open("2027-01-04T12:59:59Z"));
    assert!(!open("2027-01-04T13:00:00Z") && !open("2027-01-05T12:30:00Z"));
}

/// Where starts and ends do not take turns, the last of them counts.
#[test]
fn a_second_end_closes_nothing() {
    let window = Window::until(cron("0 8 * * 1-5"), cron("0 18 * * *"), TimeZone::UTC);
    assert!(!window.is_open(at("2027-01-09T10:00:00Z"))); // a Saturday
    let always = Window::until(cron("0 0 * * *"), cron("0 0 * * 0"), TimeZone::UTC);
    assert!((0..300).all(|hour| always.is_open(Timestamp::from_secs(hour * 3600))));
}

/// Starts that come again before the duration is over keep it open.
#[test]
fn overlapping_starts_are_one_window() {
    let window = Window::lasting(cron("*/30 * * * *"), Span::from_secs(3600), TimeZone::UTC);
    assert!((0..200).all(|minute| window.is_open(Timestamp::from_secs(minute * 60))));
}

#[test]
fn names_words_and_both_days() {
    let same = [
        ("0 0 * JAN,mar sun", "0 0 * 1,3 0"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@monthly", "0 0 1 * ?"),
        ("@yearly", "0 0 1 JAN *"),
        ("@annually", "@yearly"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("  1  2 *\t* * ", "1 2 * * *"),
    ];
    for (one, other) in same {
        assert_eq!(cron(one), cron(other), "{one}");
    }
    // Friday, or the 13th: either day is enough where both are restricted.
    let either = cron("0 0 13 * 5").next(at("2027-01-02T00:00:00Z"), &TimeZone::UTC);
    assert_eq!(either, Some(at("2027-01-08T00:00:00Z")));
    // `*/2` restricts, as it does in Kubernetes.
    let odd = cron("0 0 */2 * 1").next(at("2027-01-03T00:00:00Z"), &TimeZone::UTC);
    assert_eq!(odd, Some(at("2027-01-04T00:00:00Z")));
    assert_eq!(
        cron("0 0 29 2 *").next(at("2096-03-01T00:00:00Z"), &TimeZone::UTC),
        Some(at("2104-02-29T00:00:00Z"))
    );
}

#[test]
fn what_is_wrong_is_said() {
    let mut told = String::new();
    for text in [
        "* * * *",
        "60 * * * *",
        "* * * FOO *",
        "5-2 * * * *",
        "*/0 * * * *",
        "+5 * * * *",
        "@reboot",
        "TZ=UTC * * * * *",
        "0 0 31 2,4 *",
        "* * 0 * *",
        "",
        "1,,2 * * * *",
        "* * * * 8",
    ] {
        let error = text.parse::<Cron>().expect_err(text);
        told += &format!("{text}\n    {error}\n");
    }
    for text in [
        "Europe/Berln",
        "europe/berlin",
        "Asia/Gaza",
        "+24:00",
        "+1",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "A0",
        "AAA0BBB-13,M3.1.0,M4.1.0",
        "",
    ] {
        let error = text.parse::<TimeZone>().expect_err(text);
        told += &format!("{text}\n    {error}\n");
    }
    insta::assert_snapshot!(told);
}
