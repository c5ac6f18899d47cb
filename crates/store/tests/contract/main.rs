//! The contract suite: every store is held to `src/contract.rs` by the same tests, and then each by its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that is surprised stops, also outside the test function itself"
)]

mod audit;
mod cases;
mod cut_off;
mod facts;
mod file;
mod given;
mod model;
mod picture;
mod providers;
mod race;
mod sweep;
mod tamper;

use std::sync::Arc;

use portcullis_store::{Sqlite, Store, memory, sqlite};

/// A fresh, empty store, and what must live as long as it does.
struct World {
    store: Arc<dyn Store>,
    _directory: Option<tempfile::TempDir>,
}

impl World {
    fn memory() -> Self {
        Self { store: Arc::new(memory()), _directory: None }
    }

    fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store =
            Sqlite::open(&directory.path().join("portcullis.db"), sqlite::Options::new(given::salts()));
        Self { store: Arc::new(store.expect("a database")), _directory: Some(directory) }
    }
}

/// Instantiates each test of the suite for each store. A further store is a further module here.
macro_rules! every_store {
    ($($room:ident :: $test:ident),* $(,)?) => {
        mod memory_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() { super::$room::$test(super::World::memory).await })*
        }
        mod sqlite_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() { super::$room::$test(super::World::sqlite).await })*
        }
    };
}

every_store! {
    audit::w19_entries_stand_in_one_chain_in_the_order_of_commits,
    audit::t_audit_a_hundred_writers_make_one_chain,
    audit::w19_the_trail_is_asked_by_everything_it_knows,
    audit::t_audit_erasing_a_person_keeps_the_chain_and_only_theirs_goes,
    audit::w19_a_checkpoint_is_about_a_row_that_is_there,
    audit::t_audit_old_rows_go_only_up_to_a_checkpoint,
    audit::t_audit_removing_is_bounded_and_what_goes_is_not_shown,
    audit::w19_verifying_goes_on_over_many_pages,
    audit::w19_questions_find_the_rare_and_the_common_in_a_long_trail,
    cases::every_expectation_holds_or_conflicts,
    cases::every_write_holds_or_conflicts,
    cases::a_conflict_writes_nothing_of_its_verdict,
    cases::a_conflict_undoes_that_verdict_alone_in_a_group,
    cases::cuts_are_numbered_by_one_counter,
    cut_off::clients_of_a_host_are_cut_off_and_no_others,
    cut_off::one_client_is_cut_off_with_its_unspent_codes,
    facts::browser_facts_hold_the_session_its_digest_names,
    facts::code_and_grant_facts_are_whole,
    facts::a_machine_has_one_grant_at_a_resource,
    facts::setup_facts_hold_the_one_link,
    facts::a_client_entered_again_is_brought_up_to_date,
    facts::lists_are_newest_first_and_bounded,
    facts::agents_are_found_by_person_client_resource_and_id,
    facts::facts_of_one_call_come_from_one_snapshot,
    facts::sessions_end_one_by_one_or_together,
    facts::a_grant_is_touched_rotated_and_restored,
    facts::rows_read_back_as_they_were_written,
    providers::t_disable_people_stop_with_their_provider_and_go_on_with_it,
    providers::t_link_who_comes_back_is_found_by_issuer_and_subject_together,
    providers::t_two_jars_a_handoff_is_taken_once,
    providers::t_bounds_handoffs_are_bounded_and_the_first_to_leave_is_forgotten,
    providers::who_is_removed_leaves_no_address_and_no_tie,
    race::t21_a_code_is_redeemed_once,
    race::t21_a_refresh_token_is_rotated_once,
    race::r20_t_once_an_approval_is_spent_once,
    race::one_call_is_asked_about_once,
    race::a_first_account_is_made_once,
    race::cuts_are_told_before_the_answer_and_without_the_caller,
    race::t_linear_cuts_have_no_gap_and_no_double,
    sweep::what_is_over_is_forgotten_and_nothing_else,
    sweep::tools_and_uses_are_forgotten_after_a_month_and_a_book_never,
    sweep::unused_clients_go_oldest_first_beyond_the_cap,
    sweep::a_sweep_is_bounded,
}
