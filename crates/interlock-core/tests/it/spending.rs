//! Budgets of tokens and cost from what runtimes report, and quotas at the models' services.

use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Outcome, TurnFault, Usage, WakeResult, WakeState};
use interlock_core::{Reason, Timestamp};

use crate::world::{Claim, Done, Post, World, name};

const DAY_MS: i64 = 86_400_000;

fn usage(input_tokens: u64, output_tokens: u64, cost_micro_usd: Option<u64>) -> Usage {
    Usage { input_tokens, cached_input_tokens: 0, output_tokens, cost_micro_usd }
}

/// The person says something, and the agent's turn uses so much.
fn spends(w: &mut World, used: Usage) -> Done {
    w.advance_ms(6_000);
    w.post("olga", Post::chat("go on").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    let seq = w.thread().seq;
    w.ack("executor", seq).unwrap();
    w.ended_with(&claim, Outcome::Exited { code: 0 }, used).unwrap()
}

#[test]
fn no_budget_is_the_default() {
    let mut w = World::pair();
    for _ in 0..10 {
        spends(&mut w, usage(1_000_000_000, 1_000_000_000, Some(1_000_000_000)));
    }
    assert_eq!(w.thread().status, Status::Active);
    assert_eq!(w.thread().guard.spent_total.tokens(), 20_000_000_000);
}

/// A token below its budget a thread goes on, at it it is blocked, with the figures.
#[test]
fn a_threads_budget_of_tokens() {
    let mut w = World::pair();
    w.policy.thread_tokens_max = 1_000;
    spends(&mut w, usage(900, 99, None));
    assert_eq!(w.thread().status, Status::Active);
    let done = spends(&mut w, usage(1, 0, None));
    assert_eq!(
        done.kinds(),
        ["wake.used", "wake.accepted", "wake.finished", "thread.status_changed", "thread.message_posted"],
        "in the entry of the report"
    );
    let thread = w.thread();
    assert_eq!((thread.status, thread.reason), (Status::Blocked, Some(Reason::BudgetSpent)));
    assert_eq!(thread.owner, Some(name("olga")));
    let said = &w.rows.messages[&(w.thread_id, thread.seq)].0.text.body;
    assert!(said.contains("1000 tokens were used, the budget is 1000"), "{said}");
}

#[test]
fn a_threads_budget_of_cost() {
    let mut w = World::pair();
    w.policy.thread_cost_micro_usd_max = 500_000;
    spends(&mut w, usage(1, 1, Some(499_999)));
    spends(&mut w, usage(1, 1, None));
    assert_eq!(w.thread().status, Status::Active);
    spends(&mut w, usage(1, 1, Some(1)));
    assert_eq!(w.thread().reason, Some(Reason::BudgetSpent));
}

/// A failed attempt costs too, and one report blocks a thread once.
#[test]
fn what_failed_attempts_use_counts() {
    let mut w = World::pair();
    w.policy.thread_tokens_max = 1_000;
    w.policy.wake_retries_max = 0;
    w.post("olga", Post::chat("go on").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.ended_with(&claim, Outcome::Exited { code: 1 }, usage(2_000, 0, None)).unwrap();
    assert_eq!(w.thread().reason, Some(Reason::WakeFailed), "the first that blocks it says why");
    assert_eq!(w.thread().guard.spent.tokens(), 2_000);
}

/// A person who lets the thread go on grants the budget once more; an agent that leads does not.
#[test]
fn people_grant_a_budget_anew() {
    let mut w = World::pair();
    w.policy.thread_tokens_max = 1_000;
    spends(&mut w, usage(1_000, 0, None));
    w.assigns("olga", "reviewer").unwrap();
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
    w.status("reviewer", Status::Active).unwrap();
    spends(&mut w, usage(1, 0, None));
    assert_eq!(w.thread().reason, Some(Reason::BudgetSpent), "an agent granted itself a budget");
    w.status("olga", Status::Active).unwrap();
    spends(&mut w, usage(999, 0, None));
    assert_eq!(w.thread().status, Status::Active);
    spends(&mut w, usage(1, 0, None));
    assert_eq!(w.thread().reason, Some(Reason::BudgetSpent));
    assert_eq!(w.thread().guard.spent_total.tokens(), 2_001);
}

/// An agent whose tokens of the day are spent waits until the day is over, in all its threads and whoever asks; nobody else does.
#[test]
fn an_agents_budget_of_a_day() {
    let mut w = World::pair();
    w.policy.agent_tokens_per_day_max = 1_000;
    spends(&mut w, usage(999, 0, None));
    let first = w.now();
    spends(&mut w, usage(1, 0, None));
    w.open("olga", &[("executor", ThreadRole::Participant), ("reviewer", ThreadRole::Participant)]);
    w.says("olga", "both of you");
    let claims = w.claim("sup");
    assert_eq!(claims.iter().map(|claim| claim.agent.as_str()).collect::<Vec<_>>(), ["reviewer"]);
    let [wake] = w.pending_of("executor")[..] else { panic!() };
    assert_eq!((wake.reason, wake.due_at), (Some(Reason::BudgetSpent), first.plus_ms(DAY_MS)));
    assert_eq!(wake.attempts, 0);
    w.advance_ms(wake.due_at.ms_since(w.now()) - 1);
    let due = |w: &mut World| w.claim("sup").iter().any(|claim| claim.agent == name("executor"));
    assert!(!due(&mut w));
    w.advance_ms(1);
    assert!(due(&mut w));
    assert_eq!(w.thread().status, Status::Active, "the thread is not to blame");
}

/// The one wake of the executor, started.
fn running() -> (World, Claim) {
    let mut w = World::pair();
    w.post("olga", Post::chat("go on").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    (w, claim)
}

const fn refused_for_quota(reset_in_ms: Option<u64>) -> Outcome {
    Outcome::TurnFailed { fault: TurnFault::ModelRateLimited, reset_in_ms }
}

fn waits_until(w: &World, claim: &Claim) -> Timestamp {
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.state, wake.reason), (WakeState::Pending, Some(Reason::ModelQuota)));
    assert_eq!((wake.attempts, wake.releases), (0, 0), "no attempt is used");
    wake.due_at
}

/// Until the time that the service names, or as long as the policy says, and never so long that nobody remembers.
#[test]
fn a_quota_is_waited_for() {
    let eight_days = 8 * DAY_MS;
    for (told, waited) in [
        (None, 300_000),
        (Some(20_000), 20_000),
        (Some(5 * 3_600_000), 5 * 3_600_000),
        (Some(0), 2_000),
        (Some(u64::MAX), eight_days),
    ] {
        let (mut w, claim) = running();
        w.ended(&claim, refused_for_quota(told)).unwrap();
        let until = waits_until(&w, &claim);
        assert_eq!(until, w.now().plus_ms(waited), "{told:?}");
        w.advance_ms(waited - 1);
        assert_eq!(w.claim("sup"), [], "{told:?}");
        w.advance_ms(1);
        let again = w.run_one("sup");
        assert_eq!(w.wake(again.wake_id).attempts, 1);
        w.does_its_turn(&again);
        assert_eq!(w.wake(again.wake_id).result, Some(WakeResult::Triggered));
        assert_eq!(w.rows.agents[&name("executor")].quota, None, "it has one again");
        assert_eq!((w.thread().status, w.thread().guard.turns), (Status::Active, 1));
    }
}

/// All wakes of the agent wait, in all its threads and whoever asks; nobody else's do.
#[test]
fn a_quota_is_the_agents_alone() {
    let (mut w, claim) = running();
    w.ended(&claim, refused_for_quota(Some(60_000))).unwrap();
    let until = waits_until(&w, &claim);
    w.open("olga", &[("executor", ThreadRole::Participant), ("reviewer", ThreadRole::Participant)]);
    w.post("olga", Post::chat("both of you").urgent()).unwrap();
    let claims = w.claim("sup");
    assert_eq!(claims.iter().map(|claim| claim.agent.as_str()).collect::<Vec<_>>(), ["reviewer"]);
    assert!(w.pending_of("executor").iter().all(|wake| wake.due_at == until));
    assert_eq!(w.rows.agents[&name("executor")].quota.unwrap().pauses, 1, "one refusal is one pause");
}

/// After so many refusals in a row it has failed; then the count begins anew.
#[test]
fn a_quota_is_not_waited_for_for_ever() {
    assert_eq!(interlock_core::policy::Policy::default().quota_pauses_max, 24);
    let (mut w, mut claim) = running();
    w.policy.quota_pauses_max = 3;
    for _ in 0..3 {
        w.ended(&claim, refused_for_quota(None)).unwrap();
        w.advance_ms(300_000);
        claim = w.run_one("sup");
    }
    w.ended(&claim, refused_for_quota(None)).unwrap();
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Failed), Some(Reason::ModelRateLimited)));
    assert_eq!(w.thread().reason, Some(Reason::WakeFailed));
    w.status("olga", Status::Active).unwrap();
    w.post("olga", Post::chat("go on").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.ended(&claim, refused_for_quota(None)).unwrap();
    waits_until(&w, &claim);
}

/// What a person asks for during the pause waits with it, and is due with it.
#[test]
fn messages_that_come_meanwhile_join_the_wake_that_waits() {
    let (mut w, claim) = running();
    w.ended(&claim, refused_for_quota(None)).unwrap();
    let until = waits_until(&w, &claim);
    w.post("olga", Post::chat("and this").to(&["executor"])).unwrap();
    assert_eq!(waits_until(&w, &claim), until);
    assert_eq!(w.wakes_of("executor").len(), 1);
}
