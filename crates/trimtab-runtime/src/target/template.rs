//! A command with places in it: a list of words, never a line for a shell.

use thiserror::Error;

/// A command whose words have places such as `{replicas}`, which are filled in each time that it is run.
///
/// No shell reads it: what is filled in is one word, or part of one, whatever it contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    words: Vec<String>,
}

/// A command can't be run as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// It has no words.
    #[error("the command is empty: give the program and its arguments as a list")]
    Empty,
    /// It has a place that nothing fills.
    #[error("the command has `{{{place}}}`, and what can be filled in is {}", list(known))]
    UnknownPlace {
        /// What stands between the braces.
        place: String,
        /// What may stand there.
        known: &'static [&'static str],
    },
    /// Replicas have no ports.
    #[error(
        "`ports` is [{first}, {last}], which has none: give the first and the last, such as [8001, 8008]"
    )]
    NoPorts {
        /// The first.
        first: u16,
        /// The last.
        last: u16,
    },
}

fn list(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|place| format!("`{{{place}}}`")).collect();
    quoted.join(", ")
}

impl Template {
    /// Takes a command whose places are among the `known`.
    pub(crate) fn new(
        words: Vec<String>,
        known: &'static [&'static str],
    ) -> Result<Self, TemplateError> {
        if words.first().is_none_or(String::is_empty) {
            return Err(TemplateError::Empty);
        }
        let unknown =
            words.iter().flat_map(|word| places(word)).find(|place| !known.contains(place));
        if let Some(place) = unknown {
            return Err(TemplateError::UnknownPlace { place: place.to_owned(), known });
        }
        Ok(Self { words })
    }

    /// The program, and its arguments with their places filled in.
    pub(crate) fn fill(&self, values: &[(&str, String)]) -> (String, Vec<String>) {
        let mut words = self.words.iter().map(|word| fill(word, values));
        let program = words.next().unwrap_or_default();
        (program, words.collect())
    }
}

/// A word with its places filled in, from left to right: what was filled in is not looked at again.
fn fill(word: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::new();
    let mut rest = word;
    while let Some((before, place, after)) = next_place(rest) {
        filled.push_str(before);
        let value = values.iter().find(|(name, _)| *name == place);
        filled.push_str(value.map_or("", |(_, value)| value.as_str()));
        rest = after;
    }
    filled + rest
}

fn places(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let (_, place, after) = next_place(rest)?;
        rest = after;
        Some(place)
    })
}

/// The next `{word}` of letters. Other braces, as those of JSON, stand for themselves.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text.get(from..)?.find('{')?;
        let (before, rest) = (text.get(..open)?, text.get(open + 1..)?);
        let end = rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(rest.len());
        if end > 0 && rest.get(end..)?.starts_with('}') {
            return Some((before, rest.get(..end)?, rest.get(end + 1..)?));
        }
        from = open + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().copied().map(String::from).collect()
    }

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        let command = words(&["curl", "-d", r#"{"n": {count}, "x": "{}"}"#, "{count}{name}"]);
        let template = Template::new(command, &["count", "name"]).unwrap();
        let values = [("count", String::from("3")), ("name", String::from("{count}; rm -rf"))];
        let (program, arguments) = template.fill(&values);
        assert_eq!(program, "curl");
        assert_eq!(arguments, ["-d", r#"{"n": 3, "x": "{}"}"#, "3{count}; rm -rf"]);
    }

    #[test]
    fn what_nothing_fills_is_refused() {
        let refused = Template::new(words(&["scale", "--to={replica}"]), &["replicas"]);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "the command has `{replica}`, and what can be filled in is `{replicas}`"
        );
        assert_eq!(Template::new(Vec::new(), &[]), Err(TemplateError::Empty));
    }
}
