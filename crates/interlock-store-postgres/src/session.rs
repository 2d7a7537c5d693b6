//! Sessions: what was last heard of them.

use std::collections::BTreeMap;

use interlock_core::actor::AgentName;
use interlock_core::session::{Session, SessionKey};
use interlock_store::StoreError;

use crate::apply::{Values, boxed, some};
use crate::error::text;
use crate::pool::Line;
use crate::row::documents;

/// What is written of a session besides its key.
pub(crate) struct Columns(bool, i64, String);

impl Columns {
    pub(crate) fn of(session: &Session) -> Result<Self, StoreError> {
        Ok(Self(session.is_terminal(), session.seen_at.as_millis(), text("session", session)?))
    }
}

/// A key as its columns.
pub(crate) fn key((agent, id): &SessionKey) -> (String, Vec<u8>) {
    (agent.to_string(), id.map(|id| id.to_bytes().to_vec()).unwrap_or_default())
}

/// The keys of sessions to remove, and the others as columns.
pub(crate) fn columns(
    rows: BTreeMap<(String, Vec<u8>), Option<Columns>>,
) -> (Option<Values>, Option<Values>) {
    let (mut gone_agents, mut gone_ids) = (Vec::new(), Vec::new());
    let (mut agents, mut ids, mut terminals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut seen, mut docs) = (Vec::new(), Vec::new());
    for ((agent, id), columns) in rows {
        let Some(Columns(is_terminal, seen_at, doc)) = columns else {
            gone_agents.push(agent);
            gone_ids.push(id);
            continue;
        };
        agents.push(agent);
        ids.push(id);
        terminals.push(is_terminal);
        seen.push(seen_at);
        docs.push(doc);
    }
    let gone = some(gone_ids.is_empty(), || vec![boxed(gone_agents), boxed(gone_ids)]);
    let there =
        some(ids.is_empty(), || vec![boxed(agents), boxed(ids), boxed(terminals), boxed(seen), boxed(docs)]);
    (gone, there)
}

/// The sessions of these agents.
pub(crate) async fn of_all(line: &Line, ws: i64, agents: &[AgentName]) -> Result<Vec<Session>, StoreError> {
    let sql = "SELECT doc FROM session WHERE ws = $1 AND agent = ANY($2) ORDER BY agent, session";
    let names: Vec<String> = agents.iter().map(ToString::to_string).collect();
    documents("session", &line.all(sql, &[&ws, &names]).await?)
}
