//! Pages of our own contracts: what stands where, what is escaped, and how large they become.

use std::collections::BTreeSet;

use super::environments::{Environment, Running, environments};
use super::{Documentation, MAX_PAGE_BYTES, PageName};
use crate::api::contract::{ContractDigest, ContractRef, Layout};
use crate::contract::{Contract, Model, Options, Sources, read};

const CHAT: &str = include_str!("../../../tests/fixtures/contracts/chat.yaml");

fn contract(text: &str) -> Contract {
    read(&Sources::one("asyncapi.yaml", text.as_bytes().to_vec()).unwrap(), Options::default())
}

fn reference(text: &str) -> ContractRef {
    ContractRef { digest: ContractDigest::of(text.as_bytes()), main: None, perspective: None, layout: Layout::Inferred }
}

/// A revision that runs in an environment, with a contract of this text.
fn running(environment: &str, url: &str, revision: u64, text: Option<&str>) -> Running {
    let contract = text.map(reference);
    Running { environment: environment.to_owned(), url: url.to_owned(), revision, contract }
}

/// Two environments in which revisions with these contracts run.
fn places(model: &Model, documented: &str, [development, production]: [Option<&str>; 2]) -> Vec<Environment> {
    let running = vec![
        running("development", "ws://127.0.0.1:8081/default/chat/v1.2", 3, development),
        running("production", "wss://chat.example/default/chat/v1.2", 2, production),
    ];
    let texts = [development, production].map(Option::unwrap_or_default);
    environments(model, &reference(documented), running, |wanted| {
        let text = texts.iter().find(|text| reference(text) == *wanted);
        text.filter(|text| !text.is_empty()).map(|text| contract(text)).ok_or_else(|| "the file is gone".to_owned())
    })
}

/// All pages with their names, of a contract that runs in both environments.
fn pages(text: &str) -> Vec<(String, String)> {
    pages_beside(text, [Some(text), Some(text)])
}

/// All pages with their names, of a contract beside those that run.
fn pages_beside(text: &str, running: [Option<&str>; 2]) -> Vec<(String, String)> {
    let contract = contract(text);
    let model = contract.model.as_ref().unwrap();
    let environments = places(model, text, running);
    let documentation = Documentation { api: "Chat", model, problems: &contract.problems, environments: &environments };
    let site = documentation.site();
    site.names().map(|name| (name.clone(), site.page(&name).unwrap().unwrap())).collect()
}

fn page<'p>(pages: &'p [(String, String)], name: &str) -> &'p str {
    &pages.iter().find(|(known, _)| known == name).unwrap().1
}

/// A page without its head, which is the same on all.
fn body(page: &str) -> &str {
    page.split_once("<body>").unwrap().1
}

#[test]
fn the_pages_of_a_contract_are_as_somebody_read_them() {
    let pages = pages(CHAT);
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["index.html", "channel-1.html", "channel-2.html", "schemas-1.html"]);
    for (name, page) in &pages {
        insta::assert_snapshot!(name.replace(".html", ""), body(page));
    }
}

#[test]
fn a_channel_shows_its_url_in_each_environment() {
    let pages = pages(CHAT);
    let rooms = page(&pages, "channel-1.html");
    assert!(rooms.contains("<code>ws://127.0.0.1:8081/default/chat/v1.2/rooms/{roomId}</code>"), "{rooms}");
    assert!(rooms.contains("<code>wss://chat.example/default/chat/v1.2/rooms/{roomId}</code>"), "{rooms}");
}

#[test]
fn a_recursion_is_a_link_to_the_one_place_of_the_schema() {
    let pages = pages(CHAT);
    let places: Vec<_> = pages.iter().filter(|(_, page)| page.contains("id=\"s1\"")).collect();
    assert_eq!(places.len(), 1);
    assert!(page(&pages, "schemas-1.html").contains("<a href=\"schemas-1.html#s1\">"));
    assert!(page(&pages, "channel-1.html").contains("<a href=\"schemas-1.html#s1\">"));
}

#[test]
fn every_link_leads_to_a_page_and_to_an_anchor_of_it() {
    let pages = pages(CHAT);
    for (name, text) in &pages {
        for href in text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            if href == "data:," {
                continue;
            }
            let (file, anchor) = href.split_once('#').unwrap_or((href, ""));
            let target = page(&pages, if file.is_empty() { name } else { file });
            assert!(anchor.is_empty() || target.contains(&format!("id=\"{anchor}\"")), "{name}: {href}");
        }
    }
}

/// Every place of a contract where somebody can write text.
fn attacked(attack: &str) -> String {
    let text = serde_json::to_string(attack).unwrap();
    let key = serde_json::to_string(&format!("/{attack}")).unwrap();
    format!(
        "asyncapi: 2.6.0\n\
        info: {{title: {text}, version: {text}, description: {text}}}\n\
        defaultContentType: application/json\n\
        servers: {{{text}: {{url: {text}, protocol: ws, security: [{{{text}: []}}]}}}}\n\
        channels:\n  {key}:\n    description: {text}\n    publish:\n      operationId: {text}\n      summary: {text}\n      \
        security: [{{{text}: []}}]\n      bindings: {{ws: {{query: {{properties: {{{text}: {{enum: [{text}], pattern: {text}, \
        description: {text}, default: {text}, type: {text}}}}}}}}}}}\n      message:\n        oneOf:\n        \
        - {{name: {text}, title: {text}, summary: {text}, contentType: {text}, payload: {{$ref: '#/components/schemas/{escaped}'}}, \
        examples: [{{name: {text}, payload: {{{text}: {text}}}}}]}}\n        \
        - {{name: {text}, schemaFormat: {text}, payload: {{{text}: {text}}}}}\n        \
        - {{payload: {{$ref: '#/components/schemas/{escaped}'}}}}\n\
        components:\n  securitySchemes: {{{text}: {{type: httpApiKey, in: query, name: {text}, description: {text}}}}}\n  \
        schemas:\n    {text}: {{title: {text}, description: {text}, type: object, format: {text}, required: [{text}, x], \
        properties: {{{text}: {{const: {text}, enum: [{text}], pattern: {text}, default: {text}}}}}, \
        patternProperties: {{{text}: {{}}}}, discriminator: {{propertyName: {text}}}}}\n",
        escaped = attack.replace('~', "~0").replace('/', "~1").replace('%', "%25").replace('\'', "''"),
    )
}

#[test]
fn no_text_of_a_contract_becomes_markup() {
    let tags: BTreeSet<&str> = BTreeSet::from([
        "!doctype", "html", "head", "meta", "link", "title", "style", "body", "a", "nav", "ul", "li", "main", "h1",
        "h2", "h3", "h4", "p", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "pre", "span",
        "section", "article",
    ]);
    for attack in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "</title></style><script>alert(1)</script>",
        "-->]]><iframe src=javascript:alert(1)>",
        "[x](javascript:alert(1)) ![y](http://a.example/z.png)",
        "{{ 7 * 7 }}{% include \"/etc/passwd\" %}",
        "&lt;b&gt;&#60;",
        "\u{202e}txet\u{2066}",
    ] {
        let pages = pages(&attacked(attack));
        assert!(pages.len() > 2, "{attack}");
        for (name, page) in &pages {
            for tag in page.split('<').skip(1) {
                let end = tag.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(tag.len());
                let tag_name = tag[..end].trim_start_matches('/');
                assert!(tags.contains(tag_name), "{attack} is the tag {tag_name} in {name}");
                let attributes = &tag[..tag.find('>').unwrap_or(tag.len())];
                // Names stand outside quotes, values inside.
                let names: String = attributes.split('"').step_by(2).collect();
                assert!(
                    !names.contains(" on") && !names.contains("src") && !names.contains("style="),
                    "{attack}: {names}"
                );
                let href = attributes.split("href=\"").nth(1).map(|rest| rest.split('"').next().unwrap_or_default());
                let is_ours = |href: &str| href == "data:," || href.starts_with('#') || href.contains(".html");
                assert!(href.is_none_or(is_ours), "{attack}: {attributes}");
            }
            assert!(!page.contains(['\u{202e}', '\u{2066}']), "{name} turns the direction of writing");
        }
        // The text itself is there, as text.
        let words = attack.split(|c: char| !c.is_ascii_alphanumeric());
        let word = words.max_by_key(|word| word.len()).unwrap();
        assert!(body(page(&pages, "channel-1.html")).contains(word), "{attack}");
    }
}

#[test]
fn the_policy_of_a_page_allows_its_own_style_and_nothing_else() {
    use base64::Engine as _;
    let pages = pages(CHAT);
    for (name, page) in &pages {
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
        // A browser reads the attribute's text, in which the quotes are characters again.
        let policy = policy.replace("&#39;", "'").replace("&#x27;", "'");
        assert!(policy.starts_with("default-src 'none'; "), "{name}: {policy}");
        assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{name}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{name}: {policy}");
        assert!(!page.contains(" style=\"") && !page.contains("<script"), "{name}");
    }
}

#[test]
fn a_page_has_a_largest_size_and_says_what_is_not_on_it() {
    let property = |n: usize| format!("p{n}: {{type: string, description: '{}'}}, ", "x".repeat(400));
    let wide: String = (0..10_000).map(property).collect();
    let messages: String = (0..500).map(|n| format!("{{name: m{n}, payload: {{$ref: '#/s/a{n}'}}}}, ")).collect();
    let schemas: String = (0..500).map(|n| format!("  a{n}: {{properties: {{{}}}}}\n", property(n))).collect();
    let deep = (0..60).fold("{type: string}".to_owned(), |inner, _| format!("{{properties: {{a: {inner}}}}}"));
    let text = format!(
        "asyncapi: 2.6.0\nservers: {{s: {{url: 'ws://a', protocol: ws}}}}\nchannels:\n  \
        /wide: {{publish: {{message: {{payload: {{properties: {{{wide}}}}}}}}}}}\n  \
        /many: {{publish: {{message: {{oneOf: [{messages}]}}}}}}\n  /deep: {{publish: {{message: {{payload: {deep}}}}}}}\n\
        s:\n{schemas}"
    );
    let pages = pages(&text);
    for (name, page) in &pages {
        assert!(page.len() < 3 * MAX_PAGE_BYTES, "{name} has {} bytes", page.len());
    }
    assert!(page(&pages, "channel-1.html").contains("not shown here, only in the JSON form"));
    assert!(!page(&pages, "channel-2.html").contains("not shown here"));
    assert!(page(&pages, "channel-3.html").contains("not shown here, only in the JSON form"));
    assert!(page(&pages, "channel-1.html").matches("not shown here").count() < 3);
}

#[test]
fn a_name_is_that_of_one_page_only() {
    for name in ["channel-1.html", "schemas-20.html", "index.html"] {
        assert_eq!(PageName::read(name).map(PageName::name).as_deref(), Some(name));
    }
    for name in
        ["", "channel-0.html", "channel-01.html", "channel-+1.html", "channel-1.htm", "../index.html", "x-1.html"]
    {
        assert_eq!(PageName::read(name), None, "{name}");
    }
    let contract = contract(CHAT);
    let model = contract.model.as_ref().unwrap();
    let site = Documentation { api: "Chat", model, problems: &contract.problems, environments: &[] }.site();
    assert!(site.page("channel-3.html").is_none() && site.page("schemas-2.html").is_none());
}

/// The documentation as JSON, of a contract beside those that run.
fn json(text: &str, running: [Option<&str>; 2]) -> serde_json::Value {
    let contract = contract(text);
    let model = contract.model.as_ref().unwrap();
    let environments = places(model, text, running);
    let documentation = Documentation { api: "Chat", model, problems: &contract.problems, environments: &environments };
    serde_json::from_str(&documentation.json().unwrap()).unwrap()
}

#[test]
fn the_json_form_has_the_model_and_the_url_of_each_channel() {
    let json = json(CHAT, [Some(CHAT), Some(CHAT)]);
    assert_eq!(json["environments"][1]["channels"][0]["url"], "wss://chat.example/default/chat/v1.2/rooms/{roomId}");
    assert_eq!(json["contract"]["routes"][0]["client_sends"], serde_json::json!(["say", "leave"]));
    assert_eq!(json["contract"]["title"], "Chat");
}

/// Requests and replies of several channels over one WebSocket, and a channel at another address.
const SHARED: &str = "asyncapi: 3.0.0\ninfo: {title: Shared, version: '1'}\nservers: {s: {host: a.example, protocol: wss}}\n\
    channels:\n  \
    chat: {address: /, messages: {say: {payload: {type: string}}, said: {payload: {type: string}}}}\n  \
    admin: {address: /, messages: {kick: {payload: {type: integer}}}}\n  \
    status: {address: /status, messages: {up: {payload: {type: boolean}}}}\n\
    operations:\n  \
    talk: {action: receive, channel: {$ref: '#/channels/chat'}, messages: [{$ref: '#/channels/chat/messages/say'}]}\n  \
    hear: {action: send, channel: {$ref: '#/channels/chat'}, messages: [{$ref: '#/channels/chat/messages/said'}]}\n  \
    kick: {action: receive, channel: {$ref: '#/channels/admin'}, \
    reply: {channel: {$ref: '#/channels/status'}, messages: [{$ref: '#/channels/status/messages/up'}]}}\n";

#[test]
fn each_channel_has_a_page_and_those_at_one_address_link_to_each_other() {
    let pages = pages(SHARED);
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["index.html", "channel-1.html", "channel-2.html", "channel-3.html"]);
    let [chat, admin, status] = [1, 2, 3].map(|n| page(&pages, &format!("channel-{n}.html")));
    assert!(chat.contains("<h1>chat</h1>") && chat.contains("<li><a href=\"channel-2.html\">admin</a></li>"), "{chat}");
    assert!(admin.contains("<li><a href=\"channel-1.html\">chat</a></li>"), "{admin}");
    assert!(!status.contains("Also on this WebSocket"), "{status}");
    // Each page has the messages of its own channel alone.
    assert!(chat.contains(">say<") && chat.contains(">said<") && !chat.contains(">kick<"), "{chat}");
    assert!(admin.contains(">kick<") && !admin.contains(">say<"), "{admin}");
    let index = page(&pages, "index.html");
    assert!(index.contains("Channels with the same path share one WebSocket."), "{index}");
    assert!(index.contains("3 channels, 4 messages"), "{index}");
}

#[test]
fn a_reply_in_another_channel_is_shown_there_and_named_at_its_request() {
    let pages = pages(SHARED);
    assert!(page(&pages, "channel-2.html").contains("<td>receive kick; the reply is in status</td>"));
    let status = page(&pages, "channel-3.html");
    assert!(status.contains("Client receives (1)") && status.contains("<td>reply to kick</td>"), "{status}");
}

#[test]
fn an_environment_with_another_contract_says_what_differs_and_what_is_missing() {
    // Production has no `/health`, has `/old`, and an older `say`.
    let (_, health) = CHAT.split_once("  /health:\n").unwrap();
    let (health, _) = health.split_once("components:\n").unwrap();
    let old = CHAT.replace(health, "    subscribe: {message: {name: beat, payload: {type: integer}}}\n");
    let old = old.replace("  /health:\n", "  /old:\n").replace("maxLength: 2000", "maxLength: 1000");
    let shown = json(CHAT, [Some(CHAT), Some(&old)]);
    let [development, production] = [0, 1].map(|at| &shown["environments"][at]);
    assert_eq!((&development["contract"], &production["contract"]), (&"same".into(), &"other".into()));
    let states = |place: &serde_json::Value| -> Vec<String> {
        place["channels"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (states(development), states(production)),
        (vec!["same".into(); 2], vec!["differs".into(), "missing".into()])
    );
    assert_eq!(production["channels"][1]["url"], serde_json::Value::Null);
    assert_eq!((&production["revision"], &production["only_there"]), (&2.into(), &serde_json::json!(["/old"])));
    let change = &production["changes"][0];
    assert_eq!((&change["route"], &change["message"]), (&"/rooms/{roomId}".into(), &"say".into()), "{change}");
    let pages = pages_beside(CHAT, [Some(CHAT), Some(&old)]);
    let index = page(&pages, "index.html");
    assert!(index.contains("Revision 2: another contract") && index.contains("only there: /old"), "{index}");
    assert!(
        index.contains("<td>production: missing</td>") && index.contains("<td>production: differs</td>"),
        "{index}"
    );
    assert!(!index.contains("development: "), "{index}");
    let rooms = page(&pages, "channel-1.html");
    assert!(rooms.contains("Revision 3: as documented here") && rooms.contains("Revision 2: differs"), "{rooms}");
    assert!(rooms.contains("Changes since the contract that runs in production"), "{rooms}");
    let health = page(&pages, "channel-2.html");
    assert!(health.contains("Revision 2: the path is no channel there"), "{health}");
    assert!(!health.contains("wss://chat.example/default/chat/v1.2/health"), "{health}");
}

#[test]
fn an_environment_without_a_readable_contract_is_not_taken_for_one_that_has_it() {
    let shown = json(CHAT, [None, Some("")]);
    let [development, production] = [0, 1].map(|at| &shown["environments"][at]);
    assert_eq!((&development["contract"], &development["channels"][0]["state"]), (&"none".into(), &"unchecked".into()));
    assert_eq!(
        (&production["contract"], &production["channels"][0]["state"]),
        (&"unreadable".into(), &"unknown".into())
    );
    assert_eq!(production["reason"], "the file is gone");
    let pages = pages_beside(CHAT, [None, Some("")]);
    assert!(page(&pages, "channel-1.html").contains("its contract cannot be read: the file is gone"));
    assert!(page(&pages, "index.html").contains("Revision 3: it has no contract"));
}

#[test]
fn another_document_with_the_same_meaning_differs_in_no_channel() {
    let other = CHAT.replace("One room.", "A room, in other words.");
    let shown = json(CHAT, [Some(CHAT), Some(&other)]);
    let production = &shown["environments"][1];
    assert_eq!((&production["contract"], &production["changes"]), (&"other".into(), &serde_json::json!([])));
    assert_eq!(production["channels"][0]["state"], "same");
}
