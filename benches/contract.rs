//! The cost of reading a contract, and of drawing the pages of its documentation: a small document of our own, and the largest one
//! of others, if `RINGWAY_CONTRACTS` names the folder that has it (253 messages, 466 schemas; it is to take less than 200 ms). And
//! the cost of checking a message: one of a chat, and one of 16 KiB.
//!
//! `RINGWAY_CONTRACTS=.. cargo bench --bench contract`

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::contract::check::RouteChecker;
use ringway::contract::pages::Documentation;
use ringway::contract::{Direction, Options, Sources, read};
use ringway::routing::validation::{Kind, MessageChecker, Verdict};

const SMALL: &str = "asyncapi: 2.6.0\ninfo: {title: Chat, version: 1.0.0}\nservers: {main: {url: 'wss://a.example', protocol: wss}}\n\
    channels: {'/rooms/{id}': {parameters: {id: {schema: {type: string}}}, publish: {message: {payload: {type: object, \
    properties: {type: {const: chat}, text: {type: string}}}}}}}\n";

fn contracts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("contract");
    let mut one = |name: &str, bytes: Vec<u8>| {
        group.throughput(Throughput::Bytes(bytes.len().try_into().expect("a small file")));
        let sources = Sources::one("asyncapi.yaml", bytes).expect("a name");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let contract = read(black_box(&sources), Options::default());
                assert!(contract.is_routable());
                contract
            });
        });
        let contract = read(&sources, Options::default());
        let model = contract.model.as_ref().expect("a model");
        let documentation = Documentation { api: name, model, problems: &contract.problems, environments: &[] };
        group.bench_function(format!("{name}: all pages"), |bencher| {
            bencher.iter(|| {
                let site = black_box(documentation).site();
                let pages = site.names().filter_map(|page| site.page(&page)?.ok());
                pages.map(|page| page.len()).sum::<usize>()
            });
        });
    };
    one("small", SMALL.as_bytes().to_vec());
    let others = std::env::var_os("RINGWAY_CONTRACTS").map(|folder| Path::new(&folder).join("ucr-core-2.2.yaml"));
    if let Some(bytes) = others.and_then(|file| std::fs::read(file).ok()) {
        one("ucr-core", bytes);
    }
    group.finish();
}

/// Messages that a field tells apart: what people say, and what a service lists.
const ROOM: &str = r#"asyncapi: 2.6.0
info: {title: Chat, version: 1.0.0}
servers: {main: {url: 'wss://a.example', protocol: wss}}
channels: {/: {publish: {message: {oneOf: [{payload: {$ref: '#/components/schemas/said'}}, {payload: {$ref: '#/components/schemas/list'}}]}}}}
components:
  schemas:
    said:
      type: object
      required: [type, room, user, text]
      additionalProperties: false
      properties:
        type: {const: said}
        room: {type: string, pattern: '^[a-z0-9-]{1,40}$'}
        user: {$ref: '#/components/schemas/user'}
        text: {type: string, minLength: 1, maxLength: 2000}
        sent_at: {type: integer, minimum: 0}
    user: {type: object, required: [id], properties: {id: {type: integer}, name: {type: string, maxLength: 60}}}
    list:
      type: object
      required: [type, users]
      properties:
        type: {const: list}
        users: {type: array, maxItems: 1000, items: {$ref: '#/components/schemas/user'}}
"#;

/// A chat message of 200 bytes, and a list of 16 KiB.
fn messages() -> [(&'static str, String); 2] {
    let (start, end) =
        (r#"{"type":"said","room":"general","user":{"id":17,"name":"ada"},"sent_at":1764547200,"text":""#, "\"}");
    let said = format!("{start}{}{end}", "x".repeat(200 - start.len() - end.len()));
    let users: Vec<String> = (1000..1467).map(|n| format!(r#"{{"id":{n},"name":"somebody {n}"}}"#)).collect();
    let list = format!(r#"{{"type":"list","users":[{}]}}"#, users.join(","));
    let list = format!("{list}{}", " ".repeat((16 << 10) - list.len()));
    [("200 bytes", said), ("16 KiB", list)]
}

fn checks(criterion: &mut Criterion) {
    let sources = Sources::one("asyncapi.yaml", ROOM.as_bytes().to_vec()).expect("a name");
    let model = read(&sources, Options::default()).model.expect("a model");
    let checker = RouteChecker::compile(&model, model.routes.first().expect("a route"));
    let mut group = criterion.benchmark_group("check");
    for (name, message) in messages() {
        group.throughput(Throughput::Bytes(message.len().try_into().expect("a short message")));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let checked = checker.check(Direction::ClientSends, Kind::Text, black_box(message.as_bytes()));
                assert_eq!(checked.verdict, Verdict::Valid);
                checked
            });
        });
    }
    group.finish();
}

criterion_group!(benches, contracts, checks);
criterion_main!(benches);
