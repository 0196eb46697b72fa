//! "Did you mean".

/// The known word that `unknown` most likely stands for: one letter in three may be wrong, and its case.
pub fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let folded = fold(unknown);
    known
        .map(|key| (distance(&folded, &fold(key)), key))
        .filter(|(distance, key)| *distance <= (key.len().min(unknown.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// `scope_key`, `scope-key` and `ScopeKey` are all meant to be `scopeKey`.
fn fold(key: &str) -> Vec<char> {
    key.chars()
        .filter(|character| !matches!(character, '_' | '-'))
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// Farther than any two keys are.
const FAR: usize = 1024;

/// How many letters have to be added, removed, replaced or swapped with their neighbour.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, a) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(FAR);
            let mut best = (at(&last, column) + usize::from(a != b))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped =
                column > 0 && row > 0 && one.get(row - 1) == Some(b) && other.get(column - 1) == Some(a);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_keys_are_suggested_and_far_ones_are_not() {
        let known = || ["scopes", "scopeKey", "issuer", "audience", "jwtValidatorConfig"].into_iter();
        for (unknown, expected) in [
            ("scope", Some("scopes")),
            ("scpoes", Some("scopes")),
            ("scope_key", Some("scopeKey")),
            ("ISSUER", Some("issuer")),
            ("jwtValidator", None),
            ("jwtValidatorConfg", Some("jwtValidatorConfig")),
            ("jwtValidtrConfgi", Some("jwtValidatorConfig")),
            ("realm", None),
            ("", None),
        ] {
            assert_eq!(nearest(unknown, known()), expected, "{unknown}");
        }
    }

    #[test]
    fn letters_are_added_removed_replaced_and_swapped() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "xbc", 1),
            ("abc", "axc", 1),
            ("abc", "abx", 1),
            ("abc", "ab", 1),
            ("abc", "bc", 1),
            ("abc", "ac", 1),
            ("ab", "ba", 1),
            ("xab", "xba", 1),
            ("abx", "bax", 1),
            ("abcd", "badc", 2),
            ("abab", "baba", 2),
            ("ab", "xy", 2),
            ("ca", "abc", 3),
            ("abc", "cab", 2),
            ("kitten", "sitting", 3),
            ("aa", "bb", 2),
            ("aab", "bbb", 2),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            assert_eq!(distance(&letters(one), &letters(other)), expected, "{one} {other}");
            assert_eq!(distance(&letters(other), &letters(one)), expected, "{other} {one}");
        }
    }
}
