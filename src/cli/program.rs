//! The name of the program, as the user called it: a command that a message suggests can be copied as it is printed.

use std::path::Path;

/// The program as the user called it, `target/release/ringway` for example, quoted where a shell needs it.
pub(super) fn name() -> String {
    called(first_argument().as_deref())
}

/// The last part of the name, which begins each error message.
pub(super) fn short_name() -> String {
    let name = first_argument();
    let last = name.as_deref().and_then(|name| Path::new(name).file_name()?.to_str());
    last.unwrap_or("ringway").to_owned()
}

fn first_argument() -> Option<String> {
    std::env::args_os().next().map(|name| name.to_string_lossy().into_owned())
}

fn called(argument: Option<&str>) -> String {
    let name = argument.filter(|name| !name.is_empty()).unwrap_or("ringway");
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if name.chars().all(is_plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::called;

    #[test]
    fn a_suggested_command_can_be_pasted_into_a_shell() {
        for (argument, expected) in [
            (Some("ringway"), "ringway"),
            (Some("target/release/ringway"), "target/release/ringway"),
            (Some("/opt/my tools/ringway"), "'/opt/my tools/ringway'"),
            (Some("it's"), r"'it'\''s'"),
            (Some(""), "ringway"),
            (None, "ringway"),
        ] {
            assert_eq!(called(argument), expected);
        }
    }
}
