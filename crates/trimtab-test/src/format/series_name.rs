//! The name of a series: `queue`, `queue/replica`, `queue{shard="a"}`.

use crate::feed::Series;

/// A series' name with its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeriesName {
    pub(super) series: Series,
    /// In the order of the text.
    pub(super) labels: Vec<(String, String)>,
}

impl SeriesName {
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Reads a name; what is wrong with it if it is none.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "a name with labels is `queue{shard=\"a\"}`";
        let text = text.trim();
        let Some((name, rest)) = text.split_once('{') else {
            return named(text, Vec::new());
        };
        let mut rest = rest.strip_suffix('}').ok_or(FORM)?.trim();
        let mut labels: Vec<(String, String)> = Vec::new();
        while !rest.is_empty() {
            let (label, after) = rest.split_once('=').ok_or(FORM)?;
            let after = after.trim_start();
            let quote =
                after.chars().next().filter(|char| matches!(char, '"' | '\'')).ok_or(FORM)?;
            let (value, after) =
                after.strip_prefix(quote).and_then(|text| text.split_once(quote)).ok_or(FORM)?;
            let label = label.trim();
            if label.is_empty() || labels.iter().any(|(other, _)| other == label) {
                return Err("each label stands once");
            }
            labels.push((label.to_owned(), value.to_owned()));
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if after.is_empty() => after,
                None => return Err(FORM),
            };
        }
        named(name.trim(), labels)
    }
}

fn named(name: &str, labels: Vec<(String, String)>) -> Result<SeriesName, &'static str> {
    if name.is_empty() {
        return Err("a series has a name");
    }
    if name.contains(['"', '\'', '{', '}', '=', ',']) || name.contains(char::is_whitespace) {
        return Err("a name has no blanks, quotes, braces, commas and equal signs");
    }
    Ok(SeriesName { series: Series::of_column(name), labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_labels() {
        let name = SeriesName::parse("queue{shard=\"a\", replica='2'}").unwrap();
        assert_eq!((name.series.name.as_str(), name.series.per_replica), ("queue", false));
        assert_eq!((name.label("shard"), name.label("replica")), (Some("a"), Some("2")));
        assert_eq!(name.label("x"), None);
        assert!(SeriesName::parse("q/replica").unwrap().series.per_replica);
        for wrong in
            ["", "q{", "q{a}", "q{a=b}", "q{a=\"b\"", "a b", "q{a=\"1\" b=\"2\"}", "q{a='1',a='2'}"]
        {
            assert!(SeriesName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
