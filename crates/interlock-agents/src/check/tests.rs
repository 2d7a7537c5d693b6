use std::path::Path;

use super::cargo_json::{Edit, apply};
use super::{Check, Finding, Kind, Output, Report, Severity, checks, read};

const FILES: [&str; 3] = ["src/lib.rs", "src/routes.rs", "tests/it.rs"];

/// Reads what a command printed in `/repo`, which has [`FILES`].
fn report(command: &str, code: i32, stdout: &str, stderr: &str) -> Report {
    let check = Check::parse(command).unwrap();
    let exists = |path: &str| FILES.contains(&path);
    read(&Output {
        check: &check,
        code: Some(code),
        stdout,
        stderr,
        root: Path::new("/repo"),
        exists: &exists,
    })
}

/// Place, rule and message of each finding.
fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|one| format!("{}:{} {} {}", one.path, one.line, one.rule, one.message)).collect()
}

#[test]
fn a_command_line_says_how_it_is_read() {
    for (command, kind, arguments) in [
        ("cargo fmt --check", Kind::Format, "fmt --check -- --color never"),
        ("cargo fmt", Kind::Format, "fmt --check -- --color never"),
        (
            "cargo +nightly fmt -- --config x=1",
            Kind::Format,
            "+nightly fmt --check -- --config x=1 --color never",
        ),
        ("cargo check --all-targets", Kind::Compile, "check --all-targets --message-format=json"),
        ("cargo clippy -- -D warnings", Kind::Compile, "clippy --message-format=json -- -D warnings"),
        (
            "cargo test -- --test-threads 1",
            Kind::Test,
            "test --no-fail-fast --message-format=json -- --test-threads 1",
        ),
        ("cargo deny check", Kind::Custom, "deny check"),
        ("sh -c 'exit 1'", Kind::Custom, "-c exit 1"),
    ] {
        let check = Check::parse(command).unwrap();
        assert_eq!((check.kind, check.arguments().join(" ").as_str()), (kind, arguments), "{command}");
    }
    for command in ["", "   ", "sh -c 'open"] {
        assert_eq!(Check::parse(command).unwrap_err().reason(), "CHECK_MALFORMED", "{command}");
    }
}

#[test]
fn a_directory_without_a_manifest_needs_a_named_check() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(checks(dir.path(), None).unwrap_err().reason(), "NO_CHECKS");
    assert_eq!(checks(dir.path(), Some(&["true".to_owned()])).unwrap().len(), 1);
    std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
    assert_eq!(checks(dir.path(), None).unwrap().len(), 3);
}

#[test]
fn the_compilers_json_is_read_once_a_finding() {
    let report = report("cargo check --all-targets", 0, include_str!("testdata/check.jsonl"), "");
    assert_eq!(
        lines(&report.findings),
        [
            "src/lib.rs:1 unused_imports unused import: `std::collections::BTreeMap`",
            "src/lib.rs:9 unused_parens unnecessary parentheses around assigned value",
            "src/lib.rs:19 while_true denote infinite loops with `loop { ... }`",
            "src/lib.rs:29 unused_parens unnecessary parentheses around `if` condition",
            "src/lib.rs:4 unused_mut variable does not need to be mutable",
        ]
    );
    assert!(report.findings.iter().all(|finding| finding.severity == Severity::Medium));
    let mended = report.suggestions.iter().find(|one| one.finding.rule == "while_true").unwrap();
    assert_eq!(mended.edits["src/lib.rs"], [Edit { start: 235, end: 245, text: "loop".to_owned() }]);
}

#[test]
fn a_test_run_says_which_where_and_why() {
    let report = report("cargo test", 101, include_str!("testdata/test.txt"), "error: 1 target failed");
    assert_eq!(
        lines(&report.findings),
        [
            "src/lib.rs:0 test:tests::err Error: \"bad\"",
            "src/lib.rs:49 test:tests::never does not panic",
            "src/lib.rs:45 test:tests::unwraps called `Option::unwrap()` on a `None` value",
            "src/lib.rs:40 test:tests::works assertion `left == right` failed: two, left: 4, right: 5",
        ]
    );
    assert_eq!(report.passed.iter().collect::<Vec<_>>(), ["more::fine"]);
    assert_eq!(report.failed.len(), 4);
}

#[test]
fn a_test_run_that_does_not_compile_says_so() {
    let report = report("cargo test", 101, include_str!("testdata/broken.jsonl"), "");
    assert_eq!(lines(&report.findings), ["src/lib.rs:14 E0308 mismatched types"]);
    assert_eq!(report.findings[0].severity, Severity::High);
}

#[test]
fn a_panic_elsewhere_is_put_where_the_test_stands() {
    let text = "test routes::tests::far ... FAILED\n\n---- routes::tests::far stdout ----\n\n\
                thread 'routes::tests::far' panicked at /rustc/0/library/core/src/num.rs:3:5:\nattempt to add\n";
    assert_eq!(
        lines(&report("cargo test", 101, text, "").findings),
        ["src/routes.rs:0 test:routes::tests::far attempt to add"]
    );
}

#[test]
fn the_formatters_diff_is_one_finding_a_file() {
    let report = report("cargo fmt --check", 1, include_str!("testdata/fmt.txt"), "");
    assert_eq!(lines(&report.findings), ["src/lib.rs:1 rustfmt is not formatted as rustfmt would"]);
    let old = self::report("cargo fmt --check", 1, "Diff in /repo/src/routes.rs at line 7:\n", "");
    assert_eq!(old.findings[0].line, 7);
}

#[test]
fn a_formatter_that_is_not_installed_is_skipped() {
    let stderr = "error: 'cargo-fmt' is not installed for the toolchain 'stable'";
    let report = report("cargo fmt --check", 1, "", stderr);
    assert!(report.is_clean() && report.note.unwrap().contains("rustfmt is not installed"));
}

#[test]
fn any_other_command_is_judged_by_its_exit_code() {
    let found = |code, stdout: &str, stderr: &str| lines(&report("lint all", code, stdout, stderr).findings);
    assert_eq!(found(0, "src/lib.rs:3: looks odd", ""), [""; 0]);
    assert_eq!(
        found(1, "(src/lib.rs:3:9) looks odd\n/repo/src/routes.rs:4: so does this\nfar.rs:1: not ours", ""),
        [
            "src/lib.rs:3 check:lint all (src/lib.rs:3:9) looks odd",
            "src/routes.rs:4 check:lint all /repo/src/routes.rs:4: so does this"
        ]
    );
    assert_eq!(
        found(2, "", "bad `tests/it.rs`"),
        ["tests/it.rs:0 check:lint all `lint all` exits with 2: bad `tests/it.rs`"]
    );
    assert_eq!(found(1, "", ""), [":0 check:lint all `lint all` exits with 1 and says nothing"]);
    assert_eq!(found(1, "../../etc/passwd:1: x", "").len(), 1);
}

#[test]
fn edits_are_applied_or_refused_as_a_whole() {
    let edit = |start, end, text: &str| Edit { start, end, text: text.to_owned() };
    assert_eq!(apply("a (b) c", &[edit(4, 5, ""), edit(2, 3, "")]).as_deref(), Some("a b c"));
    assert_eq!(apply("a (b) c", &[edit(2, 3, ""), edit(2, 3, "")]).as_deref(), Some("a b) c"));
    assert_eq!(apply("abc", &[edit(0, 2, ""), edit(1, 3, "")]), None);
    assert_eq!(apply("ä", &[edit(1, 2, "")]), None);
    assert_eq!(apply("abc", &[edit(2, 9, "")]), None);
}
