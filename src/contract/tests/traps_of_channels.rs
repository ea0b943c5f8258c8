//! Traps of channels, servers, addresses, bindings and directions.

use super::{Layout, Level, Options, Side, contract, is_clean, model, problem, seen_from, three, told, two, with};
use crate::contract::model::{Credential, Direction, Proposal, Use};
use crate::contract::predefined::{Choice, ChoiceError, predefined};

const BOTH: &str =
    "channels:\n  /: {publish: {message: {name: up, payload: {}}}, subscribe: {message: {name: down, payload: {}}}}\n";

#[test]
fn t01_publish_is_what_clients_send_and_the_raw_word_stands_beside() {
    let model = model(&two(BOTH));
    let route = &model.routes[0];
    assert_eq!(
        (route.client_sends.as_slice(), route.client_receives.as_slice()),
        (&["up".to_owned()][..], &["down".to_owned()][..])
    );
    let operation = &model.channels[0].operations[0];
    assert_eq!((operation.word, operation.direction.words()), ("publish", "client sends"));
    assert!(model.perspective.reason.contains("`publish` is what clients send"));
    let turned = seen_from(&two(BOTH), Side::Client).model.unwrap();
    assert_eq!(
        (turned.routes[0].client_sends.as_slice(), turned.perspective.is_chosen),
        (&["down".to_owned()][..], true)
    );
}

/// A document of 3.0 with a title and one operation.
fn acting(title: &str, action: &str, message: &str, reply: &str) -> String {
    three(&format!(
        "channels:\n  c: {{address: /, messages: {{{message}: {{payload: {{}}}}, answer: {{payload: {{}}}}}}}}\n\
         operations:\n  op: {{action: {action}, channel: {{$ref: '#/channels/c'}}, messages: [{{$ref: '#/channels/c/messages/{message}'}}]{reply}}}\n"
    ))
    .replace("title: Chat", &format!("title: {title}"))
}

const REPLY: &str = ", reply: {channel: {$ref: '#/channels/c'}, messages: [{$ref: '#/channels/c/messages/answer'}]}";

#[test]
fn t02_the_side_of_a_3_x_document_is_inferred_with_a_reason_and_can_be_turned() {
    for (title, action, message, reply, side, reason, sends) in [
        ("Echo WebSocket Client", "send", "echo", "", Side::Client, "the title is `Echo WebSocket Client`", true),
        ("Website Backend", "receive", "like", "", Side::Server, "the title is `Website Backend`", true),
        ("Exchange", "receive", "trade", REPLY, Side::Server, "receives requests and replies, as in `op`", true),
        ("Exchange", "send", "trade", REPLY, Side::Client, "sends requests and gets replies, as in `op`", true),
        (
            "Exchange",
            "send",
            "ping",
            "",
            Side::Client,
            "the application's `send` is of `ping`, which clients send",
            true,
        ),
        ("Speech", "send", "StartRecognition", "", Side::Client, "`StartRecognition`, which clients send", true),
        ("Exchange", "send", "heartbeat", "", Side::Server, "of `heartbeat`, which servers send", false),
        ("Market Data", "send", "marketData", "", Side::Server, "nothing in it says otherwise", false),
        // A title says more than a reply: clients of some services acknowledge.
        ("Slack API Client", "receive", "slack", REPLY, Side::Client, "the title is", false),
    ] {
        let text = acting(title, action, message, reply);
        let model = model(&text);
        let perspective = &model.perspective;
        assert_eq!(perspective.side, side, "{title} {action} {message}: {}", perspective.reason);
        assert!(perspective.reason.contains(reason) && !perspective.reason.contains('\n'), "{}", perspective.reason);
        assert_eq!(model.routes[0].client_sends.contains(&message.to_owned()), sends, "{title}");
        let other = if side == Side::Client { Side::Server } else { Side::Client };
        let turned = seen_from(&text, other).model.unwrap();
        assert_eq!(turned.routes[0].client_sends.contains(&message.to_owned()), !sends);
        assert!(turned.perspective.is_chosen);
    }
}

#[test]
fn t12_a_server_is_websocket_by_its_protocol_and_not_by_bindings() {
    let of = |protocol: &str, url: &str| {
        format!(
            "asyncapi: 2.6.0\ninfo: {{title: a, version: '1'}}\nservers: {{s: {{url: '{url}', protocol: {protocol}}}}}\n{BOTH}"
        )
    };
    for (protocol, url, target) in [
        ("ws", "ws://a", Some("ws://a")),
        ("WSS", "a.example/x", Some("wss://a.example/x")),
        ("WebSocket", "wss://a.example/v1", Some("wss://a.example/v1")),
        ("https", "https://slack.com/api/rtm.connect", None),
        ("http", "a:80", None),
    ] {
        let predefined = predefined(&model(&of(protocol, url)), &Choice::default()).unwrap();
        assert_eq!(predefined.target.as_deref(), target, "{protocol}");
        assert_eq!(predefined.found.is_empty(), target.is_some());
    }
    let text = of("https", "https://slack.com/api/rtm.connect");
    let chosen = predefined(&model(&text), &Choice { server: Some("s".to_owned()), ..Choice::default() }).unwrap();
    assert_eq!(chosen.target.as_deref(), Some("https://slack.com/api/rtm.connect"));
    let kafka = contract(&of("kafka", "broker:9092"));
    assert_eq!(problem(&kafka, "not-websocket").level, Level::BlocksRouting);
    // A Kafka binding on a channel does not make a WebSocket server a Kafka one.
    let bound = contract(&two("channels:\n  /: {bindings: {kafka: {}, ws: {}}, publish: {message: {payload: {}}}}\n"));
    assert!(bound.is_routable());
}

#[test]
fn t14_channels_share_a_route_by_address_and_those_that_are_no_paths_share_the_servers_own() {
    let twice = model(&three(
        "channels:\n  a: {address: /, messages: {m: {payload: {}}}}\n  b: {address: /, messages: {n: {payload: {}}}}\n\
        operations:\n  o: {action: receive, channel: {$ref: '#/channels/a'}}\n  p: {action: send, channel: {$ref: '#/channels/b'}}\n",
    ));
    let [route] = twice.routes.as_slice() else { panic!("{:?}", twice.routes) };
    assert_eq!((route.path.as_str(), route.channels.len()), ("/", 2));
    assert_eq!(
        (route.client_sends.as_slice(), route.client_receives.as_slice()),
        (&["m".to_owned()][..], &["n".to_owned()][..])
    );
    let text = two(
        "channels:\n  orderbook_delta: {subscribe: {message: {name: a, payload: {}}}}\n  'order_book/{id}': {subscribe: {message: {name: b, payload: {}}}}\n  (connection): {publish: {message: {name: c, payload: {}}}}\n",
    );
    let one = contract(&text);
    assert!(told(&one).iter().any(|line| line.contains("does not begin with `/`")), "{:?}", told(&one));
    let one = one.model.unwrap();
    assert_eq!(one.routes.iter().map(|route| route.path.as_str()).collect::<Vec<_>>(), ["/"]);
    assert_eq!(one.routes[0].client_receives, ["a", "b"]);
    let paths = with(&text, Options { layout: Layout::ByAddress, perspective: None }).model.unwrap();
    assert_eq!(
        paths.routes.iter().map(|route| route.path.as_str()).collect::<Vec<_>>(),
        ["/orderbook_delta", "/order_book/{id}", "/(connection)"]
    );
    let bound = model(&two(
        "channels:\n  'm/{d}': {parameters: {d: {schema: {type: string}}}, publish: {bindings: {ws: {method: GET}}, message: {payload: {}}}}\n",
    ));
    assert_eq!(bound.routes[0].path, "/m/{d}");
    let socket = with(&two("channels: {/a: {}, /b: {}}\n"), Options { layout: Layout::OneSocket, perspective: None })
        .model
        .unwrap();
    assert_eq!(socket.routes.len(), 1);
}

#[test]
fn t15_a_query_in_the_address_and_parameters_in_no_address_become_query_parameters() {
    let text = two(
        "channels:\n  '/ws/{room}?token={t}&v=2#x':\n    parameters: {room: {schema: {type: string, pattern: '^[a-z]+$'}}, t: {schema: {type: string}}}\n\
        \x20   publish: {message: {payload: {}}}\n  /plain: {parameters: {userId: {schema: {enum: [a, b]}}}, publish: {message: {payload: {}}}}\n",
    );
    let contract = contract(&text);
    assert_eq!(problem(&contract, "address-query").level, Level::Note);
    let model = contract.model.unwrap();
    let route = &model.routes[0];
    assert_eq!((route.path.as_str(), route.parameters[0].pattern.as_deref()), ("/ws/{room}", Some("^[a-z]+$")));
    let query: Vec<_> =
        route.query.iter().map(|one| (one.name.as_str(), one.is_required, one.allowed.join(","))).collect();
    assert_eq!(query, [("token", true, String::new()), ("v", true, "2".to_owned())]);
    let plain = &model.routes[1].query[0];
    assert_eq!((plain.name.as_str(), plain.is_required, plain.allowed.len()), ("userId", false, 2));
}

#[test]
fn t16_a_ws_binding_is_read_leniently_wherever_it_stands() {
    let text = two(
        "channels:\n  /a:\n    bindings: {ws: {bindingVersion: 0.9.0, method: POST, query: {type: object, required: [q], properties: {q: {type: string}}}, headers: {$ref: '#/components/schemas/h'}}}\n\
        \x20   publish: {message: {payload: {}}, bindings: {ws: {query: {subtopic: '{$request.query.subtopic}'}}}}\n\
        components: {schemas: {h: {type: object, properties: {X-Version: {enum: ['1']}}}}}\n",
    );
    let contract = contract(&text);
    for rule in ["binding-method", "binding-version", "binding-schema"] {
        assert_eq!(problem(&contract, rule).level, Level::Note);
    }
    let route = &contract.model.unwrap().routes[0];
    assert_eq!(
        (route.query[0].name.as_str(), route.query[0].is_required, route.headers[0].name.as_str()),
        ("q", true, "X-Version")
    );
    let on_server = model(
        "asyncapi: 3.0.0\ninfo: {title: a, version: '1'}\nservers: {s: {host: a, protocol: ws, bindings: {ws: {query: {properties: {k: {}}}}}}}\nchannels: {c: {address: /x}}\n",
    );
    assert_eq!(on_server.routes[0].query[0].name, "k");
}

#[test]
fn t17_a_variable_has_its_default_else_the_first_of_enum_else_is_asked_for() {
    let text = "asyncapi: 2.6.0\ninfo: {title: a, version: '1'}\nservers:\n  s:\n    url: '{scheme}://{host}:{port}/{base}'\n    protocol: wss\n    variables:\n\
        \x20     scheme: {enum: [wss, ws]}\n      host: {$ref: '#/components/serverVariables/host'}\n      port: {default: '8443', enum: ['8443', '9443']}\n      base: {}\n\
        channels: {/: {}}\ncomponents: {serverVariables: {host: {default: a.example}}}\n";
    // A scheme that is a variable is not known before it is filled in.
    let model = model(&text.replace("{scheme}", "wss"));
    let asked = predefined(&model, &Choice::default()).unwrap();
    assert_eq!(
        (asked.target, asked.missing.iter().map(|one| one.name.as_str()).collect::<Vec<_>>()),
        (None, vec!["base"])
    );
    let mut choice = Choice::default();
    choice.variables.insert("base".to_owned(), "v1".to_owned());
    assert_eq!(predefined(&model, &choice).unwrap().target.as_deref(), Some("wss://a.example:8443/v1"));
    choice.variables.insert("port".to_owned(), "1".to_owned());
    assert!(matches!(predefined(&model, &choice), Err(ChoiceError::Value(..))));
    choice.variables = [("nobody".to_owned(), String::new())].into();
    assert!(matches!(predefined(&model, &choice), Err(ChoiceError::Variable(_))));
    let first = super::model(
        &text.replace("{scheme}", "wss").replace("{default: '8443', enum: ['8443', '9443']}", "{enum: ['7', '8']}"),
    );
    assert_eq!(first.servers[0].variables[1].value.as_deref(), Some("7"));
}

#[test]
fn t21_security_schemes_become_proposals_and_their_names_are_never_required() {
    let text = two(
        "channels:\n  /: {bindings: {ws: {query: {required: [token, q], properties: {token: {}, q: {}}}, headers: {required: [api-key, Authorization], properties: {api-key: {}, Authorization: {}}}}}, publish: {message: {payload: {}}}}\n\
        components:\n  securitySchemes:\n    t: {type: httpApiKey, in: query, name: token}\n    k: {type: apiKey, in: header, name: API-KEY}\n    u: {type: apiKey, in: user}\n    b: {type: http, scheme: bearer, name: x}\n    l: {type: http, scheme: digest}\n",
    );
    let contract = contract(&text);
    assert!(is_clean(&contract));
    let model = contract.model.unwrap();
    let proposals: Vec<&Proposal> = model.security_schemes.iter().map(|scheme| &scheme.proposal).collect();
    assert_eq!(proposals[0], &Proposal::ApiKey(Credential::Query("token".to_owned())));
    assert_eq!(proposals[1], &Proposal::ApiKey(Credential::Header("API-KEY".to_owned())));
    assert!(matches!(
        (proposals[2], proposals[3], proposals[4]),
        (Proposal::None(_), Proposal::Bearer(None), Proposal::None(_))
    ));
    let route = &model.routes[0];
    let required = |list: &[crate::contract::model::Parameter]| -> Vec<String> {
        list.iter().filter(|one| one.is_required).map(|one| one.name.clone()).collect()
    };
    assert_eq!((required(&route.query), required(&route.headers)), (vec!["q".to_owned()], vec![]));
    assert_eq!(route.query[0].claimed_by.as_deref(), Some("t"));
    // In 3.x a scheme stands inline or behind a reference.
    let inline = super::model(
        &three("channels: {c: {address: /}}\ncomponents: {securitySchemes: {s: {type: http, scheme: basic}}}\n")
            .replace(
                "protocol: wss}",
                "protocol: wss, security: [{$ref: '#/components/securitySchemes/s'}, {type: http, scheme: bearer}]}",
            ),
    );
    assert_eq!(inline.servers[0].security, [["s"], ["#/servers/main/security/1"]]);
    assert_eq!(inline.security_schemes.len(), 2);
}

#[test]
fn t25_without_operations_each_message_goes_in_both_directions() {
    let model = model(&three("channels:\n  c: {address: /, messages: {a: {payload: {}}, b: {payload: {}}}}\n"));
    let route = &model.routes[0];
    assert!(route.is_undirected);
    assert_eq!(
        (&route.client_sends, &route.client_receives),
        (&vec!["a".to_owned(), "b".to_owned()], &vec!["a".to_owned(), "b".to_owned()])
    );
    assert!(model.perspective.reason.contains("no operations"));
    let directed = super::model(&two(BOTH));
    assert!(!directed.routes[0].is_undirected);
}

#[test]
fn channels_of_other_protocols_become_no_routes() {
    let text = "asyncapi: 3.0.0\ninfo: {title: a, version: '1'}\nservers: {w: {host: a, protocol: ws}, m: {host: b, protocol: mqtt}}\n\
        channels:\n  one: {address: /one, servers: [{$ref: '#/servers/w'}]}\n  two: {address: /two, servers: [{$ref: '#/servers/m'}]}\n";
    let model = model(text);
    assert_eq!(model.routes.len(), 1);
    assert_eq!(model.channels[1].used, Use::None("its servers speak `mqtt`".to_owned()));
    let http = super::model(&two("channels: {/: {}, /version: {subscribe: {bindings: {http: {method: GET}}}}}\n"));
    assert_eq!(http.routes.len(), 1);
}

#[test]
fn addresses_that_are_no_paths_of_a_route_block_routing() {
    for (address, rule) in [
        ("/.ringway/x", "address"),
        ("/a/../b", "address"),
        ("/a b", "address"),
        ("/a{b", "address"),
        ("/{}/x", "address"),
        ("/{a/b}", "address"),
    ] {
        let contract = contract(&two(&format!("channels: {{'{address}': {{}}}}\n")));
        assert_eq!(problem(&contract, rule).level, Level::BlocksRouting, "{address}");
    }
    let twice = contract(&two("channels: {'/r/{a}': {}, '/r/{b}': {}}\n"));
    assert_eq!(problem(&twice, "address-twice").level, Level::BlocksRouting);
    let pattern = contract(&two("channels: {'/r/{a}': {parameters: {a: {schema: {pattern: '(?!x)'}}}}}\n"));
    assert_eq!(problem(&pattern, "pattern").level, Level::BlocksRouting);
    assert_eq!(Direction::ClientSends.opposite(), Direction::ClientReceives);
}
