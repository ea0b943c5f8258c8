//! The cost of reading a contract, and of drawing the pages of its documentation: a small document of our own, and the largest one
//! of others, if `RINGWAY_CONTRACTS` names the folder that has it (253 messages, 466 schemas; it is to take less than 200 ms).
//!
//! `RINGWAY_CONTRACTS=.. cargo bench --bench contract`

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::contract::pages::Documentation;
use ringway::contract::{Options, Sources, read};

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

criterion_group!(benches, contracts);
criterion_main!(benches);
