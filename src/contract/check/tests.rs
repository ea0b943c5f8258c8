//! Verdicts on messages, bounds on the work, and schemas that no message is checked against.

use std::time::{Duration, Instant};

use super::RouteChecker;
use crate::contract::{Direction, Options, Sources, read};
use crate::routing::validation::{Kind, MessageChecker, Reason, Rule, Verdict};

/// The checker of the first route of a document whose clients send these messages, and of its components.
fn checker(messages: &str, rest: &str) -> RouteChecker {
    document(&format!(
        "asyncapi: 2.6.0\ninfo: {{title: Chat, version: 1.0.0}}\nservers: {{main: {{url: 'wss://a.example', protocol: wss}}}}\n\
        channels:\n  /: {{publish: {{message: {messages}}}}}\n{rest}"
    ))
}

fn document(text: &str) -> RouteChecker {
    let contract = read(&Sources::one("asyncapi.yaml", text.as_bytes().to_vec()).unwrap(), Options::default());
    let model = contract.model.unwrap();
    RouteChecker::compile(&model, &model.routes[0])
}

/// A checker of messages with one schema.
fn of_schema(schema: &str) -> RouteChecker {
    checker(&format!("{{payload: {schema}}}"), "")
}

fn sent(checker: &RouteChecker, message: &str) -> Verdict {
    checker.check(Direction::ClientSends, Kind::Text, message.as_bytes()).verdict
}

/// The rule, the pointer and the first named message of a violation.
#[track_caller]
fn violation(checker: &RouteChecker, message: &str) -> (&'static str, String, String) {
    match sent(checker, message) {
        Verdict::Violation(finding) => (
            finding.rule.name(),
            finding.pointer.to_string(),
            finding.messages.first().cloned().unwrap_or_default().into(),
        ),
        other => panic!("{message}: {other:?}"),
    }
}

#[track_caller]
fn unchecked(checker: &RouteChecker, message: &str) -> Reason {
    match sent(checker, message) {
        Verdict::Unchecked(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_checked_against_its_schema() {
    let checker =
        of_schema("{type: object, required: [text], properties: {type: {type: string}, text: {maxLength: 3}}}");
    assert_eq!(sent(&checker, r#"{"type": "chat", "text": "abc"}"#), Verdict::Valid);
    for (message, rule, pointer) in [
        (r#"{"type": 5, "text": "abc"}"#, "type", "/type"),
        (r#"{"type": "chat"}"#, "required", ""),
        (r#"{"text": "äöüß"}"#, "maxLength", "/text"),
        ("[]", "type", ""),
        ("Message sent", "not-json", ""),
        ("", "not-json", ""),
        ("{} {}", "not-json", ""),
        ("{\"text\": \"\u{1}\"}", "not-json", ""),
        (r#"{"text": "a", "text": "bcde"}"#, "duplicate-name", ""),
    ] {
        assert_eq!(violation(&checker, message), (rule, pointer.to_owned(), "message".to_owned()), "{message}");
    }
    let broken = [0xFF, 0xFE, b'1'];
    assert!(matches!(
        checker.check(Direction::ClientSends, Kind::Text, &broken).verdict,
        Verdict::Violation(finding) if finding.rule == Rule::NOT_JSON
    ));
}

#[test]
fn a_finding_never_holds_what_a_message_says() {
    let checker = of_schema(
        "{type: object, properties: {a: {type: integer}, b: {enum: [x]}, c: {pattern: '^x$'}, d: {const: x}, e: {anyOf: [{type: integer}]}}}",
    );
    for name in ["a", "b", "c", "d", "e"] {
        let Verdict::Violation(finding) = sent(&checker, &format!(r#"{{"{name}": "secret"}}"#)) else {
            panic!("{name}")
        };
        assert_eq!(&*finding.pointer, format!("/{name}"));
        assert!(!format!("{finding:?}").contains("secret"), "{finding:?}");
    }
}

#[test]
fn pointers_and_texts_are_short_and_without_control_characters() {
    let checker = of_schema("{additionalProperties: {type: integer}}");
    let name = format!("\\u000a\\u001b[31m{}", "n".repeat(5_000));
    let Verdict::Violation(finding) = sent(&checker, &format!(r#"{{"{name}": "x"}}"#)) else { panic!() };
    assert!(finding.pointer.chars().count() <= 200 && !finding.pointer.contains(char::is_control), "{finding:?}");
}

#[test]
fn the_field_that_tells_messages_apart_decides_before_all_are_tried() {
    let checker = checker(
        "{oneOf: [{name: join, payload: {properties: {type: {const: join}, room: {type: string}}}}, \
        {name: number, payload: {properties: {type: {enum: [1, 2.0]}, value: {type: number}}}}]}",
        "",
    );
    assert_eq!(sent(&checker, r#"{"type": "join", "room": "a"}"#), Verdict::Valid);
    for value in ["1", "1.0", "2", "1e0"] {
        assert_eq!(sent(&checker, &format!(r#"{{"type": {value}, "value": 3}}"#)), Verdict::Valid, "{value}");
    }
    let of = |rule, pointer: &str, name: &str| (rule, pointer.to_owned(), name.to_owned());
    assert_eq!(violation(&checker, r#"{"type": "join", "room": 5}"#), of("type", "/room", "join"));
    assert_eq!(violation(&checker, r#"{"type": 2, "value": "x"}"#), of("type", "/value", "number"));
    for unknown in [r#"{"type": "leave"}"#, r#"{"room": "a"}"#, r#"{"type": ["join"]}"#, "7"] {
        assert_eq!(violation(&checker, unknown).0, "unknown-message", "{unknown}");
    }
}

#[test]
fn a_message_that_fits_several_is_told_and_not_guessed() {
    let checker = checker(
        "{oneOf: [{name: a, payload: {required: [x]}}, {name: b, payload: {required: [y]}}, {name: c, payload: {required: [y, z]}}]}",
        "",
    );
    assert_eq!(sent(&checker, r#"{"x": 1}"#), Verdict::Valid);
    let Verdict::Ambiguous(finding) = sent(&checker, r#"{"x": 1, "y": 2, "z": 3}"#) else { panic!() };
    assert_eq!((finding.rule, finding.messages.len()), (Rule::MATCHES_SEVERAL, 3));
    assert_eq!(violation(&checker, "{}").0, "required");
}

#[test]
fn a_message_that_fits_none_of_several_that_nothing_tells_apart_is_a_violation() {
    let checker = checker("{oneOf: [{name: a, payload: {required: [x]}}, {name: b, payload: {required: [y]}}]}", "");
    assert!(matches!(sent(&checker, r#"{"x": 1, "y": 2}"#), Verdict::Ambiguous(_)));
    assert_eq!(violation(&checker, r#"{"z": 1}"#).0, "required");
}

#[test]
fn a_discriminator_selects_one_of_the_alternatives_of_a_schema() {
    let with = |discriminator: &str, alternatives: &str| {
        checker(
            &format!(
                "{{payload: {{discriminator: {discriminator}, {alternatives}: [{{$ref: '#/components/schemas/Text'}}, {{$ref: '#/components/schemas/Move'}}]}}}}"
            ),
            "components:\n  schemas:\n    Text: {properties: {text: {type: string}}}\n    Move: {properties: {x: {type: integer}}}\n",
        )
    };
    let mapping = "{propertyName: type, mapping: {text: '#/components/schemas/Text', move: Move}}";
    for (discriminator, text, move_to) in [("type", "Text", "Move"), (mapping, "text", "move")] {
        for alternatives in ["oneOf", "anyOf"] {
            let checker = with(discriminator, alternatives);
            // Without a discriminator both would fit, which `oneOf` does not allow.
            assert_eq!(sent(&checker, &format!(r#"{{"type": "{text}", "text": "a"}}"#)), Verdict::Valid);
            assert_eq!(sent(&checker, &format!(r#"{{"type": "{move_to}", "x": 1, "text": 5}}"#)), Verdict::Valid);
            let rule = |message: &str| {
                let (rule, pointer, _) = violation(&checker, message);
                (rule, pointer)
            };
            assert_eq!(rule(&format!(r#"{{"type": "{text}", "text": 5}}"#)), ("type", "/text".to_owned()));
            assert_eq!(rule(r#"{"type": "other"}"#), ("enum", "/type".to_owned()));
            assert_eq!(rule(r#"{"text": "a"}"#), ("required", String::new()));
            assert_eq!(rule("7"), ("type", String::new()));
        }
    }
}

#[test]
fn alternatives_that_fix_the_discriminators_property_are_selected_by_it() {
    let checker = of_schema(
        "{type: object, discriminator: type, properties: {type: {enum: [a, b, 3]}}, oneOf: [{properties: {type: {const: a}, v: {type: string}}}, \
        {properties: {type: {enum: [b, 3]}, v: {type: integer}}}]}",
    );
    assert_eq!(sent(&checker, r#"{"type": "a", "v": "x"}"#), Verdict::Valid);
    assert_eq!(sent(&checker, r#"{"type": 3.0, "v": 1}"#), Verdict::Valid);
    let (rule, pointer, _) = violation(&checker, r#"{"type": "b", "v": "x"}"#);
    assert_eq!((rule, pointer.as_str()), ("type", "/v"));
}

#[test]
fn a_schema_that_every_message_takes_in_tells_them_apart_by_its_discriminator() {
    let checker = checker(
        "{oneOf: [{payload: {$ref: '#/components/schemas/Cat'}}, {payload: {$ref: '#/components/schemas/Dog'}}]}",
        "components:\n  schemas:\n    Pet: {type: object, discriminator: kind, required: [kind], properties: {kind: {type: string}}}\n\
        \x20   Cat: {allOf: [{$ref: '#/components/schemas/Pet'}, {properties: {lives: {type: integer}}}]}\n\
        \x20   Dog: {allOf: [{$ref: '#/components/schemas/Pet'}, {properties: {lives: {type: string}}}]}\n",
    );
    assert_eq!(sent(&checker, r#"{"kind": "Cat", "lives": 9}"#), Verdict::Valid);
    let (rule, pointer, _) = violation(&checker, r#"{"kind": "Dog", "lives": 9}"#);
    assert_eq!((rule, pointer.as_str()), ("type", "/lives"));
    assert_eq!(violation(&checker, r#"{"kind": "Cow"}"#).0, "unknown-message");
}

#[test]
fn messages_with_one_schema_are_one_candidate() {
    let checker = checker(
        "{oneOf: [{name: a, payload: {$ref: '#/s'}}, {name: b, payload: {$ref: '#/s'}}]}",
        "s: {type: object}\n",
    );
    assert_eq!(sent(&checker, "{}"), Verdict::Valid);
    assert_eq!(violation(&checker, "1").2, "a");
}

#[test]
fn the_nearest_message_is_named() {
    let checker = checker(
        "{oneOf: [{name: far, payload: {type: array}}, {name: near, payload: {properties: {kind: {const: k}, deep: {properties: {x: {type: integer}}}}, required: [kind]}}]}",
        "",
    );
    let found = violation(&checker, r#"{"kind": "k", "deep": {"x": "no"}}"#);
    assert_eq!(found, ("type", "/deep/x".to_owned(), "near".to_owned()));
}

#[test]
fn what_may_be_a_message_that_cannot_be_checked_is_not_a_violation() {
    let checker = checker(
        "{oneOf: [{name: a, payload: {type: object}}, {name: b, contentType: application/octet-stream, payload: {type: string}}]}",
        "",
    );
    assert_eq!(sent(&checker, "{}"), Verdict::Valid);
    for text in ["7", "no json", r#"{"a": 1, "a": 2}"#] {
        assert!(matches!(unchecked(&checker, text), Reason::Message(why) if why.contains("octet-stream")), "{text}");
    }
    assert_eq!(checker.unchecked(Direction::ClientSends).len(), 1);
}

#[test]
fn binary_messages_and_directions_without_messages_are_not_checked() {
    let checker = of_schema("{type: object}");
    let verdict = checker.check(Direction::ClientSends, Kind::Binary, b"7").verdict;
    assert_eq!(verdict, Verdict::Unchecked(Reason::Binary));
    let verdict = checker.check(Direction::ClientReceives, Kind::Text, b"7").verdict;
    assert_eq!(verdict, Verdict::Unchecked(Reason::NoMessage));
}

#[test]
fn a_document_without_operations_is_checked_in_both_directions_for_reports_alone() {
    let checker = document(
        "asyncapi: 3.0.0\ninfo: {title: Chat, version: 1.0.0}\nservers: {main: {host: a.example, protocol: wss}}\n\
        channels: {c: {address: /, messages: {m: {payload: {type: object}}}}}\n",
    );
    assert!(checker.is_undirected());
    for direction in [Direction::ClientSends, Direction::ClientReceives] {
        assert!(matches!(checker.check(direction, Kind::Text, b"7").verdict, Verdict::Violation(_)));
    }
}

#[test]
fn keywords_of_other_dialects_are_taken_as_they_are_meant() {
    let nullable = of_schema("{properties: {a: {type: string, nullable: true}, b: {enum: [x], nullable: true}}}");
    assert_eq!(sent(&nullable, r#"{"a": null, "b": null}"#), Verdict::Valid);
    assert_eq!(violation(&nullable, r#"{"a": 1}"#).0, "type");
    // Of draft 2020-12 and 2019-09; the list in `items` is of draft 7.
    let tuple = of_schema("{prefixItems: [{type: integer}]}");
    assert_eq!(violation(&tuple, r#"["x"]"#).1, "/0");
    let dependent = of_schema("{dependentRequired: {a: [b]}}");
    assert_eq!(violation(&dependent, r#"{"a": 1}"#).1, "");
    let items = of_schema("{items: [{type: integer}], additionalItems: {type: string}}");
    assert_eq!(violation(&items, "[1, 2]").1, "/1");
    // Identifiers and formats change nothing.
    let named = of_schema(
        "{$id: 'https://x.example/a', $schema: 'https://x.example/b', properties: {$id: {type: integer}, d: {format: date}}}",
    );
    assert_eq!(sent(&named, r#"{"$id": 1, "d": "never"}"#), Verdict::Valid);
    assert_eq!(violation(&named, r#"{"$id": "x"}"#).1, "/$id");
}

#[test]
fn references_cycles_and_files_with_odd_names_are_followed() {
    let tree = checker(
        "{payload: {$ref: '#/components/schemas/a~1%20b'}}",
        "components: {schemas: {'a/ b': {type: object, required: [v], properties: {v: {type: integer}, next: {$ref: '#/components/schemas/a~1%20b'}}}}}\n",
    );
    assert_eq!(sent(&tree, r#"{"v": 1, "next": {"v": 2}}"#), Verdict::Valid);
    assert_eq!(violation(&tree, r#"{"v": 1, "next": {"v": 1, "next": {}}}"#).1, "/next/next");
}

#[test]
fn a_schema_that_cannot_bound_its_work_checks_nothing() {
    let itself = checker("{payload: {$ref: '#/s'}}", "s: {anyOf: [{type: string}, {$ref: '#/s'}]}\n");
    assert!(matches!(unchecked(&itself, "7"), Reason::Message(why) if why.contains("refers to itself")));
    // Two to the power of 30 schemas for one value.
    let double = |n: usize| format!("s{n}: {{anyOf: [{{$ref: '#/s{}'}}, {{$ref: '#/s{}'}}]}}\n", n + 1, n + 1);
    let many: String = (0..30).map(double).chain(["s30: {type: string}\n".to_owned()]).collect();
    assert!(
        matches!(unchecked(&checker("{payload: {$ref: '#/s0'}}", &many), "7"), Reason::Message(why) if why.contains("too many"))
    );
    let inside: String = format!("{many}t: {{items: {{$ref: '#/s0'}}}}\n");
    assert!(
        matches!(unchecked(&checker("{payload: {$ref: '#/t'}}", &inside), "7"), Reason::Message(why) if why.contains("too many"))
    );
}

/// A time that no check of a message of 64 KiB takes, even in a debug build on a busy host.
const LONG: Duration = Duration::from_secs(2);

#[test]
fn hostile_messages_cost_bounded_work() {
    const BYTES: usize = 64 << 10;
    // Two ways down at every step: without a bound 2^60 of them.
    let ways = checker(
        "{payload: {$ref: '#/s'}}",
        "s: {anyOf: [{type: string, minLength: 1}, {type: array, items: {$ref: '#/s'}}, {type: array, items: {anyOf: [{$ref: '#/s'}, {type: array, items: {$ref: '#/s'}}]}}]}\n",
    );
    let unique = of_schema("{uniqueItems: true, items: {uniqueItems: true}}");
    let patterns =
        of_schema("{items: {anyOf: [{pattern: '^(a|b|ab)*c$'}, {pattern: '(x+x+)+y'}, {pattern: '.*.*.*=.*'}]}}");
    let contains = of_schema("{contains: {contains: {contains: {const: x}}}}");
    let unevaluated =
        of_schema("{unevaluatedProperties: false, anyOf: [{properties: {a: {}}}, {patternProperties: {'^b': {}}}]}");
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let wide = |item: &str| format!("[{}]", vec![item; BYTES / (item.len() + 1) - 1].join(","));
    let numbers: String = format!("[{}]", (0..9_000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let fields: String = format!("{{{}}}", (0..5_000).map(|n| format!("\"b{n}\": {n}")).collect::<Vec<_>>().join(","));
    let messages = [
        nested(60),
        nested(64),
        nested(65),
        nested(30_000),
        wide("1"),
        wide("[]"),
        wide("{}"),
        wide("[1,2]"),
        wide("\"aaaaaaaaaaaaaaaa\""),
        wide(&nested(50)),
        numbers,
        fields,
        format!("[\"{}\"]", "x".repeat(BYTES)),
        "\"".repeat(BYTES),
        "{\"a\":".repeat(10_000),
    ];
    for (name, checker) in [
        ("ways", &ways),
        ("unique", &unique),
        ("patterns", &patterns),
        ("contains", &contains),
        ("unevaluated", &unevaluated),
    ] {
        for message in &messages {
            let begun = Instant::now();
            let verdict = sent(checker, message);
            let took = begun.elapsed();
            assert!(took < LONG, "{name}: {} takes {took:?}: {verdict:?}", &message[..40.min(message.len())]);
        }
    }
    assert_eq!(unchecked(&ways, &nested(65)), Reason::TooDeep);
    assert_eq!(unchecked(&ways, &format!("[{}]", vec!["1"; 200_000].join(","))), Reason::TooManyValues);
}

#[test]
fn the_deepest_message_fits_the_stack_of_a_shard_with_the_longest_row_of_schemas() {
    // 15 references in a row for each of 64 levels.
    let row = |n: usize| format!("s{n}: {{allOf: [{{$ref: '#/s{}'}}]}}\n", n + 1);
    let rows: String = (0..7).map(row).chain(["s7: {items: {$ref: '#/s0'}}\n".to_owned()]).collect();
    let checker = checker("{payload: {$ref: '#/s0'}}", &rows);
    let message = format!("{}{}", "[".repeat(64), "]".repeat(64));
    let run = move || assert_eq!(sent(&checker, &message), Verdict::Valid);
    // A quarter of what a shard's thread has.
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}

/// The documents of others, if they are there: every message can be checked or says why not, and all compile quickly.
#[test]
fn the_largest_contract_of_others_compiles_in_a_moment() {
    let folder = std::env::var_os("RINGWAY_CONTRACTS").map(std::path::PathBuf::from);
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/contracts");
    let Ok(bytes) = std::fs::read(folder.unwrap_or(beside).join("ucr-core-2.2.yaml")) else {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: RINGWAY_CONTRACTS names no folder with ucr-core-2.2.yaml");
        return;
    };
    let contract = read(&Sources::one("asyncapi.yaml", bytes).unwrap(), Options::default());
    let model = contract.model.unwrap();
    let begun = Instant::now();
    let checkers = super::checkers(&model);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    for route in &model.routes {
        assert!(checkers.get(&route.path).is_some(), "{}", route.path);
        let checker = RouteChecker::compile(&model, route);
        for direction in [Direction::ClientSends, Direction::ClientReceives] {
            assert_eq!(checker.unchecked(direction), [], "{}", route.path);
        }
    }
}
