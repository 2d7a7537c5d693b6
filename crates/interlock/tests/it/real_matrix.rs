//! What happens to an agent, and the test with the real program that shows it, for each way into one.
//!
//! | what happens | Codex, `exec` | Codex, live | Claude Code |
//! |---|---|---|---|
//! | dormant | `real_wakes::codex_is_woken_works_and_remembers` | `real_live::an_agent_lives_in_our_own_server` | `real_wakes::claude_is_woken_works_and_remembers` |
//! | busy | `real_sessions::codex_waits_for_a_session_in_use` | `real_live::a_persons_turn_in_our_server_is_waited_for` | `real_sessions::claude_waits_for_a_session_in_use` |
//! | a person at work | `real_hooks::a_person_at_work_in_codex_is_waited_for_and_told` | `real_terminal::a_person_at_a_terminal_is_seen_waited_for_and_keeps_their_draft` | `real_hooks::a_person_at_work_in_claude_is_waited_for_and_told` |
//! | its session is gone | `real_sessions::codex_goes_on_in_a_fresh_session_when_its_own_is_gone` | `real_live::a_session_that_is_gone_is_replaced_through_the_live_door` | `real_sessions::claude_goes_on_in_a_fresh_session_when_its_own_is_gone` |
//! | model answers 401, 429, 500 | `real_wakes::codex_names_the_errors_of_its_model` | `real_live::errors_of_the_model_are_named_through_our_server` | `real_wakes::claude_names_the_errors_of_its_model` |
//! | quota with a time | `real_quota::codex_exec_waits_until_its_quota_is_given_again` | `real_quota::codex_live_waits_until_its_quota_is_given_again` | `real_quota::claude_waits_until_its_quota_is_given_again` |
//! | our tools are down | `real_wakes::codex_without_our_tools_fails_by_name` | `real_live::a_turn_without_our_tools_is_repeated_with_them` | `real_wakes::claude_without_our_tools_fails_by_name` |
//! | killed in its turn | `real_sessions::codex_goes_on_after_it_was_killed_in_the_middle` | `real_live::a_turn_whose_server_is_killed_is_repeated` | `real_sessions::claude_goes_on_after_it_was_killed_in_the_middle` |
//! | two supervisors | `real_two::two_supervisors_wake_codex_once` | `real_two::two_supervisors_wake_a_live_codex_once` | `real_two::two_supervisors_wake_claude_once` |

/// Where the tests stand.
const FILES: [(&str, &str); 7] = [
    ("real_wakes", include_str!("real_wakes.rs")),
    ("real_sessions", include_str!("real_sessions.rs")),
    ("real_live", include_str!("real_live.rs")),
    ("real_hooks", include_str!("real_hooks.rs")),
    ("real_terminal", include_str!("real_terminal.rs")),
    ("real_quota", include_str!("real_quota.rs")),
    ("real_two", include_str!("real_two.rs")),
];

/// No test of the table is renamed or lost without it.
#[test]
fn every_situation_has_its_test_for_every_way() {
    let rows: Vec<&str> =
        include_str!("real_matrix.rs").lines().filter(|line| line.starts_with("//! | ")).collect();
    assert_eq!(rows.len(), 10, "a heading and nine situations");
    for row in &rows[1..] {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert_eq!(names.len(), 3, "{row}");
        for name in names {
            let (module, test) = name.split_once("::").unwrap();
            let (_, source) = FILES.iter().find(|(file, _)| *file == module).unwrap();
            assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "{name} is no test");
        }
    }
}
