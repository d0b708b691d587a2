//! Text on a line: plain where it can be taken for nothing else, else in quotes.

use std::fmt::Write as _;

/// A plain word where it can be taken for nothing else, else in quotes, as JSON has them.
pub(super) fn scalar_text(text: &str) -> String {
    const WORDS_WITH_A_MEANING: [&str; 9] =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let meaning = WORDS_WITH_A_MEANING.contains(&text.to_ascii_lowercase().as_str());
    if starts && !meaning && text.chars().all(plain) { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            char if is_harmless(char) => quoted.push(char),
            char if u32::from(char) > 0xffff => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(char));
            }
            char => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Text of a comment: nothing that ends a line, moves a cursor or turns the writing around.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\t' => out.push_str("    "),
            char if is_harmless(char) => out.push(char),
            char => out.extend(char.escape_unicode()),
        }
    }
    out
}

fn is_harmless(char: char) -> bool {
    let hidden = matches!(char,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{fffe}'..='\u{ffff}');
    !char.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Limits, Source, from_str};

    #[test]
    fn what_has_a_meaning_is_quoted() {
        for text in ["", "true", "No", "~", "4", "1e3", "a: b", "- a", "#", "é", " a", "<<"] {
            assert!(scalar_text(text).starts_with('"'), "{text}");
        }
        assert_eq!(scalar_text("apps/v1"), "apps/v1");
        assert_eq!(scalar_text("a\u{7}\n\"\\"), r#""a\u0007\n\"\\""#);
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>()) {
            let source = Source::new("x", scalar_text(&text));
            prop_assert_eq!(from_str::<String>(&source, &Limits::default()).unwrap(), text);
        }
    }
}
