//! Pages of our own contracts: what stands where, what is escaped, and how large they become.

use std::collections::BTreeSet;

use super::{Documentation, Environment, MAX_PAGE_BYTES, PageName};
use crate::contract::{Contract, Options, Sources, read};

const CHAT: &str = include_str!("../../../tests/fixtures/contracts/chat.yaml");

fn contract(text: &str) -> Contract {
    read(&Sources::one("asyncapi.yaml", text.as_bytes().to_vec()).unwrap(), Options::default())
}

fn environments() -> Vec<Environment> {
    let of = |name: &str, url: &str| Environment { name: name.to_owned(), url: url.to_owned() };
    vec![
        of("development", "ws://127.0.0.1:8081/default/chat/v1.2"),
        of("production", "wss://chat.example/default/chat/v1.2"),
    ]
}

/// All pages with their names.
fn pages(text: &str) -> Vec<(String, String)> {
    let contract = contract(text);
    let environments = environments();
    let model = contract.model.as_ref().unwrap();
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

#[test]
fn the_json_form_has_the_model_and_the_url_of_each_channel() {
    let contract = contract(CHAT);
    let environments = environments();
    let model = contract.model.as_ref().unwrap();
    let documentation = Documentation { api: "Chat", model, problems: &contract.problems, environments: &environments };
    let json: serde_json::Value = serde_json::from_str(&documentation.json().unwrap()).unwrap();
    assert_eq!(json["environments"][1]["channels"][0]["url"], "wss://chat.example/default/chat/v1.2/rooms/{roomId}");
    assert_eq!(json["contract"]["routes"][0]["client_sends"], serde_json::json!(["say", "leave"]));
    assert_eq!(json["contract"]["title"], "Chat");
}
