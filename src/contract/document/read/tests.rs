//! Trees of small texts: places, aliases, merges, duplicates, limits.

use serde_json::json;

use super::super::{MAX_VALUES, Value};
use super::{Document, document, find};
use crate::contract::problem::{Problem, Problems};

fn read(text: &str) -> (Result<Document, Box<Problem>>, Problems) {
    let mut problems = Problems::default();
    let read = document("a.yaml", text.as_bytes(), &mut MAX_VALUES.clone(), &mut problems);
    (read, problems)
}

fn json_of(text: &str) -> serde_json::Value {
    read(text).0.unwrap().root().to_json()
}

fn rule(text: &str) -> &'static str {
    read(text).0.unwrap_err().rule
}

fn at(value: Value<'_>) -> (u32, u32, String) {
    let place = value.place();
    (place.line, place.column, place.pointer)
}

#[test]
fn every_value_knows_its_line_column_and_pointer() {
    let text = "a:\n  b/c: [1, x]\n\"d~e\":\n- {f: 'g'}\n";
    let document = read(text).0.unwrap();
    for (pointer, line, column) in
        [("", 1, 1), ("/a/b~1c", 2, 8), ("/a/b~1c/1", 2, 12), ("/d~0e/0", 4, 3), ("/d~0e/0/f", 4, 7)]
    {
        let value = find(&document, pointer).unwrap();
        assert_eq!(at(value), (line, column, pointer.to_owned()));
    }
    let named = find(&document, "/d~0e/0/f").unwrap().name_place();
    assert_eq!((named.line, named.column), (4, 4));
    let columns = read("ä: 'ö'\n").0.unwrap();
    assert_eq!(find(&columns, "/ä").unwrap().place().column, 4);
}

#[test]
fn json_is_read_with_its_places() {
    let text = "{\n\t\"a\\/b\": \"\\ud83e\\udd80\", \"n\": [1.5e3, -2, null, true],\r\n \"o\": {}}";
    let document = read(text).0.unwrap();
    assert_eq!(document.root().to_json(), json!({ "a/b": "\u{1f980}", "n": [1500.0, -2, null, true], "o": {} }));
    assert_eq!(at(find(&document, "/n/1").unwrap()), (2, 39, "/n/1".to_owned()));
    let long = format!("{{\"{}\": [\"{}\"], \"b\":1}}", "k".repeat(2000), "v".repeat(200_000));
    assert!(read(&long).0.is_ok());
}

#[test]
fn a_quoted_scalar_is_text_and_a_plain_one_keeps_its_digits() {
    let document = read("a: 1.10\nb: '2'\nc: !!str 3\nd: on\ne:\nf: ~\n").0.unwrap();
    assert_eq!(document.root().to_json(), json!({ "a": 1.1, "b": "2", "c": "3", "d": "on", "e": null, "f": null }));
    assert_eq!(find(&document, "/a").unwrap().text(), Some("1.10"));
}

#[test]
fn an_alias_is_a_copy_and_a_merge_gives_way() {
    assert_eq!(json_of("a: &x {b: [1]}\nc: *x\n"), json!({ "a": { "b": [1] }, "c": { "b": [1] } }));
    let merged = json_of("a: &x {k: 1, l: 2}\nb: &y {l: 3, m: 4}\nc:\n  k: 0\n  <<: [*x, *y]\n");
    assert_eq!(merged["c"], json!({ "k": 0, "l": 2, "m": 4 }));
    let text = "a: &x {k: 1}\nc: {<<: *x, n: 2}\n";
    let document = read(text).0.unwrap();
    assert_eq!(find(&document, "/c/k").unwrap().pointer(), "/c/k");
    assert_eq!(find(&document, "/c/n").unwrap().pointer(), "/c/n");
}

#[test]
fn duplicates_are_all_told_and_the_first_counts() {
    let (document, problems) = read("a: 1\na: 2\nb: {c: 1, c: {d: 1, d: 2}}\n");
    assert_eq!(document.unwrap().root().to_json(), json!({ "a": 1, "b": { "c": 1 } }));
    let told: Vec<String> =
        problems.list().iter().map(|problem| format!("{} {}", problem.place, problem.place.pointer)).collect();
    assert_eq!(told, ["a.yaml:2:1 /a", "a.yaml:3:11 /b/c", "a.yaml:3:21 /b/c/d"]);
    assert!(problems.block_routing());
}

#[test]
fn bounds_hold() {
    assert_eq!(rule(&"[".repeat(10_000)), "depth");
    assert_eq!(rule(&(0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()), "depth");
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..9 {
        let before = vec![format!("*a{}", n - 1); 10].join(",");
        bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    assert_eq!(rule(&bomb), "too-many-values");
    assert_eq!(rule(&format!("[{}]", "1,".repeat(MAX_VALUES))), "too-many-values");
    assert_eq!(rule("a: &x [*x]\n"), "alias-cycle");
    assert_eq!(rule("a: &x {b: {c: *x}}\n"), "alias-cycle");
    let mut deep = "a0: &a0 [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]\n".to_owned();
    for n in 1..20 {
        deep.push_str(&format!("a{n}: &a{n} [[[[[[[[[[*a{}]]]]]]]]]]\n", n - 1));
    }
    assert_eq!(rule(&deep), "depth");
}

#[test]
fn what_is_no_tree_is_refused_with_its_place() {
    assert_eq!(rule(""), "empty");
    assert_eq!(rule("# nothing\n"), "empty");
    assert_eq!(rule("a: [1\n"), "syntax");
    assert_eq!(rule("a: *nobody\n"), "syntax");
    assert_eq!(rule("? [a]\n: 1\n"), "key");
    let broken = read("a: 1\n b: 2\n").0.unwrap_err();
    assert_eq!((broken.rule, broken.place.line), ("syntax", 2));
    let mut problems = Problems::default();
    let binary = document("a", b"a: \xff", &mut 10, &mut problems).unwrap_err();
    assert_eq!(binary.rule, "not-utf8");
    let (two, problems) = read("a: 1\n---\nb: 2\n");
    assert_eq!(two.unwrap().root().to_json(), json!({ "a": 1 }));
    assert_eq!(problems.list()[0].rule, "second-document");
}
