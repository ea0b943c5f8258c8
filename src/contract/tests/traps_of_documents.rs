//! Traps of whole documents: references, versions, traits, levels, round trips.

use super::{Level, contract, files, is_clean, model, problem, three, told, two};
use crate::contract::diff::{Party, diff};
use crate::contract::{Options, Sources, read};

#[test]
fn t04_the_raw_document_is_checked_and_pointers_are_kept() {
    // The fault is told where it was written, and not where a reference uses it.
    let text = two(
        "channels:\n  /a: {publish: {message: {$ref: '#/components/messages/m'}}}\n  /b: {publish: {message: {$ref: '#/components/messages/m'}}}\n\
        components:\n  messages:\n    m: {payload: {$ref: '#/components/schemas/s'}}\n  schemas:\n    s: {type: strin}\n",
    );
    let contract = contract(&text);
    let problem = problem(&contract, "schema-type");
    assert_eq!((problem.place.line, problem.place.pointer.as_str()), (12, "/components/schemas/s/type"));
    assert_eq!(problem.nearest.as_deref(), Some("string"));
    let model = contract.model.unwrap();
    assert_eq!(model.messages[0].pointer, "/components/messages/m");
    assert_eq!(model.messages[0].payload.as_ref().unwrap().schema, "#/components/schemas/s");
}

#[test]
fn t06_a_trait_of_2_x_is_merged_over_the_object_and_one_of_3_x_never_replaces_anything() {
    let traits = "components:\n  messageTraits:\n    t: {contentType: text/plain, name: ofTrait, summary: first}\n    u: {summary: last}\n";
    let refs = "traits: [{$ref: '#/components/messageTraits/t'}, {$ref: '#/components/messageTraits/u'}]";
    let of_two = model(&two(&format!(
        "channels:\n  /: {{publish: {{message: {{oneOf: [{{name: own, payload: {{}}, {refs}}}]}}}}}}\n{traits}"
    )));
    let message = &of_two.messages[0];
    assert_eq!((message.name.as_deref(), message.summary.as_deref()), (Some("ofTrait"), Some("last")));
    assert_eq!(message.content_type.as_deref(), Some("text/plain"));
    let of_three = model(&three(&format!(
        "channels:\n  c: {{address: /, messages: {{m: {{name: own, payload: {{}}, {refs}}}}}}}\n{traits}"
    )));
    let message = &of_three.messages[0];
    assert_eq!((message.name.as_deref(), message.summary.as_deref()), (Some("own"), Some("last")));
    assert_eq!(message.content_type.as_deref(), Some("text/plain"));
}

#[test]
fn t07_a_cycle_is_a_link_and_never_expanded() {
    let text = two(
        "channels:\n  /: {publish: {message: {payload: {$ref: '#/components/schemas/tree'}}}}\ncomponents:\n  schemas:\n\
        \x20   tree: {oneOf: [{type: string}, {type: object, properties: {left: {$ref: '#/components/schemas/tree'}, other: {$ref: './asyncapi.yaml#/components/schemas/leaf'}}}]}\n\
        \x20   leaf: {allOf: [{$ref: '#/components/schemas/tree'}]}\n",
    );
    let model = model(&text);
    assert_eq!(model.schemas.len(), 2);
    let tree = &model.schemas["#/components/schemas/tree"];
    assert_eq!(tree["oneOf"][1]["properties"]["left"]["$ref"], "#/schemas/#~1components~1schemas~1tree");
    assert!(model.messages[0].unchecked.is_none());
    // A reference that leads to itself and nothing else has no value.
    let empty = contract(&two(
        "channels:\n  /: {publish: {message: {payload: {$ref: '#/x'}}}}\nx: {$ref: '#/y'}\ny: {$ref: '#/x'}\n",
    ));
    assert_eq!(problem(&empty, "ref-cycle").level, Level::BlocksValidation);
}

#[test]
fn t08_fields_beside_a_reference_are_ignored_with_the_line() {
    let text = two(
        "channels:\n  /:\n    publish:\n      message:\n        $ref: '#/components/messages/m'\n        name: other\n\
        components: {messages: {m: {name: own, payload: {}}}}\n",
    );
    let contract = contract(&text);
    let problem = problem(&contract, "ref-siblings");
    assert_eq!((problem.level, problem.place.line), (Level::Note, 9));
    assert!(problem.message.contains("`name` beside `$ref`"), "{problem}");
    assert_eq!(contract.model.unwrap().messages[0].name.as_deref(), Some("own"));
}

#[test]
fn t09_references_stay_inside_the_upload() {
    let main = |reference: &str| two(&format!("channels:\n  /: {{publish: {{message: {{$ref: '{reference}'}}}}}}\n"));
    for (reference, rule) in [
        ("file:///etc/passwd", "ref-outside"),
        ("/etc/passwd", "ref-outside"),
        ("../../etc/passwd", "ref-outside"),
        ("http://169.254.169.254/latest/meta-data", "ref-remote"),
        ("https://a.example/m.yaml#/m", "ref-remote"),
    ] {
        let contract = files(&[("asyncapi.yaml", &main(reference)), ("m.yaml", "m: {}\n")]);
        assert_eq!(problem(&contract, rule).level, Level::BlocksValidation, "{reference}");
        assert!(contract.is_routable());
    }
    let given = files(&[
        ("asyncapi.yaml", &main("https://a.example/m.yaml#/m")),
        ("https://a.example/m.yaml", "m: {payload: {}}\n"),
    ]);
    assert!(is_clean(&given), "{:?}", told(&given));
    let relative = files(&[
        ("api/asyncapi.yaml", &main("../common/m.yaml#/m")),
        ("common/m.yaml", "m: {payload: {$ref: '#/s'}}\ns: {type: object}\n"),
    ]);
    assert!(is_clean(&relative), "{:?}", told(&relative));
    assert_eq!(relative.model.unwrap().messages[0].file.as_deref(), Some("common/m.yaml"));
}

#[test]
fn t10_a_wrong_reference_is_told_with_pointer_line_and_nearest_name() {
    let text = two(
        "channels:\n  /:\n    publish:\n      message:\n        oneOf:\n        - $ref: '#/components/messages/chatt'\n        - $ref: '#/components/messages/other'\n\
        components: {messages: {chat: {payload: {}}, other: {payload: {}}}}\n",
    );
    let contract = contract(&text);
    let problem = problem(&contract, "ref-missing");
    assert_eq!((problem.level, problem.place.line), (Level::BlocksValidation, 10));
    assert_eq!(problem.place.pointer, "/channels/~1/publish/message/oneOf/0/$ref");
    assert_eq!(problem.nearest.as_deref(), Some("chat"));
    assert_eq!(contract.model.unwrap().routes[0].client_sends, ["other"]);
}

#[test]
fn t11_pointers_are_decoded() {
    let text = three(
        "channels:\n  /ws: {address: /ws, messages: {a.b: {$ref: '#/components/messages/x~1y'}, 'c d': {$ref: '#/components/messages/%7Ez'}}}\n\
        operations:\n  o: {action: receive, channel: {$ref: '#/channels/~1ws'}, messages: [{$ref: '#/channels/~1ws/messages/a.b'}, {$ref: '#/channels/~1ws/messages/c%20d'}]}\n\
        components: {messages: {x/y: {payload: {}}, '~z': {payload: {}}}}\n",
    );
    // `%7E` is `~`, which is no escape on its own: the key `~z` is reached by `~0z`.
    let contract = contract(&text.replace("%7Ez", "%7E0z"));
    assert!(is_clean(&contract), "{:?}", told(&contract));
    assert_eq!(contract.model.unwrap().routes[0].client_sends, ["x/y", "~z"]);
}

#[test]
fn t22_cosmetic_faults_stop_nothing_and_the_levels_say_what_each_stops() {
    let text = two(
        "chanels: 1\ntags: 5\nchannels:\n  /a: {publish: {message: {payload: {pattern: '(?=x)'}}}, sumary: x, x-own: 1}\n\
        components: {securitySchemes: {o: {type: openIdConnect}}}\nexternalDocs: [1]\n",
    );
    let contract = contract(&text);
    assert!(contract.is_routable());
    let unknown: Vec<&str> = contract
        .problems
        .list()
        .iter()
        .filter(|one| one.rule == "unknown-field")
        .filter_map(|one| one.nearest.as_deref())
        .collect();
    assert_eq!(unknown, ["channels"]);
    assert_eq!(problem(&contract, "pattern").level, Level::BlocksValidation);
    assert_eq!(contract.model.as_ref().unwrap().messages[0].unchecked.as_deref(), Some("its schema has problems"));
    let blocked = super::contract(&two("channels: [1]\n"));
    assert_eq!(problem(&blocked, "type").level, Level::BlocksRouting);
    let none = super::contract("asyncapi: 2.6.0\ninfo: {title: a, version: 1}\nchanels: {/: {}}\n");
    let missing = problem(&none, "missing-field");
    assert_eq!((missing.level, missing.nearest.as_deref()), (Level::BlocksRouting, Some("chanels")));
}

#[test]
fn t26_the_same_bytes_give_the_same_model_and_a_change_is_told_with_whom_it_breaks() {
    let text = two(
        "channels:\n  /: {publish: {message: {name: chat, payload: {type: object, properties: {a: {enum: [x, y]}}}}}}\n",
    );
    let sources = Sources::one("asyncapi.yaml", text.clone().into_bytes()).unwrap();
    assert_eq!(sources.get("asyncapi.yaml").unwrap(), text.as_bytes());
    let (one, other) = (read(&sources, Options::default()), read(&sources.clone(), Options::default()));
    assert_eq!(one.model, other.model);
    assert!(diff(one.model.as_ref().unwrap(), other.model.as_ref().unwrap()).is_empty());
    let later = model(&text.replace("[x, y]", "[x]"));
    let changes = diff(one.model.as_ref().unwrap(), &later);
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["~ route `/`, client sends `chat`, /a: its values changed (breaks clients)"]);
    assert_eq!(changes[0].breaks, [Party::Clients].into());
}
