//! Denials: that a caller who is known was not allowed something, so that whoever is told of it can look it up.
//!
//! Operational: refused requests change nothing, and the ledger has only what operators were refused. Ids and enums, no
//! free text: whoever may look at denials need not be one who may read what was asked for.

use crate::actor::{Actor, AgentName, Role};
use crate::id::{DenialId, SessionId};
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// One request that was not granted, in the workspace of its token.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Denial {
    /// Its id.
    pub denial_id: DenialId,
    /// The request's id, as the caller was told; one that a caller chose may come again.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub actor: AgentName,
    /// In which access role.
    pub role: Role,
    /// The session of the runtime, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// What was asked for; `mcp` for a request that was not let in to ask.
    pub operation: String,
    /// Why it was not granted.
    pub reason: Reason,
    /// The id of what it was asked of, where the request named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The trace that the request is part of (the second field of its W3C `traceparent`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// What is known of a request, whatever becomes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub request_id: String,
    /// The operation that it asks for.
    pub operation: &'static str,
    /// The id of what it is asked of.
    pub object: Option<String>,
    /// The trace that it is part of.
    pub trace_id: Option<String>,
}

impl Denial {
    /// What is remembered of a refusal; `None` when it denies nothing.
    pub fn of(
        actor: &Actor,
        attempt: &Attempt,
        refusal: &Refusal,
        at: Timestamp,
        entropy: &[u8; 32],
    ) -> Option<Self> {
        refusal.is_denial().then(|| Self {
            denial_id: DenialId::derive(at, entropy, 0),
            request_id: attempt.request_id.clone(),
            at,
            actor: actor.name.clone(),
            role: actor.role,
            session_id: actor.session_id,
            operation: attempt.operation.to_owned(),
            reason: refusal.reason,
            object: refusal.hidden.clone().or_else(|| attempt.object.clone()),
            trace_id: attempt.trace_id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ThreadId, WorkspaceId};
    use crate::reason::Code;
    use crate::thread;

    fn denial(refusal: &Refusal, object: Option<&str>) -> Option<Denial> {
        let actor = Actor {
            name: AgentName::parse("eve").unwrap(),
            role: Role::Participant,
            workspace_id: WorkspaceId::from_u128(1),
            session_id: Some(SessionId::from_u128(2)),
            wake_id: None,
        };
        let attempt = Attempt {
            request_id: "r".into(),
            operation: "get_thread",
            object: object.map(str::to_owned),
            trace_id: Some("t".into()),
        };
        Denial::of(&actor, &attempt, refusal, Timestamp::from_millis(5), &[9; 32])
    }

    #[test]
    fn what_is_forbidden_is_a_denial_and_what_is_wrong_is_none() {
        for reason in Reason::ALL {
            let is_denial = matches!(reason.code(), Code::Forbidden | Code::WorkspaceMismatch);
            let denied = denial(&Refusal::new(*reason, "no"), Some("thr_1"));
            assert_eq!(denied.is_some(), is_denial, "{reason}");
        }
        let denied = denial(&Refusal::new(Reason::RoleMissing, "no"), Some("thr_1")).unwrap();
        assert_eq!((denied.reason, denied.object.as_deref()), (Reason::RoleMissing, Some("thr_1")));
        assert_eq!(
            (denied.at, denied.session_id),
            (Timestamp::from_millis(5), Some(SessionId::from_u128(2)))
        );
    }

    #[test]
    fn what_is_hidden_reads_as_if_it_was_not_there_and_is_a_denial() {
        let id = ThreadId::from_u128(7);
        let (absent, hidden) = (thread::not_found(id), thread::hidden(id));
        assert_eq!(
            (absent.reason, &absent.detail, &absent.hint),
            (hidden.reason, &hidden.detail, &hidden.hint)
        );
        assert_eq!(denial(&absent, None), None);
        assert_eq!(denial(&hidden, None).unwrap().object, Some(id.to_string()));
    }
}
