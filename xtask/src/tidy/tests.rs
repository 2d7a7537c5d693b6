//! Each check is fed something bad and must name it, and something good and must be silent.

use std::fmt::Write as _;

use super::tree::Tree;
use super::workspace::{Dependency, Member, ThirdParty, Workspace};
use super::{
    Finding, defects, dependencies, documents, layout, licences, reasons, size, source, spdx, words,
};

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
}

fn member(name: &str, needs: &[&str], dev: &[&str]) -> Member {
    let dependency = |is_dev| move |name: &&str| Dependency { name: (*name).to_owned(), is_dev };
    Member {
        name: name.to_owned(),
        manifest: format!("crates/{name}/Cargo.toml"),
        dependencies: needs.iter().map(dependency(false)).chain(dev.iter().map(dependency(true))).collect(),
        test_roots: Vec::new(),
    }
}

fn workspace(members: Vec<Member>) -> Workspace {
    Workspace { members, ..Workspace::default() }
}

/// Runs one check and compares `file:line: what is wrong` of all it finds.
#[track_caller]
fn check(check: fn(&Tree, &Workspace) -> Vec<Finding>, files: &[(&str, &str)], expected: &[&str]) {
    check_in(check, files, &Workspace::default(), expected);
}

#[track_caller]
fn check_in(
    check: fn(&Tree, &Workspace) -> Vec<Finding>,
    files: &[(&str, &str)],
    workspace: &Workspace,
    expected: &[&str],
) {
    let mut found = check(&tree(files), workspace);
    found.sort();
    let found: Vec<String> =
        found.iter().map(|row| format!("{}:{}: {}", row.file, row.line, row.wrong)).collect();
    assert_eq!(found, expected);
}

const CORE: &str = "crates/interlock-core/src/a.rs";

#[test]
fn the_layers_hold_on_a_synthetic_graph() {
    let graph = workspace(vec![
        member("interlock-api", &["interlock-core", "serde"], &["interlock-testkit", "interlock-engine"]),
        member("interlock-core", &["interlock-ledger"], &[]),
        member("interlock-engine", &["interlock-store", "interlock-testkit"], &[]),
        member("interlock-store-sqlite", &["interlock-store", "rusqlite"], &[]),
        member("interlock-server", &["interlock-store-sqlite", "axum", "rusqlite"], &[]),
        member("interlock-supervisor", &["axum"], &["rusqlite"]),
        member(
            "interlock",
            &["interlock-server", "interlock-store-sqlite", "interlock-conformance"],
            &["interlock-testkit"],
        ),
        member("interlock-novelty", &[], &[]),
        member("xtask", &["interlock-core"], &[]),
    ]);
    let manifest =
        "[package]\nname = \"x\"\n\n[dependencies]\naxum.workspace = true\nrusqlite.workspace = true\n";
    check_in(
        dependencies::check,
        &[("crates/interlock-server/Cargo.toml", manifest)],
        &graph,
        &[
            "crates/interlock-core/Cargo.toml:1: `interlock-core` may not depend on `interlock-ledger`",
            "crates/interlock-engine/Cargo.toml:1: `interlock-engine` needs `interlock-testkit` outside tests",
            "crates/interlock-novelty/Cargo.toml:1: crate `interlock-novelty` has no place in the dependency rule",
            "crates/interlock-server/Cargo.toml:1: `interlock-server` may not depend on `interlock-store-sqlite`",
            "crates/interlock-server/Cargo.toml:6: `interlock-server` may not depend on `rusqlite`",
            "crates/interlock-supervisor/Cargo.toml:1: `interlock-supervisor` may not depend on `axum`",
            "crates/interlock/Cargo.toml:1: `interlock` needs `interlock-conformance` outside tests",
            "crates/xtask/Cargo.toml:1: `xtask` may not depend on `interlock-core`",
        ],
    );
}

#[test]
fn this_workspace_keeps_the_layers() {
    let tree = Tree::load(&crate::shell::root()).unwrap();
    let workspace = Workspace::load().unwrap();
    assert!(workspace.members.iter().any(|member| member.name == "interlock-core"));
    assert_eq!(dependencies::check(&tree, &workspace), []);
}

#[test]
fn core_reads_nothing_of_the_world() {
    let bad = "use std::{collections::HashMap, time::{Duration, Instant}};\n\
               // std::fs::read is fine in a comment\n\
               const TEXT: &str = \"std::env::var\";\n\
               fn f() { std::env::var(\"X\"); jiff::Timestamp::now(); }\n\
               #[cfg(test)]\nmod tests {\n use std::collections::HashSet;\n use std::fs;\n}\n";
    check(
        dependencies::check,
        &[(CORE, bad), ("crates/interlock-engine/src/a.rs", bad)],
        &[
            "crates/interlock-core/src/a.rs:1: `HashMap` in core",
            "crates/interlock-core/src/a.rs:1: `std::time::Instant` in core",
            "crates/interlock-core/src/a.rs:4: `jiff::Timestamp::now` in core",
            "crates/interlock-core/src/a.rs:4: `std::env::var` in core",
        ],
    );
}

#[test]
fn only_some_crates_start_processes() {
    let bad =
        "use std::process::{Child, Command};\nfn f() { tokio::process::Child::id; std::process::exit(1) }\n";
    check(
        dependencies::check,
        &[
            ("crates/interlock-server/src/a.rs", bad),
            ("crates/interlock-server/tests/it/a.rs", bad),
            ("crates/interlock-supervisor/src/a.rs", bad),
            ("xtask/src/a.rs", bad),
        ],
        &[
            "crates/interlock-server/src/a.rs:1: `std::process::Command` in `interlock-server`",
            "crates/interlock-server/src/a.rs:2: `tokio::process::Child::id` in `interlock-server`",
        ],
    );
}

#[test]
fn features_are_chosen_and_versions_stand_in_one_place() {
    let root = "[workspace.dependencies]\n# why\nserde = { version = \"1\", default-features = false }\n\
                interlock-core = { path = \"crates/interlock-core\" }\nbytes = \"1\"\ntokio = \"1\"\n\
                [workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
    let ours = "[package]\nname = \"interlock-api\"\n[dependencies]\nserde.workspace = true\nuuid = \"1\"\n\
                [dev-dependencies]\ntokio = { workspace = true, features = [\"rt\"] }\n";
    check_in(
        dependencies::check_manifests,
        &[("Cargo.toml", root), ("crates/interlock-api/Cargo.toml", ours)],
        &workspace(vec![member("interlock-api", &[], &[])]),
        &[
            "Cargo.toml:6: `tokio` has its default features",
            "crates/interlock-api/Cargo.toml:5: `uuid` is not taken from the workspace's table",
        ],
    );
}

/// A function `name` of exactly `lines` lines.
fn function(name: &str, lines: usize) -> String {
    let mut text = format!("fn {name}() {{\n");
    for _ in 0..lines - 2 {
        text.push_str("    step();\n");
    }
    text + "}\n"
}

#[test]
fn functions_end_where_their_own_brace_closes() {
    let text = r##"
fn tricky(a: [u8; 2], f: fn(char) -> bool) -> &'static str {
    let _ = ('{', '\'', '\u{7b}', b'{', "}}\"{", r#"fn "fake() {"#, br"{", 'l');
    // { fn commented() {
    /* { /* { */ fn inside() { */
    fn nested<'a>(x: &'a str) -> &'a str {
        x
    }
    "{"
}
trait T {
    fn without_body(&self) -> [u8; 4];
    fn r#type(&self) where Self: Sized { }
}
"##;
    let found = source::functions(&source::tokens(text));
    let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.line, found.lines)).collect();
    assert_eq!(found, [("tricky", 2, 9), ("nested", 6, 3), ("type", 13, 1)]);
}

#[test]
fn long_files_and_functions_are_found_except_in_tests() {
    let long = function("long", 71);
    let short = function("short", 70);
    let marked =
        format!("{short}#[cfg(test)]\nmod tests {{\n{long}}}\n#[tokio::test(flavor = \"x\")]\nasync {long}");
    let lines = "// a line\n".repeat(801);
    check(
        size::check,
        &[
            ("crates/a/src/fits.rs", &"// a line\n".repeat(800)),
            ("crates/a/src/lines.rs", &lines),
            ("crates/a/src/long.rs", &format!("{short}\n{long}")),
            ("crates/a/src/marked.rs", &marked),
            ("crates/a/src/not.rs", &format!("#[cfg(not(test))]\n{long}")),
            ("crates/a/src/tests.rs", &format!("{lines}{long}")),
            ("crates/a/tests/it/main.rs", &format!("{lines}{long}")),
        ],
        &[
            "crates/a/src/lines.rs:1: the file has 801 lines, over 800",
            "crates/a/src/long.rs:72: `long` has 71 lines, over 70",
            "crates/a/src/not.rs:2: `long` has 71 lines, over 70",
        ],
    );
}

#[test]
fn exceptions_have_a_reason_and_go_when_they_are_not_needed() {
    let list = "# why\ncrates/a/src/long.rs::long one table, read in one go\ncrates/a/src/gone.rs::gone old\n\
                crates/a/src/lines.rs\n";
    check(
        size::check,
        &[
            ("crates/a/src/lines.rs", &"// a line\n".repeat(801)),
            ("crates/a/src/long.rs", &function("long", 71)),
            ("xtask/allow/long.txt", list),
        ],
        &[
            "xtask/allow/long.txt:3: `crates/a/src/gone.rs::gone` needs no exception any more",
            "xtask/allow/long.txt:4: the exception for `crates/a/src/lines.rs` has no reason",
        ],
    );
}

#[test]
fn very_long_test_files_are_noted() {
    let long = "// a line\n".repeat(1_001);
    let notes = size::notes(&tree(&[("crates/a/src/tests.rs", &long), ("crates/a/src/a.rs", &long)]));
    assert_eq!(
        notes,
        ["crates/a/src/tests.rs:1: the test file has 1001 lines; consider splitting it by meaning"]
    );
}

#[test]
fn anchors_follow_githubs_rules() {
    let cases = [
        ("Getting started", "getting-started"),
        ("What to do?", "what-to-do"),
        ("`serve` & `mcp`: the two", "serve--mcp-the-two"),
        ("Größe 1.0 (beta)", "größe-10-beta"),
        ("snake_case-kept", "snake_case-kept"),
        ("Getting started", "getting-started-1"),
        ("Getting *started*", "getting-started-2"),
    ];
    let text = cases.iter().fold(String::new(), |mut text, (heading, _)| {
        let _ = writeln!(text, "# {heading}\n");
        text
    });
    let expected: Vec<&str> = cases.iter().map(|(_, slug)| *slug).collect();
    assert_eq!(documents::Page::read(&text).anchors, expected);
}

#[test]
fn links_lead_to_files_and_headings() {
    let page = "# Top\n[ok](docs/b.md#deep-down) [ok](docs) [ok](#top) [ok](https://example.org/x)\n\n\
                [a](docs/none.md)\n![b](c.png)\n[d](docs/b.md#nowhere)\n[e](../up.md)\n`[code](none.md)`\n\
                [f][ref]\n\n[ref]: none.md\n";
    let mut files =
        vec![("a.md", page), ("docs/b.md", "## Deep down\n[up](../a.md#top)\n<a id=\"old\"></a>[x](#old)\n")];
    let required =
        ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "docs/glossary.md"];
    files.extend(required.map(|path| (path, "text")));
    check(
        documents::check,
        &files,
        &[
            "SECURITY.md:1: the document is missing",
            "a.md:4: link `docs/none.md`: there is no `docs/none.md`",
            "a.md:5: link `c.png`: there is no `c.png`",
            "a.md:6: link `docs/b.md#nowhere`: `docs/b.md` has no heading `#nowhere`",
            "a.md:7: link `../up.md` leads out of the repository",
            "a.md:9: link `none.md`: there is no `none.md`",
        ],
    );
}

#[test]
fn known_defects_have_tests_and_their_tests_are_listed() {
    let page = "# Known\n\n| | what | test |\n|---|---|---|\n\
                | V01 | stuck | [`stays_stuck`](../crates/a/tests/it/known_defects.rs) |\n\
                | V02 | lost | [`gone`](../crates/a/tests/it/known_defects.rs) |\n\
                | V03 | slow | see [`stays_stuck`](../crates/a/tests/it/none.rs) |\n\
                | V04 | open | somewhere |\n\nAnd [`helper`](../crates/a/tests/it/other.rs), [of](a.md).\n";
    let tests = "#[test]\nfn stays_stuck() {}\n#[cfg(test)]\nfn gone() {}\n\
                 #[tokio::test(flavor = \"multi_thread\")]\nasync fn unheard_of() {}\n";
    check(
        defects::check,
        &[
            ("crates/a/tests/it/known_defects.rs", tests),
            ("crates/a/tests/it/other.rs", "fn helper() {}\n#[test]\nfn one() {}\n"),
            ("docs/known-defects.md", page),
        ],
        &[
            "crates/a/tests/it/known_defects.rs:6: the test `unheard_of` is not on the page",
            "docs/known-defects.md:6: `crates/a/tests/it/known_defects.rs` has no test `gone`",
            "docs/known-defects.md:7: `crates/a/tests/it/none.rs` has no test `stays_stuck`",
            "docs/known-defects.md:8: this row names no test",
            "docs/known-defects.md:10: `crates/a/tests/it/other.rs` has no test `helper`",
        ],
    );
    check(
        defects::check,
        &[("crates/a/tests/it/known_defects.rs", tests)],
        &[
            "crates/a/tests/it/known_defects.rs:2: the test `stays_stuck` is not on the page",
            "crates/a/tests/it/known_defects.rs:6: the test `unheard_of` is not on the page",
        ],
    );
}

#[test]
fn reasons_have_pages_and_pages_have_reasons() {
    let table = "fn code() { match self { Self::A => \"NOT_A_REASON\" } }\nmacro_rules! reasons { () => {} }\n\
                 reasons! {\n    Full => \"STORE_FULL\", Unavailable, \"no room\";\n    Gone => \"THREAD_GONE\", NotFound, \"gone\";\n\
                 \n    Good => \"ALL_GOOD\", Conflict, \"good\";\n}\n";
    let whole = "# X\n## Meaning\n## Causes\n## What to do\n";
    check(
        reasons::check,
        &[
            ("crates/interlock-core/src/reason.rs", table),
            ("docs/errors/ALL_GOOD.md", whole),
            ("docs/errors/NEVER_HEARD.md", whole),
            ("docs/errors/README.md.txt", ""),
            ("docs/errors/THREAD_GONE.md", "# THREAD_GONE\n## Meaning\n"),
        ],
        &[
            "crates/interlock-core/src/reason.rs:4: reason `STORE_FULL` has no page",
            "docs/errors/NEVER_HEARD.md:1: there is no reason `NEVER_HEARD`",
            "docs/errors/THREAD_GONE.md:1: the page has no heading `Causes`",
            "docs/errors/THREAD_GONE.md:1: the page has no heading `What to do`",
        ],
    );
    check(reasons::check, &[("docs/errors/NEVER_HEARD.md", "")], &[]);
}

#[test]
fn limits_are_listed() {
    let limits = "/// Rows.\npub const PAGE_ROWS_MAX: u32 = 200;\npub const BODY_BYTES_MAX: usize = 1;\nconst OWN: u8 = 1;\n";
    check(
        reasons::check_limits,
        &[
            ("crates/interlock-core/src/limits.rs", limits),
            ("docs/limits.md", "| `PAGE_ROWS_MAX` | 200 |\n| `OTHER_BODY_BYTES_MAX` | 1 |\n"),
        ],
        &["crates/interlock-core/src/limits.rs:3: limit `BODY_BYTES_MAX` is not listed"],
    );
}

#[test]
fn licence_expressions_are_evaluated() {
    let accepted = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"];
    for (expression, expected) in [
        ("MIT", Some(true)),
        ("GPL-3.0-only", Some(false)),
        ("MIT OR GPL-3.0-only", Some(true)),
        ("MIT AND GPL-3.0-only", Some(false)),
        ("GPL-3.0-only OR MIT AND ISC", Some(true)),
        ("MIT OR ISC AND GPL-3.0-only", Some(true)),
        ("(MIT OR ISC) AND GPL-3.0-only", Some(false)),
        ("(MIT OR GPL-3.0-only) AND (ISC OR LGPL-2.1)", Some(true)),
        ("GPL-2.0 WITH Classpath-exception-2.0", Some(false)),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", Some(true)),
        ("MIT WITH LLVM-exception", Some(false)),
        ("Unlicense/MIT", Some(true)),
        ("", None),
        ("MIT OR", None),
        ("(MIT", None),
        ("MIT ISC", None),
        ("AND MIT", None),
    ] {
        assert_eq!(spdx::is_satisfied(expression, &accepted), expected, "{expression}");
    }
}

#[test]
fn packages_have_accepted_licences() {
    let package = |name: &str, licence: Option<&str>| ThirdParty {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        licence: licence.map(ToOwned::to_owned),
    };
    let third_party = vec![
        package("good", Some("MIT OR AGPL-3.0-only")),
        package("bad", Some("AGPL-3.0-only")),
        package("silent", None),
        package("strange", Some("ask me")),
    ];
    let lock = "[[package]]\nname = \"good\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"silent\"\nversion = \"1.0.0\"\n";
    check_in(
        licences::check,
        &[("Cargo.lock", lock)],
        &Workspace { third_party, ..Workspace::default() },
        &[
            "Cargo.lock:1: package `bad 1.0.0`: its licence `AGPL-3.0-only` is not accepted",
            "Cargo.lock:1: package `strange 1.0.0`: its licence `ask me` is no SPDX expression",
            "Cargo.lock:6: package `silent 1.0.0`: it names no licence",
        ],
    );
}

/// Words that may stand nowhere in the repository are written here with a `~` inside.
fn joined(text: &str) -> String {
    text.replace('~', "")
}

#[test]
fn words_that_do_not_belong_are_found() {
    let code = joined(
        "// TO~DO later\nfn f() { to~do!() }\n#[ig~nore = \"slow\"]\nconst TO~DOS: &str = \"XX~XX method_to~do\";\n\
         let home = \"/ho~me/me/x\"; let fine = \"crates/wo~rk/a /ho~me/ $HOME/wo~rk/x ./ro~ot/x\";\n",
    );
    let manifest =
        joined("# TO~DO is a word here\nindex = \"https://crates~.io/\"\ncache = \"/wo~rk/cache\"\n");
    check(
        words::check,
        &[
            ("Cargo.lock", &joined("source = \"https://crates~.io/index\"\n")),
            ("a.md", &joined("FIX~ME: X~XX\nsee /ro~ot/notes\n")),
            ("a.sql", &joined("<<<~<<<< HEAD\n a ||||~||| b\n||||~||| 1a2b3c\n>>>>~>>> other\n")),
            ("a.rs", &code),
            ("a.toml", &manifest),
        ],
        &[
            "a.md:1: `FIX~ME` does not belong here",
            "a.md:1: `X~XX` does not belong here",
            "a.md:2: `/ro~ot/` does not belong here",
            "a.rs:1: `TO~DO` does not belong here",
            "a.rs:2: `to~do!` does not belong here",
            "a.rs:3: `#[ig~nore` does not belong here",
            "a.rs:5: `/ho~me/` does not belong here",
            "a.sql:1: `<<<~<<<< ` does not belong here",
            "a.sql:3: `||||~||| ` does not belong here",
            "a.sql:4: `>>>>~>>> ` does not belong here",
            "a.toml:2: `crates~.io` does not belong here",
            "a.toml:3: `/wo~rk/` does not belong here",
        ]
        .map(joined)
        .each_ref()
        .map(String::as_str),
    );
}

#[test]
fn tests_do_not_sleep_without_a_reason() {
    let sleeps = "fn wait() { std::thread::sleep(d); }\n#[cfg(test)]\nmod tests {\n use tokio::time::{self, sleep};\n}\n";
    check(
        words::check,
        &[
            ("crates/a/src/a.rs", sleeps),
            ("crates/a/tests/it/allowed.rs", sleeps),
            ("crates/a/tests/it/main.rs", sleeps),
            (
                "xtask/allow/sleep.txt",
                "crates/a/tests/it/allowed.rs a real process has no virtual clock\nb.rs gone\n",
            ),
        ],
        &[
            "crates/a/src/a.rs:4: a test sleeps",
            "crates/a/tests/it/main.rs:1: a test sleeps",
            "crates/a/tests/it/main.rs:4: a test sleeps",
            "xtask/allow/sleep.txt:2: `b.rs` needs no exception any more",
        ],
    );
}

#[test]
fn every_test_file_is_compiled_into_the_one_binary() {
    let mut crate_a = member("a", &[], &[]);
    crate_a.test_roots = vec!["crates/a/tests/it/main.rs".to_owned(), "crates/a/tests/other.rs".to_owned()];
    check_in(
        layout::check,
        &[
            (
                "crates/a/tests/it/main.rs",
                "mod world;\n// mod forgotten;\n#[path = \"odd/name.rs\"]\nmod odd;\nmod deep;\n",
            ),
            ("crates/a/tests/it/world.rs", "mod inner;\n"),
            ("crates/a/tests/it/world/inner.rs", ""),
            ("crates/a/tests/it/deep/mod.rs", "mod more;"),
            ("crates/a/tests/it/deep/more.rs", ""),
            ("crates/a/tests/it/odd/name.rs", ""),
            ("crates/a/tests/it/forgotten.rs", ""),
            ("crates/a/tests/other.rs", ""),
        ],
        &workspace(vec![crate_a]),
        &[
            "crates/a/tests/it/forgotten.rs:1: no `mod` line leads to this test file",
            "crates/a/tests/other.rs:1: a second test binary costs a second link",
        ],
    );
}
