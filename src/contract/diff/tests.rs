//! Tests of the comparison: the changes, and for whom each it breaks something.

use super::{Change, Party, diff};
use crate::contract::{Model, Options, Sources, read};

fn model(channels: &str) -> Model {
    let text = format!(
        "asyncapi: 2.6.0\ninfo: {{title: a, version: '1'}}\nservers: {{s: {{url: 'ws://a', protocol: ws}}}}\nchannels: {{{channels}}}\n"
    );
    read(&Sources::one("a.yaml", text.into_bytes()).unwrap(), Options::default()).model.unwrap()
}

/// The changes between two payloads that a client sends, and between the same two that it receives.
fn payloads(before: &str, after: &str) -> (Vec<Change>, Vec<Change>) {
    let of = |word: &str, payload: &str| model(&format!("/: {{{word}: {{message: {{name: m, payload: {payload}}}}}}}"));
    (diff(&of("publish", before), &of("publish", after)), diff(&of("subscribe", before), &of("subscribe", after)))
}

/// The parties that one change of payloads breaks something for, sent and received.
#[track_caller]
fn breaks(before: &str, after: &str) -> (String, String) {
    let (sent, received) = payloads(before, after);
    assert_eq!((sent.len(), received.len()), (1, 1), "{before} {after}: {sent:?} {received:?}");
    let words = |change: &Change| change.breaks.iter().map(|party| party.words()).collect::<Vec<_>>().join(" and ");
    (words(&sent[0]), words(&received[0]))
}

#[test]
fn fewer_values_break_who_sends_them_and_more_values_who_gets_them() {
    for (before, after) in [
        ("{}", "{type: string}"),
        ("{type: number}", "{type: integer}"),
        ("{type: [string, 'null']}", "{type: string}"),
        ("{enum: [a, b]}", "{const: a}"),
        ("{minimum: 1}", "{minimum: 2}"),
        ("{maxLength: 5}", "{maxLength: 4}"),
        ("{properties: {a: {}}}", "{properties: {a: {}}, required: [a]}"),
        ("{properties: {a: {}}}", "{properties: {a: {}}, additionalProperties: false}"),
        ("{properties: {a: {}}}", "{properties: {a: {type: string}}}"),
        ("{items: {properties: {a: {}}}}", "{items: {properties: {a: {format: uuid}}}}"),
        ("{oneOf: [{type: string}, {type: number}]}", "{oneOf: [{type: string}]}"),
        ("{allOf: [{type: string}]}", "{allOf: [{type: string}, {minLength: 1}]}"),
    ] {
        let (clients, upstream) = ("clients".to_owned(), "the upstream".to_owned());
        assert_eq!(breaks(before, after), (clients.clone(), upstream.clone()), "{before} -> {after}");
        assert_eq!(breaks(after, before), (upstream, clients), "{after} -> {before}");
    }
    for (before, after) in
        [("{type: string}", "{type: number}"), ("{enum: [a]}", "{enum: [b]}"), ("{pattern: a}", "{pattern: b}")]
    {
        let both = "clients and the upstream".to_owned();
        assert_eq!(breaks(before, after), (both.clone(), both), "{before} -> {after}");
    }
}

#[test]
fn texts_for_people_and_places_of_schemas_change_nothing() {
    let (sent, _) =
        payloads("{type: string, title: a, description: b, example: c}", "{type: string, description: d, x-own: 1}");
    assert_eq!(sent, []);
    let inline = model("/: {publish: {message: {name: m, payload: {type: object, properties: {a: {type: string}}}}}}");
    let named = model(
        "/: {publish: {message: {name: m, payload: {$ref: '#/s'}}}}}\ns: {type: object, properties: {a: {$ref: '#/t'}}}\nt: {type: string}\nx-end: {",
    );
    assert_eq!(diff(&inline, &named), []);
}

#[test]
fn an_open_object_gains_and_loses_properties_without_harm_and_a_closed_one_does_not() {
    let (open, closed) = ("{properties: {a: {}}}", "{properties: {a: {}}, additionalProperties: false}");
    let (sent, _) = payloads(open, "{properties: {a: {}, b: {}}}");
    assert_eq!((sent.len(), sent[0].breaks.len()), (1, 0));
    let (sent, received) = payloads(closed, "{properties: {a: {}, b: {}}, additionalProperties: false}");
    assert_eq!((&sent[0].breaks, &received[0].breaks), (&[Party::Upstream].into(), &[Party::Clients].into()));
}

#[test]
fn routes_parameters_and_messages_are_compared() {
    let before = model(
        "/a: {publish: {message: {name: m, payload: {}}}}, '/r/{id}': {parameters: {id: {schema: {enum: [x, y]}}}, bindings: {ws: {query: {properties: {q: {}}}}}}, /gone: {}",
    );
    let after = model(
        "/a: {publish: {message: {oneOf: [{name: n, payload: {}}]}}}, '/r/{id}': {parameters: {id: {schema: {enum: [x]}}}, bindings: {ws: {query: {required: [q, r], properties: {q: {}, r: {}}}}}}, /new: {}",
    );
    let lines: Vec<String> = diff(&before, &after).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "- route `/a`, client sends `m` (breaks clients)",
            "+ route `/a`, client sends `n` (breaks the upstream)",
            "~ route `/r/{id}`, parameter `id`: its values changed (breaks clients)",
            "~ route `/r/{id}`, query parameter `q`: it is required now (breaks clients)",
            "+ route `/r/{id}`, query parameter `r`: it is required (breaks clients)",
            "- route `/gone` (breaks clients)",
            "+ route `/new` (breaks the upstream)",
        ]
    );
    let json = serde_json::to_value(&diff(&before, &after)[0]).unwrap();
    assert_eq!(json["breaks"], serde_json::json!(["clients"]));
}

#[test]
fn schemas_that_refer_to_themselves_are_compared_once() {
    let of = |leaf: &str| {
        model(&format!(
            "/: {{publish: {{message: {{name: m, payload: {{$ref: '#/s'}}}}}}}}}}\ns: {{properties: {{next: {{$ref: '#/s'}}, leaf: {leaf}}}}}\nx-end: {{"
        ))
    };
    let changes = diff(&of("{type: string}"), &of("{type: number}"));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].place, "route `/`, client sends `m`, /leaf");
}
