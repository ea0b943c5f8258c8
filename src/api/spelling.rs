//! The one rule for spelling the words of a fixed list, such as `external` or `Pre-released`: letters count the same in
//! upper and lower case, and hyphens and underscores may be left out. An answer always has the one spelling of the list.

/// The word of a list that a text spells.
#[must_use]
pub fn spelled<T: Copy>(text: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(word, _)| is_same(text, word)).map(|(_, value)| *value)
}

fn is_same(one: &str, other: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| !"-_".contains(*c)).map(|c| c.to_ascii_lowercase()).collect::<String>();
    // A word is short: nothing longer needs to be looked at.
    one.len() <= 64 && plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn d11_case_and_hyphens_do_not_count() {
        let words = [("Pre-released", 1), ("external", 2)];
        for text in ["Pre-released", "prereleased", "PRE_RELEASED", "PreReleased"] {
            assert_eq!(spelled(text, &words), Some(1), "{text}");
        }
        assert_eq!(spelled("EXTERNAL", &words), Some(2));
        for text in ["", "extern", "external ", "exter nal", &"x".repeat(1000)] {
            assert_eq!(spelled(text, &words), None, "{text}");
        }
    }
}
