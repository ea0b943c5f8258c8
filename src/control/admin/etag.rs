//! Which state of a thing an answer shows, and which one a change is meant for (RFC 9110 sections 8.8.3 and 13.1).

use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::problem::Problem;

/// Bytes of the longest condition that is looked at.
const MAX_CONDITION_BYTES: usize = 4096;

/// A strong tag: another state of a thing has another one, and so has what comes after a deleted one by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag(String);

impl Tag {
    /// Of the row with this number, changed so many times.
    #[must_use]
    pub(super) fn new(row: u64, generation: u64) -> Self {
        Self(format!("{row}-{generation}"))
    }

    /// As a header.
    #[must_use]
    pub(super) fn header(&self) -> [(HeaderName, HeaderValue); 1] {
        let value = HeaderValue::try_from(format!("\"{}\"", self.0));
        // Digits and a dash always are one.
        [(ETAG, value.unwrap_or(HeaderValue::from_static("\"\"")))]
    }
}

/// What must be true of the thing as it is, so that the request is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    matches: Option<Tags>,
    matches_none: Option<Tags>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Each with whether it is weak.
    These(Vec<(bool, String)>),
}

impl Conditions {
    /// Of a request.
    ///
    /// # Errors
    /// A header that is no list of entity tags.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { matches: tags(headers, &IF_MATCH)?, matches_none: tags(headers, &IF_NONE_MATCH)? })
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a thing that is as `tag` says, or that is not there, may be changed.
    #[must_use]
    pub(super) fn allow_change(&self, tag: Option<&Tag>) -> bool {
        let has = |wanted: &Tags| match (wanted, tag) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            // Strongly: a weak tag is equal to none.
            (Tags::These(tags), Some(tag)) => tags.iter().any(|(is_weak, text)| !is_weak && *text == tag.0),
        };
        self.matches.as_ref().is_none_or(has) && !self.matches_none.as_ref().is_some_and(has)
    }

    /// Whether the one who asks has this state already: then 304 says enough.
    #[must_use]
    pub(super) fn has(&self, tag: &Tag) -> bool {
        self.matches_none.as_ref().is_some_and(|tags| match tags {
            Tags::Any => true,
            Tags::These(tags) => tags.iter().any(|(_, text)| *text == tag.0),
        })
    }

    /// 412, if the thing is not as the request says.
    ///
    /// # Errors
    /// That.
    pub(super) fn check(&self, tag: Option<&Tag>) -> Result<(), Problem> {
        if self.allow_change(tag) { Ok(()) } else { Err(not_as_said()) }
    }
}

/// 412.
#[must_use]
pub(super) fn not_as_said() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition",
        "It is not, or not any more, what If-Match or If-None-Match says: somebody has changed it meanwhile. \
         Read it again, and send the change with its new ETag.",
    )
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let text = lines.join(&b", "[..]);
    let parsed = (text.len() <= MAX_CONDITION_BYTES).then(|| std::str::from_utf8(&text).ok().and_then(parse)).flatten();
    let bad = || {
        Problem::new(StatusCode::BAD_REQUEST, "header", format!("The header {name} is no list of entity tags.")).at(
            name.as_str(),
            "entity-tags",
            "`*`, or tags in double quotes with commas between",
        )
    };
    parsed.map(Some).ok_or_else(bad)
}

fn parse(text: &str) -> Option<Tags> {
    let mut rest = text.trim_matches([' ', '\t']);
    if rest == "*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    loop {
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |rest| (true, rest));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if tag.bytes().any(|byte| byte <= b' ' || byte == 0x7F) {
            return None;
        }
        tags.push((is_weak, tag.to_owned()));
        rest = after.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(Tags::These(tags));
        }
        rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Conditions, Tag};

    fn conditions(lines: &[(&'static str, &str)]) -> Result<Conditions, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        Conditions::of(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_change_is_made_only_where_the_thing_is_as_said() {
        let (tag, gone) = (Tag::new(7, 3), None);
        for (lines, as_it_is, not_there) in [
            (&[][..], true, true),
            (&[("if-match", "\"7-3\"")], true, false),
            (&[("if-match", "\"7-2\", \"7-3\"")], true, false),
            (&[("if-match", "\"7-2\""), ("if-match", "\"7-3\"")], true, false),
            (&[("if-match", "\"7-2\"")], false, false),
            (&[("if-match", "W/\"7-3\"")], false, false),
            (&[("if-match", "*")], true, false),
            (&[("if-none-match", "*")], false, true),
            (&[("if-none-match", "\"7-3\"")], false, true),
            (&[("if-none-match", "\"7-2\"")], true, true),
        ] {
            let conditions = conditions(lines).unwrap();
            assert_eq!(conditions.allow_change(Some(&tag)), as_it_is, "{lines:?}");
            assert_eq!(conditions.allow_change(gone), not_there, "{lines:?}");
        }
    }

    #[test]
    fn who_has_this_state_need_not_get_it_again() {
        let tag = Tag::new(7, 3);
        for (value, has) in
            [("\"7-3\"", true), ("W/\"7-3\"", true), ("\"7-2\" , \"7-3\"", true), ("*", true), ("\"7-4\"", false)]
        {
            assert_eq!(conditions(&[("if-none-match", value)]).unwrap().has(&tag), has, "{value}");
        }
        assert!(!Conditions::default().has(&tag));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        let long = format!("\"{}\"", "x".repeat(5000));
        for value in
            ["", "7-3", "\"7-3", "7-3\"", "\"a\" \"b\"", "\"a\",", ",\"a\"", "*, \"a\"", "w/\"a\"", "\"a b\"", &long]
        {
            assert_eq!(conditions(&[("if-match", value)]), Err(400), "{value}");
        }
    }

    #[test]
    fn a_tag_is_a_header() {
        assert_eq!(Tag::new(7, 3).header()[0].1, "\"7-3\"");
    }
}
