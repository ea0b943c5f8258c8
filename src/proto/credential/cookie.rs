//! Cookies in a request's `Cookie` header (RFC 6265 section 4.2): read by name, and removed by name.

/// The values of all cookies of a name, without quotation marks around them.
pub(super) fn values<'v>(line: &'v [u8], name: &str) -> impl Iterator<Item = &'v [u8]> {
    pairs(line).filter(move |pair| is_named(pair, name)).map(|pair| {
        let value = pair.get(name.len().saturating_add(1)..).unwrap_or_default().trim_ascii();
        value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
    })
}

/// The line without the cookies of a name; `None` if it has none of them.
pub(super) fn without(line: &[u8], name: &str) -> Option<Vec<u8>> {
    pairs(line).any(|pair| is_named(pair, name)).then(|| {
        let kept: Vec<&[u8]> = pairs(line).filter(|pair| !pair.is_empty() && !is_named(pair, name)).collect();
        kept.join(&b"; "[..])
    })
}

/// The pairs between semicolons. A value has no semicolon, not even in quotation marks.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// True if a pair has this name: names of cookies differ by letter case.
fn is_named(pair: &[u8], name: &str) -> bool {
    pair.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::{values, without};

    #[test]
    fn a_cookie_is_read_and_removed_by_its_name() {
        let read = |line: &str| {
            let texts = values(line.as_bytes(), "key").map(|value| String::from_utf8_lossy(value).into_owned());
            let rest = without(line.as_bytes(), "key").map(|rest| String::from_utf8(rest).unwrap());
            (texts.collect::<Vec<_>>(), rest)
        };
        for (line, texts, rest) in [
            ("key=a", &["a"][..], Some("")),
            ("key=\"a\"", &["a"], Some("")),
            ("key=\"a", &["\"a"], Some("")),
            ("key=\"", &["\""], Some("")),
            ("key=", &[""], Some("")),
            ("x=1; key=a=b ;y=\"2\"", &["a=b"], Some("x=1; y=\"2\"")),
            (";; key=a;", &["a"], Some("")),
            ("key=a; key=b", &["a", "b"], Some("")),
            ("Key=a", &[], None),
            ("keys=a; akey=b", &[], None),
            ("key", &[], None),
            ("key =a", &[], None),
            ("", &[], None),
        ] {
            let (read, kept) = read(line);
            assert_eq!(
                (read.as_slice(), kept.as_deref()),
                (&texts.iter().map(ToString::to_string).collect::<Vec<_>>()[..], rest),
                "{line}"
            );
        }
    }
}
