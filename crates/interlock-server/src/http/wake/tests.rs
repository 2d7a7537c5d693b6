//! What claims may say, and whose wakes a list shows.

use interlock_core::Reason;
use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::id::WorkspaceId;

use super::{Shown, check_limit, check_names, shown};

#[test]
fn a_claim_takes_1_to_32_wakes() {
    let reason = |limit| check_limit(limit).map_err(|refusal| refusal.reason);
    assert_eq!(reason(0), Err(Reason::ParameterInvalid));
    assert_eq!((reason(1), reason(32)), (Ok(()), Ok(())));
    assert_eq!((reason(33), reason(u32::MAX)), (Err(Reason::LimitExceeded), Err(Reason::LimitExceeded)));
}

#[test]
fn a_supervisors_names_are_harmless() {
    for fits in ["a", "Host-1.example_com", &"x".repeat(64)] {
        assert_eq!(check_names(&["sup", fits]), Ok(()), "{fits}");
    }
    for wrong in ["", &"x".repeat(65), "two words", "line\nfeed", "\u{1b}[31m", "caf\u{e9}", "a/b"] {
        let refusal = check_names(&[wrong, "life"]).unwrap_err();
        assert_eq!(refusal.reason, Reason::ParameterInvalid, "{wrong:?}");
    }
}

#[test]
fn who_does_not_see_all_threads_lists_its_own_wakes() {
    let name = |text| AgentName::parse(text).unwrap();
    let actor = |role| Actor {
        name: name("ann"),
        role,
        workspace_id: WorkspaceId::from_u128(1),
        session_id: None,
        wake_id: None,
        fence: None,
    };
    let ann = actor(Role::Participant);
    assert_eq!(shown(&ann, None), Shown::Of(name("ann")));
    assert_eq!(shown(&ann, Some(name("ann"))), Shown::Of(name("ann")));
    assert_eq!(shown(&ann, Some(name("bob"))), Shown::None);
    for role in [Role::Coordinator, Role::Auditor, Role::Operator, Role::Admin, Role::Supervisor] {
        assert_eq!(shown(&actor(role), None), Shown::All, "{role}");
        assert_eq!(shown(&actor(role), Some(name("bob"))), Shown::Of(name("bob")), "{role}");
    }
}
