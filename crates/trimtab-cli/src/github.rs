//! How text stands in the commands that GitHub Actions reads from a job's output.

/// What stands behind the second pair of colons.
pub(crate) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands between them.
pub(crate) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("a: 50 %\nb"), "a: 50 %25%0Ab");
        assert_eq!(property("a,b:c%"), "a%2Cb%3Ac%25");
    }
}
