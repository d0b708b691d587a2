//! "Did you mean": the known name that a mistyped one is nearest to.

/// The known name that differs least from `name`, if it differs little.
///
/// Upper and lower case count as the same, a swap of neighbours as one change. A third of the
/// letters may differ, and one always.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    /// Longer names are no typing errors, and comparing is quadratic.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let name: Vec<char> = name.to_lowercase().chars().collect();
    known
        .iter()
        .map(|known| {
            let candidate: Vec<char> = known.to_lowercase().chars().collect();
            (distance(&name, &candidate), name.len().max(candidate.len()), *known)
        })
        .filter(|(distance, longer, _)| *distance <= (longer / 3).max(1) && distance < longer)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, known)| known)
}

/// Insertions, deletions, changes and swaps of neighbours that turn one into the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let change = cell(&last, j) + usize::from(a != b);
            let mut best = change.min(cell(&last, j + 1) + 1).min(cell(&row, j) + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                best = best.min(cell(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["minReplicas", "maxReplicas", "metrics", "behavior", "scaleTargetRef"];
        assert_eq!(nearest("maxReplica", &known), Some("maxReplicas"));
        assert_eq!(nearest("maxreplicas", &known), Some("maxReplicas"));
        assert_eq!(nearest("minReplicsa", &known), Some("minReplicas"));
        assert_eq!(nearest("behaviour", &known), Some("behavior"));
        assert_eq!(nearest("template", &known), None);
        assert_eq!(nearest("x", &["y"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), &known), None);
    }

    #[test]
    fn distances() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (from, to, expected) in
            [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("ab", "ba", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(&chars(from), &chars(to)), expected, "{from} {to}");
        }
    }
}
