//! What is shown to whom.

use interlock_core::Timestamp;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Agent, Launch, Runtime};
use interlock_core::id::AgentId;
use interlock_core::text::{Digest, Salt};

#[test]
fn how_an_agent_is_started_is_for_those_who_manage_agents() {
    let agent = Agent {
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
    };
    for role in Role::ALL {
        let view = super::agent(agent.clone(), *role);
        let is_shown = matches!(role, Role::Operator | Role::Admin);
        assert_eq!((view.command.is_empty(), view.directory.is_some()), (!is_shown, is_shown), "{role}");
    }
}
