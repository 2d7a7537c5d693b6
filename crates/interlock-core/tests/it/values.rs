//! Small values: ids, names, instants, digests, reasons, constants.

use std::collections::BTreeSet;

use interlock_core::actor::{AgentName, Permission, Role};
use interlock_core::id::{
    AgentId, CommandId, FindingId, JobId, MessageId, SessionId, ThreadId, WakeId, WorkspaceId,
};
use interlock_core::limits::AGENT_NAME_CHARS_MAX;
use interlock_core::policy::Policy;
use interlock_core::text::Digest;
use interlock_core::{Code, Hybrid, Reason, Timestamp};
use proptest::prelude::*;

macro_rules! round_trip {
    ($value:expr, $($id:ident),*) => {$({
        let id = $id::from_u128($value);
        let text = id.to_string();
        prop_assert_eq!(text.parse::<$id>().unwrap(), id);
        prop_assert_eq!(text.to_lowercase().replace(&$id::PREFIX.to_uppercase(), $id::PREFIX).parse::<$id>().unwrap(), id);
        prop_assert_eq!($id::from_slice(&id.to_bytes()).unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<$id>(&json).unwrap(), id);
        prop_assert!(text.len() == $id::PREFIX.len() + 27);
    })*};
}

/// The latest instant is printed as it is, and everything later as it.
#[test]
fn the_latest_instant_round_trips() {
    let latest = Timestamp::from_millis(i64::MAX);
    assert_eq!(latest.to_string(), "9999-12-30T22:00:00.000Z");
    assert_eq!(latest.to_string().parse::<Timestamp>().unwrap(), latest);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ids_round_trip(value: u128) {
        round_trip!(value, WorkspaceId, ThreadId, MessageId, AgentId, SessionId, WakeId, JobId, FindingId, CommandId);
    }

    #[test]
    fn ids_sort_as_their_texts(a: u128, b: u128) {
        let (x, y) = (WakeId::from_u128(a), WakeId::from_u128(b));
        prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
    }

    #[test]
    fn no_text_makes_ids_panic(text in "\\PC{0,40}", tail in "[0-9A-Za-z]{26}") {
        drop(text.parse::<ThreadId>());
        if let Ok(id) = format!("thr_{tail}").parse::<ThreadId>() {
            prop_assert_eq!(id.to_string(), format!("thr_{}", tail.to_uppercase()));
        }
    }

    #[test]
    fn instants_round_trip(millis in 0_i64..=253_402_300_799_999) {
        let at = Timestamp::from_millis(millis);
        prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        prop_assert_eq!(at.to_string().len(), 24);
    }

    #[test]
    fn digests_round_trip(bytes: [u8; 32], text in "[0-9a-fA-F+ -]{64}") {
        let digest = Digest::from_bytes(bytes);
        prop_assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        if let Some(digest) = Digest::parse(&text) {
            prop_assert_eq!(digest.to_string(), text.to_lowercase());
        }
    }

    #[test]
    fn names_are_what_their_pattern_says(text in "[a-c0-2_.A-]{0,66}") {
        let fits = (1..=AGENT_NAME_CHARS_MAX).contains(&text.len())
            && !text.starts_with(['_', '.', '-'])
            && !text.contains('A');
        prop_assert_eq!(AgentName::parse(&text).is_ok(), fits && !text.starts_with('A'));
    }

    #[test]
    fn hybrid_readings_never_go_back(walls in proptest::collection::vec(0_i64..1_000, 1..50)) {
        let mut last = Hybrid::default();
        for wall in walls {
            let next = last.tick(Timestamp::from_millis(wall));
            prop_assert!(next > last);
            prop_assert!(next.at.as_millis() >= wall);
            last = next;
        }
    }
}

#[test]
fn an_id_shows_when_it_was_made() {
    let at = Timestamp::from_millis(1_767_323_045_678);
    let id = MessageId::derive(at, &[9; 32], 0);
    assert_eq!(id.as_u128() >> 80, 1_767_323_045_678);
    assert_eq!((id.as_u128() >> 76) & 15, 7, "UUID version 7");
    assert_eq!((id.as_u128() >> 62) & 3, 2, "UUID variant");
    assert_eq!(id, MessageId::derive(at, &[9; 32], 0));
    assert_ne!(id, MessageId::derive(at, &[9; 32], 1));
    assert_ne!(id, MessageId::derive(at, &[8; 32], 0));
    assert_ne!(id.as_u128(), ThreadId::derive(at, &[9; 32], 0).as_u128());
    assert_eq!(id.to_uuid_text().len(), 36);
    let (first, later) = (MessageId::first_at(at), MessageId::first_at(at.plus_ms(1)));
    assert!(first < id && id < later);
}

#[test]
fn a_text_is_an_id_of_one_kind_or_none() {
    for text in [ThreadId::from_u128(7).to_string(), MessageId::from_u128(8).to_string()] {
        assert_eq!(interlock_core::id::any(&text), Some(text.clone()));
        assert_eq!(interlock_core::id::any(&text.replace("_0", "_o")), None);
    }
    for text in ["", "thr_", "please begin", "xyz_00000000000000000000000000"] {
        assert_eq!(interlock_core::id::any(text), None, "{text}");
    }
}

#[test]
fn texts_that_are_no_ids() {
    for text in [
        "",
        "thr_",
        "thr",
        "msg_00000000000000000000000000",
        "thr_0000000000000000000000000",
        "thr_000000000000000000000000000",
        "thr_80000000000000000000000000",
        "thr_0000000000000000000000000I",
        "thr_0000000000000000000000000L",
        "thr_0000000000000000000000000O",
        "thr_0000000000000000000000000U",
        "THR_00000000000000000000000000",
        "thr_000000000000000000000000é",
    ] {
        assert!(text.parse::<ThreadId>().is_err(), "{text}");
    }
}

#[test]
fn reasons_are_unique_and_parseable() {
    let texts: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(texts.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        let text = reason.as_str();
        assert!(text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'), "{text}");
        let json = serde_json::to_string(reason).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), *reason);
        let title = reason.title();
        assert!(!title.is_empty() && !title.ends_with('.') && !title.contains('\n'), "{text}: {title}");
        let (status, code) = (reason.status(), reason.code());
        assert!(status / 100 == code.status() / 100, "{text}");
        assert!(Code::ALL.contains(&code));
    }
}

/// The table of statuses and exit codes that callers branch on.
#[test]
fn codes_have_their_status_and_exit_code() {
    let table: Vec<_> = Code::ALL.iter().map(|c| (c.as_str(), c.status(), c.exit_code())).collect();
    assert_eq!(
        table,
        [
            ("INVALID_ARGUMENT", 400, 2),
            ("UNAUTHORIZED", 401, 3),
            ("FORBIDDEN", 403, 3),
            ("WORKSPACE_MISMATCH", 403, 3),
            ("NOT_FOUND", 404, 1),
            ("CONFLICT", 409, 1),
            ("INVALID_THREAD_TRANSITION", 409, 1),
            ("IDEMPOTENCY_CONFLICT", 409, 1),
            ("PRECONDITION_FAILED", 412, 1),
            ("PAYLOAD_TOO_LARGE", 413, 2),
            ("UNSUPPORTED", 415, 2),
            ("RATE_LIMITED", 429, 4),
            ("UNAVAILABLE", 503, 4),
            ("DATA_LOSS", 500, 5),
            ("INTERNAL", 500, 70),
        ]
    );
    for code in Code::ALL {
        assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
    }
}

/// Deny by default: this table is the whole of what each role may.
#[test]
fn roles_and_their_permissions() {
    use Permission as P;
    let everything_but_running = P::ALL.iter().copied().filter(|p| *p != P::WakeRun).collect::<Vec<_>>();
    let table = [
        (
            Role::Participant,
            vec![
                P::ThreadRead,
                P::ThreadStatus,
                P::ThreadMembers,
                P::MessageWrite,
                P::AgentRead,
                P::WakeRead,
                P::WakeManage,
                P::SessionObserve,
            ],
        ),
        (
            Role::Coordinator,
            vec![
                P::ThreadCreate,
                P::ThreadRead,
                P::ThreadStatus,
                P::ThreadMembers,
                P::MessageWrite,
                P::AgentRead,
                P::WakeRead,
                P::WakeManage,
                P::WorkspaceRead,
                P::SnapshotTake,
                P::SessionObserve,
            ],
        ),
        (
            Role::Auditor,
            vec![
                P::ThreadRead,
                P::AgentRead,
                P::WakeRead,
                P::JobRead,
                P::LedgerRead,
                P::WorkspaceRead,
                P::WebhookRead,
            ],
        ),
        (Role::Operator, everything_but_running.clone()),
        (Role::Supervisor, vec![P::AgentRead, P::WakeRead, P::WakeRun, P::SessionObserve]),
        (Role::Admin, everything_but_running),
    ];
    for (role, wanted) in table {
        let may: Vec<_> = P::ALL.iter().copied().filter(|p| role.may(*p)).collect();
        assert_eq!(may, wanted, "{role}");
    }
}

/// S002-76 to S002-78, S002-82, S002-83: the defaults are part of the product.
#[test]
fn the_constants_and_their_bounds() {
    let policy = Policy::default();
    assert_eq!((policy.poll_interval_ms, policy.accept_timeout_ms), (5_000, 8_000));
    assert_eq!((policy.wake_retries_max, policy.retry_backoff_ms), (2, 2_000));
    assert_eq!((policy.turns_without_progress_max, policy.identical_findings_max), (20, 3));
    assert_eq!(policy.fault(), None);
    assert_eq!([1, 2, 3].map(|attempt| policy.backoff_ms(attempt)), [2_000, 4_000, 8_000]);
    assert!(policy.backoff_ms(u32::MAX) > 0);
    let changed: [fn(&mut Policy); 7] = [
        |p| p.poll_interval_ms = 0,
        |p| p.retry_backoff_ms = -1,
        |p| p.lease_ms = 86_400_001,
        |p| p.accept_timeout_ms = p.run_ms_max,
        |p| p.poll_interval_ms = p.lease_ms,
        |p| p.turns_without_progress_max = 0,
        |p| p.identical_findings_max = 0,
    ];
    for (n, change) in changed.into_iter().enumerate() {
        let mut policy = Policy::default();
        change(&mut policy);
        assert!(policy.fault().is_some(), "case {n}");
    }
}
