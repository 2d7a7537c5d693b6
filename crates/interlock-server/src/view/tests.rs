//! What is shown to whom.

use interlock_core::Timestamp;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Agent, Launch, Runtime};
use interlock_core::guard::Spent;
use interlock_core::id::AgentId;
use interlock_core::policy::Policy;
use interlock_core::text::{Digest, Salt};

fn ann() -> Agent {
    Agent {
        agent_id: AgentId::from_u128(1),
        name: AgentName::parse("ann").unwrap(),
        role: Role::Participant,
        runtime: Runtime::Command,
        on: None,
        created_at: Timestamp::default(),
        spent: None,
        quota: None,
        launch_digest: Digest::default(),
        launch: Launch {
            command: vec!["run".into()],
            directory: Some("/srv/ann".into()),
            ..Launch::default()
        },
        launch_salt: Salt::default(),
    }
}

/// The limit stands beside what is used: 0 is none, and is not shown as one.
#[test]
fn an_agent_shows_what_it_may_use_in_a_day() {
    let spent = Spent { since: Timestamp::default(), tokens: 12 };
    let shown = |max| {
        let policy = Policy { agent_tokens_per_day_max: max, ..Policy::default() };
        let view = super::agent(Agent { spent: Some(spent), ..ann() }, &policy, Role::Participant);
        view.spent.map(|spent| (spent.tokens, spent.tokens_max, spent.until))
    };
    assert_eq!(shown(0), Some((12, None, spent.until())));
    assert_eq!(shown(100), Some((12, Some(100), spent.until())));
}

#[test]
fn how_an_agent_is_started_is_for_those_who_manage_agents() {
    let agent = ann();
    for role in Role::ALL {
        let view = super::agent(agent.clone(), &Policy::default(), *role);
        let is_shown = matches!(role, Role::Operator | Role::Admin);
        assert_eq!((view.command.is_empty(), view.directory.is_some()), (!is_shown, is_shown), "{role}");
    }
}
