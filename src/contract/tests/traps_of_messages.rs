//! Traps of messages: identity, replies, correlation, formats, examples.

use serde_json::json;

use super::{Level, contract, is_clean, model, problem, three, told, two};
use crate::contract::model::Format;

#[test]
fn t03_a_message_that_is_not_the_channels_own_is_accepted_by_its_identity() {
    let text = three(
        "channels:\n  c: {address: /, messages: {m: {$ref: '#/components/messages/m'}}}\n\
        operations:\n  o: {action: receive, channel: {$ref: '#/channels/c'}, messages: [{$ref: '#/components/messages/m'}, {$ref: '#/components/messages/n'}, {$ref: '#/components/messages/x'}]}\n\
        components: {messages: {m: {payload: {}}, n: {payload: {}}}}\n",
    );
    let contract = contract(&text);
    // The first is the channel's own behind both references.
    assert!(problem(&contract, "operation-message").message.contains("`n`"), "{:?}", told(&contract));
    assert_eq!(problem(&contract, "operation-message").level, Level::Note);
    assert_eq!(problem(&contract, "ref-missing").level, Level::BlocksValidation);
    assert_eq!(contract.model.unwrap().routes[0].client_sends, ["m", "n"]);
}

#[test]
fn t18_messages_of_a_reply_join_the_opposite_direction() {
    let text = three(
        "channels:\n  c: {address: /, messages: {ask: {payload: {}}, answer: {payload: {}}}}\n  replies: {address: null, messages: {late: {payload: {}}}}\n\
        operations:\n  o: {action: receive, channel: {$ref: '#/channels/c'}, messages: [{$ref: '#/channels/c/messages/ask'}], reply: {channel: {$ref: '#/channels/c'}, messages: [{$ref: '#/channels/c/messages/answer'}]}}\n\
        \x20 p: {action: receive, channel: {$ref: '#/channels/c'}, messages: [{$ref: '#/channels/c/messages/ask'}], reply: {address: {location: '$message.payload#/to'}, channel: {$ref: '#/channels/replies'}}}\n\
        \x20 q: {action: receive, channel: {$ref: '#/channels/c'}, messages: [], reply: {address: {location: '$message.header#/to'}}}\n",
    );
    let contract = contract(&text);
    assert!(is_clean(&contract), "{:?}", told(&contract));
    assert_eq!(problem(&contract, "reply").level, Level::Note);
    let model = contract.model.unwrap();
    assert_eq!(model.routes.len(), 1);
    assert_eq!(
        (&model.routes[0].client_sends, &model.routes[0].client_receives),
        (&vec!["ask".to_owned()], &vec!["answer".to_owned(), "late".to_owned()])
    );
    let reply = model.channels[0].operations[1].reply.as_ref().unwrap();
    assert_eq!((reply.channel.as_deref(), reply.address.as_deref()), (Some("replies"), Some("$message.payload#/to")));
    assert!(model.channels[0].operations[2].reply.as_ref().unwrap().channel.is_none());
}

#[test]
fn t19_a_correlation_id_is_in_the_payload_or_nowhere() {
    let text = two(
        "channels:\n  /: {publish: {message: {oneOf: [{name: a, payload: {}, correlationId: {location: '$message.payload#/reqid'}}, {name: b, payload: {}, correlationId: {location: '$message.header#/id'}}]}}}\n",
    );
    let contract = contract(&text);
    assert!(problem(&contract, "correlation").message.contains("WebSocket messages have no headers"));
    let model = contract.model.unwrap();
    assert_eq!(model.messages[0].correlation.as_ref().unwrap().payload, "/reqid");
    assert_eq!(model.messages[1].correlation, None);
}

#[test]
fn t20_messages_are_told_apart_by_a_property_or_it_is_noted() {
    let of = |one: &str, other: &str| {
        two(&format!(
            "channels:\n  /: {{publish: {{message: {{oneOf: [{{name: a, payload: {{properties: {{type: {one}, kind: {{const: same}}}}}}}}, {{name: b, payload: {{allOf: [{{$ref: '#/s'}}]}}}}]}}}}}}\ns: {{properties: {{type: {other}, kind: {{const: same}}}}}}\n"
        ))
    };
    for (one, other, found) in [
        ("{const: a}", "{const: b}", Some("type")),
        ("{enum: [a, c]}", "{const: b}", Some("type")),
        ("{enum: [a, b]}", "{const: b}", None),
        ("{type: string}", "{const: b}", None),
    ] {
        let contract = contract(&of(one, other));
        assert_eq!(contract.model.as_ref().unwrap().routes[0].client_sends_by.as_deref(), found, "{one} {other}");
        let is_noted = told(&contract).iter().any(|line| line.contains("one that fits several is reported"));
        assert_eq!(is_noted, found.is_none());
    }
}

#[test]
fn t23_formats_that_are_no_json_are_kept_and_not_checked() {
    let text = two(
        "channels:\n  /: {publish: {message: {oneOf: [{name: a, schemaFormat: 'application/vnd.apache.avro;version=1.9.0', payload: {type: record}}, {name: b, contentType: application/octet-stream, payload: {type: string}}, {name: c, contentType: 'application/vnd.x+json', payload: {type: string}}]}}}\n",
    );
    let contract = contract(&text);
    assert!(is_clean(&contract), "{:?}", told(&contract));
    let model = contract.model.unwrap();
    assert!(
        matches!(&model.messages[0].payload.as_ref().unwrap().format, Format::Other(format) if format.contains("avro"))
    );
    assert!(model.messages[0].unchecked.as_ref().unwrap().contains("avro"));
    assert_eq!(model.messages[1].unchecked.as_deref(), Some("its content type is `application/octet-stream`"));
    assert_eq!(model.messages[2].unchecked, None);
    let multi = super::model(&three(
        "channels:\n  c: {address: /, messages: {m: {payload: {schemaFormat: 'application/vnd.google.protobuf;version=3', schema: 'message M {}'}}, n: {payload: {schemaFormat: 'application/schema+json;version=draft-07', schema: {type: string}}}}}\n",
    ));
    assert!(multi.messages[0].unchecked.is_some() && multi.messages[1].unchecked.is_none());
    // What is not checked is kept as it is written.
    assert_eq!(multi.schemas["#/channels/c/messages/m/payload/schema"], "message M {}");
    assert_eq!(multi.schemas.len(), 2);
}

#[test]
fn t24_examples_are_offered_and_those_that_break_their_schema_are_marked() {
    let text = two(
        "channels:\n  /: {publish: {message: {oneOf: [{$ref: '#/components/messages/chat'}, {$ref: '#/components/messages/peer'}]}}}\n\
        components:\n  messages:\n    chat:\n      payload: {type: object, properties: {type: {type: string, example: connect}, message: {type: string, example: Hello}}}\n\
        \x20   peer:\n      payload: {$ref: '#/components/schemas/peer'}\n      examples:\n      - {name: good, headers: {a: 1}, payload: {user: 7, list: [1]}}\n      - {payload: {user: seven}}\n      - {payload: {list: [x]}}\n\
        \x20 schemas:\n    peer: {type: object, required: [user], properties: {user: {type: number}, list: {type: array, items: {type: integer}}}}\n",
    );
    let model = model(&text);
    let chat = &model.messages[0].examples;
    assert_eq!((chat.len(), &chat[0].payload), (1, &json!({ "type": "connect", "message": "Hello" })));
    assert_eq!(chat[0].broken, None);
    let peer = &model.messages[1].examples;
    assert_eq!(
        (peer[0].name.as_deref(), &peer[0].payload, &peer[0].broken),
        (Some("good"), &json!({ "user": 7, "list": [1] }), &None)
    );
    assert_eq!(peer[1].broken.as_deref(), Some("/user: the value is not of type number"));
    assert_eq!(peer[2].broken.as_deref(), Some("the payload: `user` is missing"));
}

#[test]
fn t24_examples_are_judged_by_every_rule_that_messages_are_judged_by() {
    let of = |message: &str| {
        model(&two(&format!("channels:\n  /: {{publish: {{message: {message}}}}}\n")))
            .messages
            .remove(0)
            .examples
            .remove(0)
    };
    let with = |schema: &str, example: &str| of(&format!("{{payload: {schema}, examples: [{{payload: {example}}}]}}"));
    for (schema, example, broken) in [
        ("{pattern: '^a+$'}", "b", Some("the payload: the text does not match the pattern ^a+$")),
        (
            "{anyOf: [{type: integer}, {type: boolean}]}",
            "b",
            Some("the payload: the value fits none of the alternatives"),
        ),
        ("{items: {minimum: 3}}", "[4, 2]", Some("/1: the number is below 3")),
        ("{additionalProperties: false}", "{a: 1}", Some("the payload: the schema allows no value here")),
        ("{anyOf: [{type: integer}, {type: boolean}]}", "4", None),
    ] {
        let judged = with(schema, example);
        assert_eq!((judged.broken.as_deref(), judged.unchecked), (broken, None), "{schema} {example}");
    }
    // An example that is not checked says why, and breaks nothing.
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    let judged = with("{type: integer}", &deep);
    assert_eq!((judged.broken, judged.unchecked.as_deref()), (None, Some("it is nested too deep")));
    let judged = of("{contentType: text/plain, payload: {type: integer}, examples: [{payload: a}]}");
    assert_eq!((judged.broken, judged.unchecked.as_deref()), (None, Some("its content type is `text/plain`")));
}

#[test]
fn t20_a_discriminator_tells_messages_apart_by_the_names_of_their_schemas() {
    let with = |discriminator: &str| {
        two(&format!(
            "channels: {{/: {{publish: {{message: {{oneOf: [{{payload: {{$ref: '#/components/schemas/Cat'}}}}, {{payload: {{$ref: '#/components/schemas/Dog'}}}}]}}}}}}}}\n\
             components:\n  schemas:\n    Pet: {{type: object, discriminator: {discriminator}, required: [kind], properties: {{kind: {{type: string}}}}}}\n\
             \x20   Cat: {{allOf: [{{$ref: '#/components/schemas/Pet'}}]}}\n    Dog: {{allOf: [{{$ref: '#/components/schemas/Pet'}}]}}\n"
        ))
    };
    let model = model(&with("kind"));
    assert_eq!(model.routes[0].client_sends_by.as_deref(), Some("kind"));
    assert_eq!(model.messages[0].discriminators, [("kind".to_owned(), vec!["Cat".into()])]);
    let mapped = super::model(&with("{propertyName: kind, mapping: {cat: Cat, dog: '#/components/schemas/Dog'}}"));
    assert_eq!(mapped.messages[0].discriminators, [("kind".to_owned(), vec!["cat".into(), "Cat".into()])]);
    assert_eq!(mapped.messages[1].discriminators, [("kind".to_owned(), vec!["dog".into(), "Dog".into()])]);
}

#[test]
fn t20_a_discriminator_that_selects_nothing_is_noted() {
    let of = |discriminator: &str, alternatives: &str| {
        contract(&two(&format!(
            "channels: {{/: {{publish: {{message: {{payload: {{discriminator: {discriminator}, oneOf: [{alternatives}]}}}}}}}}}}\ncomponents: {{schemas: {{A: {{type: object}}, B: {{type: object}}}}}}\n"
        )))
    };
    let named = "{$ref: '#/components/schemas/A'}, {$ref: '#/components/schemas/B'}";
    for (discriminator, alternatives, says) in [
        ("type", "{$ref: '#/components/schemas/A'}, {}", "which value selects alternative 2"),
        (
            "{propertyName: type, mapping: {a: '#/components/schemas/C'}}",
            named,
            "`a` of the mapping leads to no schema",
        ),
        ("{propertyName: type, mapping: {a: 'file:///etc/passwd'}}", named, "`a` of the mapping leads to no schema"),
        ("[type]", named, "it selects nothing"),
        ("{mapping: {}}", named, "it selects nothing"),
    ] {
        let contract = of(discriminator, alternatives);
        assert!(is_clean(&contract), "{:?}", told(&contract));
        assert!(problem(&contract, "discriminator").message.contains(says), "{:?}", told(&contract));
    }
    assert_eq!(told(&of("type", named)).iter().filter(|line| line.contains("discriminator")).count(), 0);
}

#[test]
fn t20_messages_whose_schema_has_alternatives_are_told_apart_by_what_each_alternative_fixes() {
    let error = "{allOf: [{properties: {event: {const: status}}}], properties: {error: {}}}";
    let success = "{properties: {event: {enum: [status, online]}}}";
    let status = format!("{{payload: {{oneOf: [{error}, {success}]}}}}");
    let pong = "{payload: {properties: {event: {const: pong}}}}";
    let apart = model(&two(&format!("channels: {{/: {{subscribe: {{message: {{oneOf: [{status}, {pong}]}}}}}}}}\n")));
    assert_eq!(apart.routes[0].client_receives_by.as_deref(), Some("event"));
    assert_eq!(apart.messages[0].discriminators, [("event".to_owned(), vec!["status".into(), "online".into()])]);
    // One alternative does not fix it.
    let open = "{payload: {anyOf: [{properties: {event: {const: status}}}, {properties: {other: {const: 1}}}]}}";
    let same = model(&two(&format!("channels: {{/: {{subscribe: {{message: {{oneOf: [{open}, {pong}]}}}}}}}}\n")));
    assert_eq!((&same.routes[0].client_receives_by, same.messages[0].discriminators.len()), (&None, 0));
}
