//! The coding agents' own programs, where `cargo xtask test` has installed them.

use std::path::PathBuf;

/// Set where a test that cannot run must fail.
const REQUIRE_ALL: &str = "INTERLOCK_REQUIRE_ALL";

/// Codex CLI, or `None` after a word on why this test is skipped.
///
/// # Panics
/// Where skipping is not allowed.
pub fn codex(test: &str) -> Option<PathBuf> {
    find(test, "INTERLOCK_TEST_CODEX")
}

/// Claude Code, as [`codex`].
///
/// # Panics
/// Where skipping is not allowed.
pub fn claude(test: &str) -> Option<PathBuf> {
    find(test, "INTERLOCK_TEST_CLAUDE")
}

/// Gemini CLI, as [`codex`].
///
/// # Panics
/// Where skipping is not allowed.
pub fn gemini(test: &str) -> Option<PathBuf> {
    find(test, "INTERLOCK_TEST_GEMINI")
}

/// opencode, as [`codex`].
///
/// # Panics
/// Where skipping is not allowed.
pub fn opencode(test: &str) -> Option<PathBuf> {
    find(test, "INTERLOCK_TEST_OPENCODE")
}

fn find(test: &str, variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    if found.is_none() {
        let why =
            format!("{variable} names no program; run the tests with `cargo xtask test`, which needs npm");
        assert!(std::env::var_os(REQUIRE_ALL).is_none(), "{test} must not be skipped: {why}");
        eprintln!("SKIP {test}: {why}");
    }
    found
}
