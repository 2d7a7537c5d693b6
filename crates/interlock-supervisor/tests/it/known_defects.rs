//! What goes wrong again and again in programs that wake agents, as far as a supervisor's calls can prevent it: each test
//! is named after what must never happen. docs/known-defects.md has the whole list, with what is tested elsewhere.

use crate::rig::Rig;
use crate::server::problem;

/// A report is sent again under its key with another time or number in it; the server answers that the key was used for
/// something else, which is taken for a reason to send it again, and so on.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_repeated_as_it_was_and_never_after_a_conflict() {
    let mut rig = Rig::running().await;
    rig.server.script().unanswered.insert("report");
    rig.wake("executor", 1, "exit 0");
    rig.until("repeats", |script| script.of("report").len() >= 4).await;
    let sent = rig.server.script().of("report");
    for again in &sent {
        assert_eq!((&again.key, &again.body), (&sent[0].key, &sent[0].body), "to the byte");
    }
    let conflict = problem(409, "IDEMPOTENCY_CONFLICT", "KEY_REUSED");
    {
        let mut script = rig.server.script();
        script.unanswered.clear();
        script.refused_steps.insert("started", conflict);
    }
    rig.until_reports(&["started", "not_started"]).await;
    let with_key =
        |rig: &Rig| rig.server.script().of("report").iter().filter(|call| call.key == sent[0].key).count();
    let count = with_key(&rig);
    rig.server.script().refused_steps.clear();
    // The conflict is nobody else's: the next one is run.
    rig.wake("reviewer", 2, "exit 0");
    rig.until_reports(&["started", "not_started", "started", "exited 0"]).await;
    assert_eq!(with_key(&rig), count);
    rig.stop().await.unwrap();
}
