//! The examples of each command: one table for the help pages and the manual pages.
//!
//! A test walks the whole command line and fails where a command has no example, and where the real parser refuses one.

mod consumers;
mod table;

use std::fmt::Write as _;

use clap::Command;

/// The widest line of an example in a help page; a longer one continues on the next line.
const MAX_WIDTH: usize = 78;

/// A line to type, and the reason to type it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example {
    pub(super) purpose: &'static str,
    pub(super) line: &'static str,
}

/// Every command with its examples.
fn all() -> impl Iterator<Item = &'static (&'static str, &'static [Example])> {
    table::EXAMPLES.iter().chain(consumers::EXAMPLES)
}

/// The examples of a command; none if it is not in a table.
pub(super) fn of(path: &str) -> &'static [Example] {
    all().find(|(command, _)| *command == path).map_or(&[], |(_, examples)| examples)
}

/// Adds a section `Examples` to the help of a command and of all below it. `program` is how the user called the program.
pub(in crate::cli) fn in_help(command: Command, program: &str) -> Command {
    with_examples(command, "", program)
}

fn with_examples(mut command: Command, path: &str, program: &str) -> Command {
    let below: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in below {
        let path = join(path, &name);
        command = command.mut_subcommand(name, |below| with_examples(below, &path, program));
    }
    let heading = *command.get_styles().get_header();
    let mut text = format!("{heading}Examples:{heading:#}");
    for Example { purpose, line } in of(path) {
        let line = line.replacen("ringway ", &format!("{program} "), 1);
        let _ = write!(text, "\n  # {purpose}\n{}", indented(&line));
    }
    command.after_help(text)
}

/// The path of a command below another: `api` and `deploy` are `api deploy`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path} {name}") }
}

/// A command line, indented, continued before an option where it would be too wide.
pub(super) fn indented(line: &str) -> String {
    let mut text = String::from(" ");
    let mut width = text.len();
    let mut words = line.split(' ').peekable();
    while let Some(word) = words.next() {
        // An option stays beside its value.
        let value = words.peek().filter(|next| word.starts_with('-') && !next.starts_with('-'));
        let room = word.len() + value.map_or(0, |value| value.len() + 1) + " \\".len();
        if word.starts_with("--") && width + 1 + room > MAX_WIDTH {
            text += " \\\n     ";
            width = 5;
        }
        let _ = write!(text, " {word}");
        width += 1 + word.len();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::{MAX_WIDTH, all, indented, join, of};
    use crate::cli::Cli;
    use crate::cli::global_options::{self, unusable_option};

    /// The words of each `ringway` command in a line of the shell, quotes removed.
    fn commands(line: &str) -> Vec<Vec<String>> {
        let mut commands = vec![vec![String::new()]];
        let mut quote = None;
        for c in line.chars() {
            let words = commands.last_mut().unwrap();
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (' ', None) => words.push(String::new()),
                ('|' | '>' | '&' | ';' | '<' | '(' | ')' | '#', None) => commands.push(vec![String::new()]),
                (c, _) => words.last_mut().unwrap().push(c),
            }
        }
        for words in &mut commands {
            words.retain(|word| !word.is_empty());
        }
        let name = |words: &Vec<String>| {
            words.first().is_some_and(|first| {
                first == "ringway" || (first.starts_with("target/") && first.ends_with("/ringway"))
            })
        };
        commands.into_iter().filter(name).collect()
    }

    /// Why the real parser refuses a line of the shell that calls the program.
    fn refused(line: &str) -> Option<String> {
        let calls = commands(line);
        if calls.is_empty() {
            return Some("it does not call ringway".to_owned());
        }
        calls.into_iter().find_map(|words| {
            let command = global_options::command("ringway");
            let matches = match command.clone().try_get_matches_from(&words) {
                Ok(matches) => matches,
                Err(error) if !error.use_stderr() => return None,
                Err(error) => return Some(error.to_string()),
            };
            let unusable = unusable_option(&command, &matches);
            unusable.or_else(|| Cli::from_arg_matches(&matches).err().map(|error| error.to_string()))
        })
    }

    fn walk(command: &Command, path: &str, seen: &mut Vec<String>) {
        assert!(!of(path).is_empty(), "`ringway {path}` has no example");
        let help = command.clone().render_help().to_string();
        assert!(help.contains("\nExamples:\n"), "{help}");
        seen.push(path.to_owned());
        for below in command.get_subcommands() {
            walk(below, &join(path, below.get_name()), seen);
        }
    }

    #[test]
    fn every_command_has_examples_and_every_example_has_its_command() {
        let mut seen = Vec::new();
        walk(&global_options::command("ringway"), "", &mut seen);
        let without: Vec<&str> = all().map(|(path, _)| *path).collect();
        let without: Vec<&&str> = without.iter().filter(|path| !seen.iter().any(|it| it == *path)).collect();
        assert!(without.is_empty(), "no such command: {without:?}");
    }

    #[test]
    fn the_parser_accepts_every_example() {
        for (path, examples) in all() {
            let first = examples.first().map_or("", |example| example.line);
            assert!(
                path.is_empty() || first.contains(&format!("ringway {path}")),
                "`{first}` is no example of `{path}`"
            );
            for example in *examples {
                assert_eq!(refused(example.line), None, "{}", example.line);
            }
        }
    }

    #[test]
    fn examples_fit_the_narrowest_usual_terminal() {
        for (path, examples) in all() {
            for example in *examples {
                let text = format!("  # {}\n{}", example.purpose, indented(example.line));
                assert!(text.lines().all(|line| line.len() <= MAX_WIDTH), "{path}:\n{text}");
                assert_eq!(
                    text.lines().skip(1).map(|line| line.trim_end_matches('\\').trim()).collect::<Vec<_>>().join(" "),
                    example.line
                );
            }
        }
    }

    #[test]
    fn the_parser_accepts_every_command_in_the_documentation() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let pages = docs.filter(|path| path.extension().is_some_and(|it| it == "md")).chain([root.join("README.md")]);
        let mut count = 0;
        for page in pages {
            let text = std::fs::read_to_string(&page).unwrap();
            let blocks = text.split("```").skip(1).step_by(2);
            for block in blocks.filter(|block| block.starts_with("sh\n") || block.starts_with("console\n")) {
                for line in block.replace("\\\n", " ").lines() {
                    let line = line.trim_start_matches("$ ").trim_start();
                    // A command's output in a `console` block begins with a colon behind the name, or with no name.
                    let line = line.trim_start_matches("sudo ");
                    let calls =
                        line.starts_with("ringway ") || line.contains("| ringway ") || line.contains("/ringway ");
                    let is_anothers = line.starts_with("install ") || line.starts_with("ringway-load ");
                    if calls && !is_anothers {
                        count += 1;
                        assert_eq!(refused(line), None, "{}: {line}", page.display());
                    }
                }
            }
        }
        assert!(count > 20, "only {count} commands were found");
    }
}
