//! What every store must do alike. Each test gets an empty [`Database`](crate::Database).

mod denials;
pub(crate) mod jobs;
mod probe;
mod random;
mod reading;
mod searching;
pub(crate) mod sessions;
mod snapshots;
mod supervisors;
pub(crate) mod webhooks;
mod writing;

pub use denials::*;
pub use jobs::*;
pub use random::*;
pub use reading::*;
pub use searching::*;
pub use sessions::*;
pub use snapshots::*;
pub use supervisors::*;
pub use webhooks::*;
pub use writing::*;

/// Run one test on a runtime of its own.
pub fn run<D: crate::Database + 'static, F: Future<Output = ()>>(
    database: D,
    test: impl FnOnce(std::sync::Arc<dyn crate::Database>) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(std::sync::Arc::new(database)));
}

/// The whole suite for one store: `store_conformance!(Made::new);`, where `Made::new()` makes an empty database; or
/// `store_conformance!(optional Made::new);`, where `Made::new("test")` gives none on a machine without the database.
#[macro_export]
macro_rules! store_conformance {
    (optional $make:expr) => { $crate::store_conformance! { @suite optional $make } };
    (@suite $kind:ident $make:expr) => {
        $crate::store_conformance! { @tests $kind $make =>
            a_workspace_is_made_once
            workspaces_that_nobody_made
            what_is_committed_is_read_and_survives_reopening
            a_refused_command_writes_nothing
            an_aborted_batch_writes_nothing
            a_failing_statement_leaves_nothing_behind
            an_empty_write_set_is_rolled_back
            facts_are_loaded_once_more_and_not_twice
            the_tree_goes_on_at_any_size
            the_stored_ledger_verifies
            a_retry_is_known_after_reopening
            batches_of_several_workspaces_share_a_store
            a_batch_that_fails_leaves_its_neighbours_alone
            two_workspaces_are_isolated
            every_kind_of_row_comes_back
            pages_of_threads
            pages_of_wakes
            wakes_of_agents
            pages_of_agents
            messages_after_a_number
            timelines_after_any_position
            who_follows_a_timeline_misses_nothing
            inboxes
            an_inbox_ends_at_its_limit
            what_is_due_next_and_how_much_there_is
            a_claim_sees_each_agents_first
            a_claim_sees_who_is_free
            a_claim_sees_what_is_leased_and_held
            what_asked_for_a_wake
            searches_find_what_is_there
            an_index_of_another_version_does_not_count
            searches_stay_in_their_workspace
            jobs_are_enqueued_with_what_asked_for_them
            a_job_has_one_holder
            a_job_dies_after_its_last_attempt
            a_name_is_taken_until_its_job_is_over
            sessions_are_what_was_last_heard_of_them
            a_claim_waits_for_a_person
            the_longest_silent_sessions_make_room
            supervisors_heard_of_at_one_server_are_known_at_every_other
            a_webhook_is_told_of_each_event_once_and_in_order
            deliveries_that_fail_step_aside_up_to_a_limit
            what_is_secret_of_a_webhook_is_in_no_dump
            denials_are_found_by_what_is_known_of_them
            the_newest_denials_of_each_workspace_are_kept
            a_snapshot_counts_what_was_committed
            pages_of_snapshots
            the_same_commands_give_the_same_dump
            rows_loaded_are_the_rows_made
            whatever_anybody_does_is_what_the_model_says
        }
    };
    (@tests always $make:expr => $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $crate::conformance::run($make(), $crate::conformance::$test);
            }
        )*
    };
    (@tests optional $make:expr => $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                if let Some(database) = $make(stringify!($test)) {
                    $crate::conformance::run(database, $crate::conformance::$test);
                }
            }
        )*
    };
    ($make:expr) => { $crate::store_conformance! { @suite always $make } };
}
