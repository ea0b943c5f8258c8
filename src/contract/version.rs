//! The version of AsyncAPI that a document has.

use super::document::Value;
use super::library::Library;
use super::problem::{Level, Problem, Problems, near, quoted};

/// The generation of a document: both have a normaliser of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    /// 2.0.0 to 2.6.0.
    Two,
    /// 3.0.0 and 3.1.0.
    Three,
}

/// The versions that are read.
pub const KNOWN: &str = "2.0.0 to 2.6.0, 3.0.0 or 3.1.0";
/// The newest minor versions.
const NEWEST: [(u64, u64, Major); 2] = [(2, 6, Major::Two), (3, 1, Major::Three)];

/// Reads the version. A later minor or patch version is read as the newest known one, with a note.
pub fn read(library: &Library, root: Value<'_>, problems: &mut Problems) -> Option<(Major, String)> {
    let blocks = |rule, place, message: String| {
        Problem::new(Level::BlocksRouting, rule, place, message).expected(format!("asyncapi: {KNOWN}"))
    };
    let Some(value) = root.get("asyncapi") else {
        let other = ["openapi", "swagger"].into_iter().find(|name| root.get(name).is_some());
        let problem = match other {
            Some(other) => {
                let message =
                    format!("this is an OpenAPI document (`{other}`), which does not describe WebSocket messages");
                blocks("not-asyncapi", library.place(), message)
            }
            None if root.is_mapping() => {
                let known = near("asyncapi", root.fields().map(|(name, _)| name));
                blocks("not-asyncapi", library.place(), "the document has no `asyncapi` at its top".to_owned())
                    .nearest(known)
            }
            None => blocks(
                "not-asyncapi",
                root.place(),
                format!("a mapping belongs here, and this is {}", root.type_name()),
            ),
        };
        problems.add(problem);
        return None;
    };
    let Some(text) = value.text() else {
        problems.add(blocks("version", value.place(), format!("the version is {}", value.type_name())));
        return None;
    };
    let numbers: Vec<u64> = text.split('.').map_while(|part| part.parse().ok()).collect();
    let parts = text.split('.').count();
    let (major, minor) = match numbers.as_slice() {
        [1, ..] => {
            let message = format!("AsyncAPI {} is not read; convert the document to 2.6 or 3.0 first", quoted(text));
            problems.add(blocks("version-1", value.place(), message));
            return None;
        }
        [major, minor, _] if parts == 3 => (*major, *minor),
        [major, minor] if parts == 2 => (*major, *minor),
        _ => {
            let message = if text.contains('-') {
                format!("{} is a preliminary version, whose documents have another form", quoted(text))
            } else {
                format!("{} is no version of AsyncAPI", quoted(text))
            };
            problems.add(blocks("version", value.place(), message));
            return None;
        }
    };
    let Some((_, newest, kind)) = NEWEST.into_iter().find(|(known, _, _)| *known == major) else {
        problems.add(blocks("version", value.place(), format!("AsyncAPI {} is not known", quoted(text))));
        return None;
    };
    let is_known = minor <= newest && numbers.get(2) == Some(&0);
    if !is_known {
        let message = format!("AsyncAPI {} is read as {major}.{}", quoted(text), minor.min(newest));
        problems.add(Problem::new(Level::Note, "version-newer", value.place(), message).expected(KNOWN));
    }
    Some((kind, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Major, read};
    use crate::contract::library::Library;
    use crate::contract::problem::{Level, Problems};
    use crate::contract::sources::Sources;

    fn version(text: &str) -> (Option<Major>, Option<(Level, String)>) {
        let mut problems = Problems::default();
        let sources = Sources::one("a.yaml", text.as_bytes().to_vec()).unwrap();
        let library = Library::load(&sources, &mut problems);
        let read = read(&library, library.root().unwrap(), &mut problems).map(|(major, _)| major);
        (read, problems.list().first().map(|problem| (problem.level, problem.message.clone())))
    }

    #[test]
    fn t05_versions_are_read_quoted_or_not_and_others_get_a_plain_sentence() {
        for known in ["2.0.0", "'2.0.0'", "\"2.6.0\"", "2.3.0"] {
            assert_eq!(version(&format!("asyncapi: {known}\n")), (Some(Major::Two), None), "{known}");
        }
        for known in ["3.0.0", "3.1.0"] {
            assert_eq!(version(&format!("asyncapi: {known}\n")), (Some(Major::Three), None), "{known}");
        }
        for (newer, told) in
            [("2.6.1", "read as 2.6"), ("2.7.0", "read as 2.6"), ("3.2.0", "read as 3.1"), ("3.0", "read as 3.0")]
        {
            let (major, problem) = version(&format!("asyncapi: {newer}\n"));
            let (level, message) = problem.unwrap();
            assert!(major.is_some() && level == Level::Note && message.contains(told), "{message}");
        }
        for (text, told) in [
            ("asyncapi: 1.2.0\n", "convert the document"),
            ("asyncapi: '1.0.0'\n", "convert the document"),
            ("asyncapi: 2.0.0-rc1\n", "preliminary version"),
            ("asyncapi: 4.0.0\n", "is not known"),
            ("asyncapi: two\n", "is no version"),
            ("asyncapi: [2]\n", "the version is a list"),
            ("asyncapi:\n", "the version is nothing"),
            ("openapi: 3.0.0\n", "this is an OpenAPI document"),
            ("swagger: 2.0\n", "this is an OpenAPI document"),
            ("asynapi: 2.0.0\n", "has no `asyncapi`"),
            ("- 1\n", "this is a list"),
            ("hello\n", "this is a text"),
        ] {
            let (major, problem) = version(text);
            let (level, message) = problem.unwrap();
            assert!(major.is_none() && level == Level::BlocksRouting && message.contains(told), "{text}: {message}");
        }
    }
}
