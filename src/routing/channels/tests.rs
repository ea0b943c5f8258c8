//! The table against written cases, against a naive matcher, and against paths and contracts that mean harm.

use proptest::prelude::*;

use super::{BrokenRule, ChannelSpec, Channels, MAX_LABELS, Match, OTHER, ValueSpec};

fn channel(path: &str) -> ChannelSpec {
    ChannelSpec { path: path.to_owned(), names: vec![path.to_owned()], ..ChannelSpec::default() }
}

fn table(paths: &[&str]) -> Channels {
    Channels::build(paths.iter().copied().map(channel).collect()).unwrap()
}

fn refused(paths: &[&str]) -> String {
    Channels::build(paths.iter().copied().map(channel).collect()).unwrap_err().to_string()
}

/// The path of the channel found, `-` for none, `!` for a reserved path, or the broken rule and its name.
fn found(table: &Channels, rest: &str, headers: &[(&str, &str)]) -> String {
    match table.find(rest, headers.iter().map(|(name, value)| (*name, value.as_bytes()))) {
        Ok(Match::Listed(channel)) => channel.path.to_string(),
        Ok(Match::Unlisted) => "-".to_owned(),
        Ok(Match::Reserved) => "!".to_owned(),
        Err(unfit) => format!("{:?} {}", unfit.rule, unfit.name),
    }
}

fn any(name: &str) -> ValueSpec {
    ValueSpec { name: name.to_owned(), ..ValueSpec::default() }
}

fn required(name: &str) -> ValueSpec {
    ValueSpec { is_required: true, ..any(name) }
}

fn one_of(name: &str, allowed: &[&str]) -> ValueSpec {
    ValueSpec { allowed: allowed.iter().map(|&one| one.to_owned()).collect(), ..any(name) }
}

fn like(name: &str, pattern: &str) -> ValueSpec {
    ValueSpec { pattern: Some(pattern.to_owned()), ..any(name) }
}

#[test]
fn text_comes_before_a_parameter_and_a_path_is_found_if_any_template_fits() {
    let table = table(&[
        "/",
        "/rooms",
        "/rooms/{id}",
        "/rooms/{id}/log",
        "/rooms/new",
        "/rooms/room-{id}.json",
        "/rooms/room-{id}",
        "/rooms/{a}.json",
        "/{tenant}/new/x",
        "/{tenant}/{b}/{c}/",
        "/caf\u{e9}/{id}",
        "/a%2fb",
    ]);
    for (rest, is) in [
        ("", "/"),
        ("/", "/"),
        ("?a=b", "/"),
        ("/?a=b", "/"),
        ("//", "-"),
        ("/rooms", "/rooms"),
        ("/rooms?x=/rooms/new", "/rooms"),
        ("/%72ooms", "/rooms"),
        ("/Rooms", "-"),
        ("/rooms/", "-"),
        ("//rooms", "-"),
        ("/rooms/7", "/rooms/{id}"),
        ("/rooms/new", "/rooms/new"),
        ("/rooms/n%65w", "/rooms/new"),
        ("/rooms/new/log", "/rooms/{id}/log"),
        ("/rooms/new/x", "/{tenant}/new/x"),
        ("/rooms/7/x", "-"),
        ("/rooms/7/x/", "/{tenant}/{b}/{c}/"),
        ("/rooms/room-1.json", "/rooms/room-{id}.json"),
        ("/rooms/room-.json", "/rooms/room-{id}"),
        ("/rooms/room-1", "/rooms/room-{id}"),
        ("/rooms/room-", "/rooms/{id}"),
        ("/rooms/x.json", "/rooms/{a}.json"),
        ("/rooms/.json", "/rooms/{id}"),
        ("/caf%C3%A9/1", "/caf\u{e9}/{id}"),
        ("/caf%c3%a9/1", "/caf\u{e9}/{id}"),
        ("/a%2Fb", "/a%2fb"),
        ("/a/b", "-"),
        ("/.ringway", "!"),
        ("/.ringway/x", "!"),
        ("/%2Eringway/new/x", "!"),
        ("/.ringwayx/new/x", "/{tenant}/new/x"),
    ] {
        assert_eq!(found(&table, rest, &[]), is, "{rest}");
    }
}

#[test]
fn a_parameter_has_an_allowed_value_and_never_a_separator_unless_it_is_listed() {
    let table = Channels::build(vec![
        ChannelSpec { parameters: vec![one_of("color", &["red", "blue", "a/b"])], ..channel("/c/{color}") },
        ChannelSpec { parameters: vec![like("id", "^[a-z/]{1,8}$")], ..channel("/p/{id}") },
        channel("/f/{free}"),
        ChannelSpec {
            parameters: vec![
                one_of("b", &["1"]),
                ValueSpec { allowed: vec!["x".into(), "y1".into()], ..like("a", "1") },
            ],
            ..channel("/two/{a}-{b}")
        },
        ChannelSpec { parameters: vec![like("t", "^[A-Z]+$")], ..channel("/in/{t}.json") },
    ])
    .unwrap();
    for (rest, is) in [
        ("/c/red", "/c/{color}"),
        ("/c/r%65d", "/c/{color}"),
        ("/c/green", "ParameterInvalid color"),
        ("/c/RED", "ParameterInvalid color"),
        ("/c/a%2Fb", "/c/{color}"),
        ("/c/a/b", "-"),
        ("/c/", "-"),
        ("/p/abc", "/p/{id}"),
        ("/p/%61bc", "/p/{id}"),
        ("/p/abcdefghi", "ParameterInvalid id"),
        ("/p/a%2fb", "ParameterInvalid id"),
        ("/p/a%zz", "ParameterInvalid id"),
        ("/p/%FF", "ParameterInvalid id"),
        ("/f/x%20y+z", "/f/{free}"),
        ("/f/%FF", "/f/{free}"),
        ("/f/x%2Fy", "ParameterInvalid free"),
        ("/f/x%5Cy", "ParameterInvalid free"),
        ("/f/x\\y", "ParameterInvalid free"),
        ("/two/y1-1", "/two/{a}-{b}"),
        ("/two/x-1", "ParameterInvalid a"),
        ("/two/y1-2", "ParameterInvalid b"),
        ("/two/y1-1-1", "ParameterInvalid b"),
        ("/in/ABC.json", "/in/{t}.json"),
        ("/in/abc.json", "ParameterInvalid t"),
        ("/in/abc", "-"),
    ] {
        assert_eq!(found(&table, rest, &[]), is, "{rest}");
    }
    let long = format!("/in/{}.json", "A".repeat(1025));
    assert_eq!(found(&table, &long, &[]), "ParameterInvalid t");
}

#[test]
fn every_value_of_a_query_parameter_fits_and_a_required_one_is_there() {
    let table = Channels::build(vec![ChannelSpec {
        query: vec![
            required("token"),
            like("room id", "^[0-9]+$"),
            ValueSpec { is_required: true, ..one_of("\u{e4}", &["a b", ""]) },
        ],
        ..channel("/q")
    }])
    .unwrap();
    for (query, is) in [
        ("token=1&%C3%A4=a+b", "/q"),
        ("token&%c3%a4=a%20b&other=%zz", "/q"),
        ("token=&%C3%A4", "/q"),
        ("token=%FF&token=2&%C3%A4", "/q"),
        ("", "QueryMissing token"),
        ("Token=1&%C3%A4=", "QueryMissing token"),
        ("token=1", "QueryMissing \u{e4}"),
        ("token=1&%C3%A4=x", "QueryInvalid \u{e4}"),
        ("token=1&%C3%A4=&%C3%A4=x", "QueryInvalid \u{e4}"),
        ("token=1&%C3%A4=a%zz", "QueryInvalid \u{e4}"),
        ("token=1&%C3%A4=&room+id=12", "/q"),
        ("token=1&%C3%A4=&room%20id=1a", "QueryInvalid room id"),
        ("token=1&%C3%A4=&room+id=", "QueryInvalid room id"),
        ("token=1&%C3%A4=&room+id=%31&room+id=%31a", "QueryInvalid room id"),
    ] {
        assert_eq!(found(&table, &format!("/q?{query}"), &[]), is, "{query}");
    }
    let often = |times| format!("/q?%C3%A4=&{}", "token=1&".repeat(times));
    assert_eq!(found(&table, &often(16), &[]), "/q");
    assert_eq!(found(&table, &often(17), &[]), "QueryInvalid token");
}

#[test]
fn headers_are_found_without_regard_to_case_and_those_of_the_handshake_are_not_asked_for() {
    let table = Channels::build(vec![ChannelSpec {
        headers: vec![
            required("X-Client"),
            like("x-version", "^v[0-9]$"),
            required("Upgrade"),
            required("Host"),
            required("Sec-WebSocket-Key"),
        ],
        ..channel("/")
    }])
    .unwrap();
    for (headers, is) in [
        (&[("x-client", "a")][..], "/"),
        (&[("X-CLIENT", ""), ("X-Version", " v1 ")], "/"),
        (&[("X-Client2", "a")], "HeaderMissing X-Client"),
        (&[("X-Client", "a"), ("x-version", "2")], "HeaderInvalid x-version"),
        (&[("X-Client", "a"), ("x-version", "v1"), ("X-Version", "v22")], "HeaderInvalid x-version"),
    ] {
        assert_eq!(found(&table, "/", headers), is, "{headers:?}");
    }
    let bytes = [("X-Client", &b"a"[..]), ("x-version", b"\xff")];
    assert!(matches!(table.find("/", bytes.into_iter()), Err(unfit) if unfit.rule == BrokenRule::HeaderInvalid));
}

#[test]
fn a_table_that_cannot_be_served_names_the_path_and_the_reason() {
    for (paths, told) in [
        (&["rooms"][..], "does not begin with `/`"),
        (&["/.ringway/x"], "Ringway's own"),
        (&["/%2eringway"], "Ringway's own"),
        (&["/a/{x}", "/a/{y}"], "no request can tell it from `/a/{x}`"),
        (&["/a", "/%61"], "no request can tell it from `/a`"),
        (&["/{a}-{b}", "/{c}-{d}"], "no request can tell it"),
        (&["/{a}/{a}"], "twice"),
        (&["/{a/b}"], "braces"),
        (&["/a/../b"], "never matched"),
        (&[&*"/a".repeat(65)], "segments"),
        (&[&*format!("/{}", "a".repeat(5000))], "bytes"),
    ] {
        let fault = refused(paths);
        assert!(fault.contains(told) && fault.contains("cannot be served"), "{fault}");
    }
    let twice = ChannelSpec { headers: vec![required("A"), required("a")], ..channel("/") };
    assert!(Channels::build(vec![twice]).unwrap_err().to_string().contains("described twice"));
    let pattern = ChannelSpec { parameters: vec![like("id", "(")], ..channel("/{id}") };
    let fault = Channels::build(vec![pattern]).unwrap_err().to_string();
    assert!(fault.contains("`/{id}`") && fault.contains("of `id`") && fault.contains("unclosed"), "{fault}");
}

/// Every combination of text and parameter, over so many segments.
fn overlapping(segments: usize) -> Vec<ChannelSpec> {
    let path = |bits: usize| {
        let segment = |at: usize| if bits >> at & 1 == 1 { "/a".to_owned() } else { format!("/{{p{at}}}") };
        (0..segments).map(segment).collect::<String>()
    };
    (0..1 << segments).map(|bits| channel(&path(bits))).collect()
}

#[test]
fn a_contract_whose_paths_make_a_search_long_is_refused() {
    let table = Channels::build(overlapping(8)).unwrap();
    assert!(table.tree.most_visits() <= 512);
    assert_eq!(found(&table, &"/a".repeat(8), &[]), "/a".repeat(8));
    let fault = Channels::build(overlapping(9)).unwrap_err().to_string();
    assert!(fault.contains("overlap too much") && fault.contains("1023"), "{fault}");
    let mixed = |n: usize| channel(&format!("/{}{{p}}", "x".repeat(n)));
    assert!(Channels::build((1..150).map(mixed).collect()).is_ok());
    assert!(Channels::build((1..600).map(mixed).collect()).is_err());
    let between = |n: usize| channel(&format!("/{{p}}-{n}-{{q}}"));
    assert!(Channels::build((0..600).map(between).collect()).is_err());
}

#[test]
fn ten_thousand_channels_are_searched_like_one() {
    let paths = |n: usize| [format!("/rooms/{n}/{{id}}"), format!("/room-{n}-{{id}}.json"), format!("/{{t}}/topic{n}")];
    let many = Channels::build((0..10_000).flat_map(paths).map(|path| channel(&path)).collect()).unwrap();
    assert!(many.tree.most_visits() <= 32, "{}", many.tree.most_visits());
    for (rest, is) in [
        ("/rooms/9999/7", "/rooms/9999/{id}"),
        ("/room-9999-7.json", "/room-9999-{id}.json"),
        ("/x/topic9999", "/{t}/topic9999"),
        ("/x/topic10000", "-"),
    ] {
        assert_eq!(found(&many, rest, &[]), is, "{rest}");
    }
}

#[test]
fn labels_are_few() {
    let table = Channels::build((0..500).map(|n| channel(&format!("/{n}"))).collect()).unwrap();
    let labels: std::collections::HashSet<_> = table.all().iter().map(|channel| &*channel.label).collect();
    assert_eq!(labels.len(), MAX_LABELS + 1);
    assert!(labels.contains(OTHER) && labels.contains("/0"));
}

#[test]
fn a_path_that_means_harm_is_answered() {
    let table = Channels::build(overlapping(8)).unwrap();
    for rest in ["/".repeat(16_000), "/a".repeat(8_000), format!("/{}", "%61".repeat(5_000)), "/%".repeat(8_000)] {
        assert_eq!(found(&table, &rest, &[]), "-");
    }
}

/// A matcher without any cleverness: every template is tried, and the best of those that fit is taken.
mod naive {
    use crate::routing::path::units;

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Rank {
        Text,
        Mixed(std::cmp::Reverse<usize>, std::cmp::Reverse<usize>, std::cmp::Reverse<usize>, Vec<String>),
        Whole,
    }

    /// A template's segment as the texts around its parameters.
    fn texts(segment: &str) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut is_name = false;
        for character in segment.chars() {
            match character {
                '{' => is_name = true,
                '}' => {
                    is_name = false;
                    texts.push(String::new());
                }
                character if !is_name => texts.last_mut().unwrap().push(character),
                _ => {}
            }
        }
        texts
    }

    fn rank(texts: &[String]) -> Rank {
        let (first, last) = (&texts[0], &texts[texts.len() - 1]);
        if texts.len() == 1 {
            Rank::Text
        } else if texts.iter().all(String::is_empty) {
            Rank::Whole
        } else {
            let between = texts[1..texts.len() - 1].to_vec();
            let bytes = between.iter().map(String::len).sum();
            let reverse = std::cmp::Reverse;
            Rank::Mixed(reverse(first.len()), reverse(last.len()), reverse(bytes), between)
        }
    }

    fn fits(texts: &[String], segment: &str) -> bool {
        let Some(rest) = segment.strip_prefix(&texts[0]) else { return false };
        if texts.len() == 1 {
            return rest.is_empty();
        }
        rest.char_indices().map(|(at, one)| at + one.len_utf8()).any(|end| fits(&texts[1..], &rest[end..]))
    }

    pub(super) fn find<'t>(templates: &[&'t str], path: &str) -> Option<&'t str> {
        let split = |path: &str| -> Vec<String> {
            let path = path.strip_prefix('/').unwrap_or(path);
            if path.is_empty() { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
        };
        let segments: Vec<String> = split(path).iter().map(|segment| units(segment).into_owned()).collect();
        let all = templates.iter().filter_map(|template| {
            let parts: Vec<Vec<String>> = split(template).iter().map(|segment| texts(segment)).collect();
            let is_fit = parts.len() == segments.len() && parts.iter().zip(&segments).all(|(one, it)| fits(one, it));
            is_fit.then(|| (parts.iter().map(|part| rank(part)).collect::<Vec<_>>(), *template))
        });
        all.min().map(|(_, template)| template)
    }
}

fn templates() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![
        4 => "[ab]{1,2}",
        3 => Just("{}".to_owned()),
        2 => "[ab]{0,2}\\{\\}[ab]{0,2}",
        1 => "[ab]?\\{\\}[ab]{1,2}\\{\\}[ab]?",
        1 => "\\{\\}a\\{\\}[ab]\\{\\}",
    ];
    let template = prop::collection::vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")));
    prop::collection::vec(template, 1..24)
}

/// Gives each parameter a name of its own.
fn named(template: &str) -> String {
    template
        .split("{}")
        .enumerate()
        .map(|(n, text)| if n == 0 { text.to_owned() } else { format!("{{p{n}}}{text}") })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_table_finds_what_a_naive_matcher_finds(
        mut templates in templates(),
        paths in prop::collection::vec("(/([ab]|%2[fF]|%61){0,4}){0,4}", 24),
    ) {
        templates.sort();
        templates.dedup();
        let named: Vec<String> = templates.iter().map(|template| named(template)).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let table = Channels::build(named.iter().copied().map(channel).collect());
        // Templates that overlap too much have a test of their own.
        prop_assume!(table.is_ok());
        let table = table.unwrap();
        for path in &paths {
            let found = match table.find(path, std::iter::empty()) {
                Ok(Match::Listed(channel)) => Some(&*channel.path),
                Ok(Match::Unlisted | Match::Reserved) => None,
                // The naive matcher knows paths alone.
                Err(unfit) => Some(&*unfit.channel.path),
            };
            prop_assert_eq!(found, naive::find(&named, path), "{}", path);
        }
    }

    #[test]
    fn no_template_and_no_request_makes_it_panic(
        paths in prop::collection::vec("/(\\PC|[/{}%]){0,12}", 1..6),
        rest in "([/?]([ -~]|%[0-9a-f]{2}|/){0,24})?",
    ) {
        if let Ok(table) = Channels::build(paths.iter().map(|path| channel(path)).collect()) {
            let _ = table.find(&rest, [("a", &b"\xff"[..])].into_iter());
        }
    }
}
