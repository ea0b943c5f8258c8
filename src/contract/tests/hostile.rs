//! Hostile input: every row is answered in time, with problems and without a panic.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{Contract, Options, Sources, read, three, two};
use crate::contract::diff::diff;
use crate::contract::pages::{Documentation, MAX_PAGE_BYTES};
use crate::contract::predefined::{Choice, predefined};

/// Stops what would not end. A loaded machine with a test build is slow; the time of a release build is measured elsewhere.
const MOST: Duration = Duration::from_secs(120);

/// The row's problem, or nothing for a row that is merely strange.
type Row = (&'static str, String, Option<&'static str>);

fn repeated(count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).map(row).collect()
}

fn publishing(message: &str) -> String {
    two(&format!("channels: {{/: {{publish: {{message: {message}}}}}}}\n"))
}

fn with_payload(payload: &str) -> String {
    publishing(&format!("{{payload: {payload}}}"))
}

fn bombs() -> Vec<Row> {
    let mut laughs = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n".to_owned();
    let mut maps = "a0: &a0 {a: 1, b: 2}\n".to_owned();
    for n in 1..12 {
        let _ = writeln!(laughs, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 10].join(","));
        let _ = writeln!(maps, "a{n}: &a{n} {{l: *a{m}, r: *a{m}, s: *a{m}, t: *a{m}}}", m = n - 1);
    }
    let merges = repeated(2000, |n| format!("m{n}: {{<<: *big, x{n}: 1}}\n"));
    let big = format!("big: &big {{{}}}\n", repeated(1000, |n| format!("k{n}: 1, ")));
    vec![
        ("aliases of lists", two(&laughs), Some("too-many-values")),
        ("aliases of mappings", two(&maps), Some("too-many-values")),
        ("merges of a large mapping", two(&format!("{big}{merges}")), Some("too-many-values")),
        ("an alias in its own anchor", two("x: &x [*x]\n"), Some("alias-cycle")),
        ("an alias to nobody", two("x: *nobody\n"), Some("syntax")),
        ("lists 10,000 deep", "[".repeat(10_000), Some("depth")),
        ("JSON 10,000 deep", format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)), Some("depth")),
        ("blocks 10,000 deep", repeated(10_000, |n| format!("{}a:\n", " ".repeat(n.min(400)))), Some("depth")),
        ("sequences in one line", "- ".repeat(10_000), Some("depth")),
        ("complex keys", "? ".repeat(10_000), None),
        ("two million values", format!("[{}]", "1,".repeat(2_000_000)), Some("too-many-values")),
        ("a scalar of 15 MB", two(&format!("x: {}\n", "y".repeat(15 << 20))), Some("missing-field")),
        ("a name of 10 MB", two(&format!("? {}\n: 1\n", "y".repeat(10 << 20))), Some("key")),
        (
            "long names around many values",
            two(&format!("channels: {{{}}}\n", repeated(2000, |n| format!("'/{}{n}': {{x: 1}}, ", "y".repeat(1500))))),
            None,
        ),
        ("a text of 8 MB of quotes", "'".repeat(8 << 20), Some("not-asyncapi")),
        ("a text of brackets", "]".repeat(1 << 20), Some("syntax")),
        ("anchors without end", two(&format!("x: [{}]\n", repeated(100_000, |n| format!("&a{n} 1,")))), None),
        ("tags without end", format!("{} 1", "!!str ".repeat(100_000)), Some("syntax")),
        ("comments without end", "#\n".repeat(1_000_000), Some("empty")),
        ("documents without end", "---\n".repeat(500_000), Some("not-asyncapi")),
        ("a NUL", "a: \0\n".to_owned(), None),
        ("a directive of 1 MB", format!("%{}\n---\na: 1\n", "x".repeat(1 << 20)), Some("syntax")),
    ]
}

fn references() -> Vec<Row> {
    let chain = repeated(20_000, |n| format!("c{n}: {{$ref: '#/c{}'}}\n", n + 1));
    let many = repeated(20_000, |n| format!("{{$ref: '#/nowhere/{n}'}}, "));
    let fan = repeated(300, |n| format!("s{n}: {{oneOf: [{}]}}\n", repeated(300, |m| format!("{{$ref: '#/s{m}'}}, "))));
    vec![
        ("a reference to itself", with_payload("{$ref: '#/channels/~1/publish/message/payload'}"), Some("ref-cycle")),
        (
            "two references in a circle",
            format!("{}a: {{$ref: '#/b'}}\nb: {{$ref: '#/a'}}\n", with_payload("{$ref: '#/a'}")),
            Some("ref-cycle"),
        ),
        (
            "a reference through itself",
            format!("{}a: {{$ref: '#/a/b'}}\n", with_payload("{$ref: '#/a'}")),
            Some("ref-chain"),
        ),
        ("a chain of 20,000", format!("{}{chain}", with_payload("{$ref: '#/c0'}")), Some("ref-chain")),
        ("20,000 to nowhere", publishing(&format!("{{oneOf: [{many}]}}")), Some("ref-missing")),
        ("90,000 among 300 schemas", format!("{}{fan}", with_payload("{$ref: '#/s0'}")), None),
        ("a channel that is a circle", two("channels: {/: {$ref: '#/channels/~1'}}\n"), Some("ref-cycle")),
        ("file:///etc/passwd", with_payload("{$ref: 'file:///etc/passwd'}"), Some("ref-outside")),
        ("/etc/passwd", with_payload("{$ref: '/etc/passwd'}"), Some("ref-outside")),
        ("../../../../etc/passwd", with_payload("{$ref: '../../../../etc/passwd'}"), Some("ref-outside")),
        ("FILE:etc/passwd", with_payload("{$ref: 'FILE:etc/passwd'}"), Some("ref-outside")),
        ("metadata of a cloud", with_payload("{$ref: 'http://169.254.169.254/'}"), Some("ref-remote")),
        ("gopher", with_payload("{$ref: 'gopher://a/'}"), Some("ref-remote")),
        ("a reference that is a list", with_payload("{$ref: [1]}"), Some("ref-type")),
        ("a reference that is a mapping", with_payload("{$ref: {$ref: '#'}}"), Some("ref-type")),
        ("a fragment that is no pointer", with_payload("{$ref: '#x'}"), Some("ref-pointer")),
        ("a pointer of 1 MB", with_payload(&format!("{{$ref: '#{}'}}", "/a".repeat(500_000))), Some("ref-missing")),
        ("the document as its own schema", with_payload("{$ref: '#'}"), None),
        ("the document as its own message", publishing("{$ref: '#'}"), None),
        ("bytes that are no UTF-8 in a pointer", with_payload("{$ref: '#/%ff'}"), Some("ref-pointer")),
    ]
}

fn products() -> Vec<Row> {
    let messages = repeated(3000, |n| format!("m{n}: {{payload: {{}}}}, "));
    let operations = repeated(3000, |n| format!("o{n}: {{action: send, channel: {{$ref: '#/channels/c'}}}}, "));
    let shared = repeated(3000, |n| format!("'/{n}/{{p}}': {{$ref: '#/shared'}}, "));
    let traits = repeated(3000, |n| format!("{{name: t{n}}}, "));
    let values = repeated(3000, |n| format!("v{n}, "));
    let patterns = repeated(20_000, |n| format!("p{n}: {{pattern: '^[a-z]{{1,9}}{n}$'}}, "));
    let text = "y".repeat(1 << 20);
    let nested = (0..55).fold(format!("{{description: {}}}", "y".repeat(2 << 20)), |inner, _| {
        format!("{{properties: {{a: {inner}}}}}")
    });
    let inside = repeated(55, |n| format!("{{payload: {{$ref: '#/s{}'}}}}, ", "/properties/a".repeat(n)));
    let one_schema =
        publishing(&format!("{{oneOf: [{}]}}", repeated(3000, |_| "{payload: {$ref: '#/s'}}, ".to_owned())));
    let long = "y".repeat(900);
    // As long as a key may be, nearly.
    let far =
        format!("components: {{schemas: {{a: {{$ref: '#/far/{long}/{long}'}}}}}}\nfar: {{{long}: {{{long}: {{}}}}}}\n");
    let to_far = repeated(40_000, |n| format!("p{n}: {{$ref: '#/components/schemas/a'}}, "));
    let mapping = repeated(40_000, |n| format!("m{n}: a, "));
    vec![
        (
            "references inside a schema with a long key",
            format!(
                "{}components: {{schemas: {{a: {{}}}}}}\nfar: {{{long}: {{{long}: {{properties: {{{to_far}}}}}}}}}\n",
                with_payload(&format!("{{$ref: '#/far/{long}/{long}'}}"))
            ),
            Some("too-many-uses"),
        ),
        (
            "references times a long reference",
            format!(
                "{}components: {{schemas: {{a: {{$ref: '#/far{}'}}}}}}\nfar: {}{{}}{}\n",
                with_payload(&format!("{{properties: {{{to_far}}}}}")),
                format!("/{long}").repeat(50),
                format!("{{{long}: ").repeat(50),
                "}".repeat(50)
            ),
            Some("ref-work"),
        ),
        (
            "values of a mapping times a long key",
            format!(
                "{}{far}",
                with_payload(&format!("{{discriminator: {{propertyName: p, mapping: {{{mapping}}}}}}}"))
            ),
            Some("discriminator"),
        ),
        (
            "schemas inside schemas",
            format!("{}s: {nested}\n", publishing(&format!("{{oneOf: [{inside}]}}"))),
            Some("schemas-too-large"),
        ),
        (
            "channels times a description",
            two(&format!("channels: {{{shared}}}\nshared: {{description: {text}}}\n")),
            Some("too-many-uses"),
        ),
        (
            "channels times a value",
            two(&format!("channels: {{{shared}}}\nshared: {{parameters: {{p: {{schema: {{enum: [{text}]}}}}}}}}\n")),
            Some("too-many-uses"),
        ),
        ("messages times an example", format!("{one_schema}s: {{example: {text}}}\n"), None),
        ("messages times a constant", format!("{one_schema}s: {{properties: {{a: {{const: {text}}}}}}}\n"), None),
        (
            "messages times operations",
            three(&format!(
                "channels: {{c: {{address: /, messages: {{{messages}}}}}}}\noperations: {{{operations}}}\n"
            )),
            Some("too-many-uses"),
        ),
        (
            "channels times values",
            two(&format!("channels: {{{shared}}}\nshared: {{parameters: {{p: {{schema: {{enum: [{values}]}}}}}}}}\n")),
            Some("too-many-uses"),
        ),
        (
            "channels times traits",
            two(&format!(
                "channels: {{{shared}}}\nshared: {{publish: {{message: {{payload: {{}}}}, traits: [{traits}]}}}}\n"
            )),
            Some("too-many-uses"),
        ),
        ("patterns without end", with_payload(&format!("{{properties: {{{patterns}}}}}")), Some("pattern")),
        ("a pattern that repeats repetitions", with_payload("{pattern: '((a{1000}){1000}){1000}'}"), Some("pattern")),
        ("a pattern that looks behind", with_payload("{pattern: '(?<=a)b'}"), Some("pattern")),
        ("a pattern that refers back", with_payload("{pattern: '(a+)\\1'}"), Some("pattern")),
        (
            "a pattern of groups in groups",
            with_payload(&format!("{{pattern: '{}'}}", "(".repeat(10_000))),
            Some("pattern"),
        ),
        (
            "allOf of itself with an example",
            format!("{}s: {{allOf: [{{$ref: '#/s'}}, {{$ref: '#/s'}}], example: 1}}\n", with_payload("{$ref: '#/s'}")),
            None,
        ),
        (
            "properties of itself with an example",
            format!(
                "{}s: {{properties: {{a: {{$ref: '#/s'}}, b: {{$ref: '#/s'}}, c: {{example: 1}}}}}}\n",
                with_payload("{$ref: '#/s'}")
            ),
            None,
        ),
        (
            "an address of 1 MB",
            three(&format!("channels: {{c: {{address: '/{}'}}}}\n", "{a}".repeat(300_000))),
            Some("address"),
        ),
        (
            "a server's URL of 1 MB",
            format!(
                "asyncapi: 2.6.0\nservers: {{s: {{url: 'ws://{}', protocol: ws}}}}\nchannels: {{/: {{}}}}\n",
                "{a}".repeat(300_000)
            ),
            Some("server-url"),
        ),
        ("100,000 unknown fields", two(&repeated(100_000, |n| format!("f{n}: 1\n"))), Some("missing-field")),
        ("100,000 duplicate keys", two(&repeated(100_000, |_| "f: 1\n".to_owned())), Some("duplicate-key")),
    ]
}

fn types() -> Vec<Row> {
    let mut rows = Vec::new();
    for wrong in ["5", "[1, 2]", "text", "{a: {b: c}}", "true", "null", "[[]]", "{$ref: 5}"] {
        for field in ["info", "servers", "channels", "components", "defaultContentType", "id", "tags"] {
            rows.push(("a wrong type at the top of 2.x", format!("asyncapi: 2.6.0\n{field}: {wrong}\n"), None));
            rows.push((
                "a wrong type at the top of 3.x",
                format!("asyncapi: 3.0.0\n{field}: {wrong}\noperations: {wrong}\n"),
                None,
            ));
        }
        let channel = format!(
            "channels: {{/: {{publish: {wrong}, subscribe: {{message: {wrong}, traits: {wrong}, bindings: {wrong}, security: {wrong}}}, parameters: {wrong}, bindings: {{ws: {wrong}}}, servers: {wrong}}}, /b: {wrong}}}\n"
        );
        rows.push(("wrong types in channels of 2.x", two(&channel), None));
        let message = format!(
            "{{payload: {wrong}, headers: {wrong}, examples: {wrong}, correlationId: {wrong}, traits: {wrong}, schemaFormat: {wrong}, contentType: {wrong}, name: {wrong}}}"
        );
        rows.push(("wrong types in a message", publishing(&message), None));
        rows.push(("wrong types in a message of 3.x", three(&format!("channels: {{c: {{address: {wrong}, messages: {{m: {message}, n: {wrong}}}, parameters: {{p: {wrong}}}, servers: {wrong}}}}}\noperations: {{o: {{action: {wrong}, channel: {wrong}, messages: {wrong}, reply: {wrong}}}, p: {{action: send, channel: {{$ref: '#/channels/c'}}, messages: {wrong}, reply: {{channel: {wrong}, messages: {wrong}, address: {wrong}}}}}, q: {wrong}}}\n")), None));
        let schema: String = [
            "type",
            "enum",
            "required",
            "properties",
            "items",
            "allOf",
            "pattern",
            "minimum",
            "format",
            "not",
            "additionalProperties",
            "dependencies",
            "definitions",
            "uniqueItems",
            "const",
            "example",
        ]
        .iter()
        .map(|keyword| format!("{keyword}: {wrong}, "))
        .collect();
        rows.push(("wrong types in a schema", with_payload(&format!("{{{schema}}}")), None));
        rows.push(("wrong types in servers", format!("asyncapi: 3.0.0\nservers: {{s: {{host: {wrong}, protocol: {wrong}, variables: {{v: {wrong}}}, security: {wrong}, bindings: {wrong}}}, t: {wrong}}}\nchannels: {{c: {{address: /}}}}\ncomponents: {{securitySchemes: {{x: {wrong}, y: {{type: {wrong}, name: {wrong}}}}}}}\n"), None));
    }
    rows
}

/// Reads a document, and asks everything that a caller asks of a contract.
fn used(text: &str) -> Contract {
    used_files(&Sources::one("asyncapi.yaml", text.as_bytes().to_vec()).unwrap())
}

/// Reads files, and asks everything that a caller asks of a contract.
pub(super) fn used_files(sources: &Sources) -> Contract {
    let contract = read(sources, Options::default());
    for problem in contract.problems.list() {
        assert!(problem.to_string().len() < 5_000, "{}", problem.to_string().len());
        assert!(crate::contract::display::shown(problem, sources).to_string().len() < 6_000);
    }
    let bytes: usize = sources.iter().map(|(_, bytes)| bytes.len()).sum();
    if let Some(model) = &contract.model {
        let _ = predefined(model, &Choice::default());
        let _ = diff(model, model);
        let site = Documentation { api: "api", model, problems: &contract.problems, environments: &[] }.site();
        for name in ["index.html", "channel-1.html", "schemas-1.html"] {
            let page = site.page(name).transpose().unwrap().unwrap_or_default();
            assert!(page.len() < 9 * MAX_PAGE_BYTES, "{name}: {}", page.len());
        }
        let written = serde_json::to_string(model).unwrap();
        assert!(written.len() < 20 * bytes + 100_000_000, "{} of {bytes}", written.len());
    }
    contract
}

#[track_caller]
fn check(rows: Vec<Row>) {
    for (name, text, rule) in rows {
        let begun = Instant::now();
        let contract = used(&text);
        assert!(begun.elapsed() < MOST, "{name}: {:?}", begun.elapsed());
        if let Some(rule) = rule {
            let rules: Vec<&str> = contract.problems.list().iter().map(|problem| problem.rule).collect();
            assert!(rules.contains(&rule), "{name}: {rule} is not among {rules:?}");
        }
        assert!(contract.model.is_some() || contract.problems.block_routing(), "{name}: neither a model nor a reason");
    }
}

/// All rows as files, for measuring.
pub(super) fn rows() -> Vec<(&'static str, Sources)> {
    let rows = bombs().into_iter().chain(references()).chain(products()).chain(types());
    rows.map(|(name, text, _)| (name, Sources::one("asyncapi.yaml", text.into_bytes()).unwrap())).collect()
}

#[test]
fn bombs_of_yaml_are_refused() {
    check(bombs());
}

#[test]
fn references_lead_nowhere_that_they_should_not() {
    check(references());
}

#[test]
fn products_of_long_lists_are_bounded() {
    check(products());
}

#[test]
fn the_table_has_sixty_rows_besides_those_of_wrong_types() {
    assert!(bombs().len() + references().len() + products().len() >= 60);
}

#[test]
fn wrong_types_are_problems_wherever_they_are() {
    let rows = types();
    assert!(rows.len() > 60);
    check(rows);
}

#[test]
fn the_same_schema_is_shared_and_never_copied() {
    let contract = used(&two(&format!(
        "channels: {{{}}}\ns: {{properties: {{{}}}}}\n",
        repeated(500, |n| format!("/{n}: {{publish: {{message: {{payload: {{$ref: '#/s'}}}}}}}}, ")),
        repeated(500, |n| format!("p{n}: {{$ref: '#/s'}}, "))
    )));
    assert_eq!(contract.model.unwrap().schemas.len(), 1);
}
