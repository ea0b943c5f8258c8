//! The rules on trees of a few files: each is kept by one and broken by another.

use super::rules::faults;

fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    faults(&files)
}

#[track_caller]
fn right(files: &[(&str, &str)]) {
    assert_eq!(faults_of(files), Vec::<String>::new());
}

#[track_caller]
fn wrong(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(faults_of(files), expected);
}

#[test]
fn the_data_plane_must_not_import_the_control_plane() {
    let store = ("src/control/store.rs", "pub struct Store;");
    wrong(
        &[("src/proxy/pump.rs", "use crate::control::store::Store;"), store],
        &["src/proxy/pump.rs imports src/control/store.rs: proxy must not import control"],
    );
    // Without a `use`.
    wrong(
        &[("src/tls/pem.rs", "fn f() -> crate::control::store::Store { todo() }"), store],
        &["src/tls/pem.rs imports src/control/store.rs: tls must not import control"],
    );
    right(&[
        ("src/node/serve.rs", "use crate::{control::store::Store, proxy::pump};"),
        ("src/proxy/pump.rs", ""),
        store,
    ]);
}

#[test]
fn the_control_plane_must_not_import_the_data_plane() {
    wrong(
        &[
            ("src/control/admin/mod.rs", "//! A.\nuse super::super::proxy::{record::{End as Ended, Side}};"),
            ("src/proxy/record.rs", ""),
        ],
        &["src/control/admin/mod.rs imports src/proxy/record.rs: control must not import proxy"],
    );
}

#[test]
fn a_name_that_a_folder_passes_on_counts_for_the_file_that_defines_it() {
    let engine = ("src/engine/mod.rs", "//! E.\nmod time;\npub use time::Time;\npub use self::time::Other as Another;");
    let time = ("src/engine/time.rs", "pub struct Time; pub struct Other;");
    right(&[engine, time, ("src/proxy/leg.rs", "use crate::engine::{Another, Time};")]);
    wrong(
        &[engine, time, ("src/proto/leg.rs", "use crate::engine::Another;")],
        &["src/proto/leg.rs imports src/engine/time.rs: proto must not import engine"],
    );
}

#[test]
fn a_folder_without_a_row_is_a_fault() {
    wrong(
        &[("src/extra/a.rs", "use crate::proto::b;"), ("src/proto/b.rs", "")],
        &["src/extra/a.rs is in a folder that no rule knows: extra"],
    );
}

#[test]
fn a_file_beside_the_folders_is_for_all_and_imports_nothing() {
    let invariant = ("src/invariant.rs", "");
    right(&[("src/proto/a.rs", "use crate::invariant::Expected;"), invariant]);
    wrong(
        &[("src/invariant.rs", "use crate::proto::a;"), ("src/proto/a.rs", "")],
        &["src/invariant.rs is in a folder that no rule knows: invariant"],
    );
}

#[test]
fn comments_strings_and_tests_import_nothing() {
    let control = ("src/control/a.rs", "");
    let text = r##"
        // use crate::control::a;
        /* use crate::control::a; /* use crate::control::a; */ use crate::control::a; */
        /// [`crate::control::a`]
        const A: &str = "crate::control::a \" crate::control::a"; const Q: char = '"'; const R: &[u8] = br#""crate::control::a"#;
        fn life<'a>(a: &'a str) -> &'a str { a }
        #[cfg(test)]
        mod tests { use crate::control::a; #[test] fn t() { std::time::Instant::now(); } }
        #[cfg(all(test, unix))]
        use crate::control::a;
        #[cfg(test)]
        mod elsewhere;
    "##;
    let elsewhere = ("src/proxy/pump/elsewhere.rs", "use crate::control::a;");
    right(&[("src/proxy/pump/mod.rs", &format!("//! P.{text}")), elsewhere, control]);
    // Behind all of these the reader still reads.
    wrong(
        &[("src/proxy/pump.rs", &format!("{text} use crate::control::a;")), control],
        &["src/proxy/pump.rs imports src/control/a.rs: proxy must not import control"],
    );
}

#[test]
fn a_stage_must_not_import_another_and_the_connection_imports_them_all() {
    let dial = ("src/proxy/dial.rs", "pub struct Dial;");
    let terminated = ("src/proxy/terminated/echo.rs", "use crate::proxy::dial::Dial;");
    wrong(
        &[dial, terminated],
        &["src/proxy/terminated/echo.rs imports src/proxy/dial.rs: a stage knows no other stage"],
    );
    let within = ("src/proxy/terminated/core.rs", "use super::echo;");
    right(&[
        dial,
        within,
        ("src/proxy/terminated/echo.rs", ""),
        ("src/proxy/connection/mod.rs", "//! C.\nuse super::{dial, terminated::echo};"),
    ]);
}

#[test]
fn the_engine_alone_reads_the_clock_and_names_the_ring() {
    right(&[("src/engine/clock.rs", "use io_uring::IoUring; fn f() { std::time::Instant::now(); }")]);
    right(&[("src/control/a.rs", "fn f() { Instant::now(); }")]);
    right(&[("src/proxy/a.rs", "fn f(now: Time) { now.now; }")]);
    wrong(
        &[
            ("src/proxy/a.rs", "fn f() { std::time::SystemTime::now(); }"),
            ("src/tls/b.rs", "fn f() { Instant::now(); libc::read(0) }"),
        ],
        &[
            "src/proxy/a.rs reads a clock: std::time::SystemTime::now",
            "src/tls/b.rs reads a clock: Instant::now",
            "src/tls/b.rs names libc, which is the engine's",
        ],
    );
}

#[test]
fn files_that_import_each_other_are_a_circle_be_it_through_a_third() {
    let two = [("src/proto/a.rs", "use super::b::B;"), ("src/proto/b.rs", "fn f() { super::a::f() }")];
    wrong(&two, &["import each other: src/proto/a.rs, src/proto/b.rs"]);
    let three = [
        ("loadtest/src/a.rs", "use crate::b;"),
        ("loadtest/src/b.rs", "use crate::c;"),
        ("loadtest/src/c.rs", "use ringway_load::a;"),
    ];
    let faults = faults_of(&three);
    assert!(
        faults.contains(&"import each other: loadtest/src/a.rs, loadtest/src/b.rs, loadtest/src/c.rs".to_owned()),
        "{faults:?}"
    );
    right(&[("src/proto/a.rs", "use super::b;"), ("src/proto/b.rs", "mod inner { use super::f; } fn f() {}")]);
}

#[test]
fn a_folder_and_its_own_files_may_use_each_other() {
    let folder = ("src/proto/x/mod.rs", "//! X.\nmod y;\npub struct X;\nfn f() { y::f() }");
    right(&[folder, ("src/proto/x/y.rs", "use super::X;")]);
    // But not so that two files of it meet over another.
    let y = ("src/proto/x/y.rs", "use super::super::z::Z;");
    wrong(
        &[folder, y, ("src/proto/z.rs", "use super::x::y::f;")],
        &["import each other: src/proto/x/y.rs, src/proto/z.rs"],
    );
}

#[test]
fn folders_must_not_import_each_other() {
    wrong(
        &[
            ("loadtest/src/a/one.rs", "use crate::b::two;"),
            ("loadtest/src/b/two.rs", ""),
            ("loadtest/src/b/three.rs", "use crate::a::four;"),
            ("loadtest/src/a/four.rs", ""),
        ],
        &["loadtest/src/a imports what imports it", "loadtest/src/b imports what imports it"],
    );
}

#[test]
fn unsafe_code_is_in_two_files_of_the_engine() {
    right(&[("src/engine/sys.rs", "unsafe { f() }"), ("src/proto/a.rs", "#![deny(unsafe_code)]")]);
    wrong(&[("src/engine/net.rs", "unsafe fn f() {}")], &["src/engine/net.rs has unsafe code"]);
}

#[test]
fn a_folder_has_its_first_file_inside_and_says_what_it_is_for() {
    right(&[("src/proto/x/mod.rs", "//! X.\n"), ("src/proto/x/y.rs", "")]);
    wrong(
        &[("src/proto/x.rs", ""), ("src/proto/x/y.rs", "")],
        &["src/proto/x.rs is to be the mod.rs of the folder beside it"],
    );
    wrong(&[("src/proto/x/mod.rs", "mod y;")], &["src/proto/x/mod.rs does not say what its folder is for"]);
}
