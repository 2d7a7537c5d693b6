//! The facts about sessions: rows of agents, of everybody who has one open, and of those that make room.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, Key, Missing, RowChange};
use crate::actor::AgentName;
use crate::session::{Session, SessionKey};

/// The sessions that were loaded, and which were looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions {
    /// Nothing stands for one that was forgotten.
    rows: BTreeMap<SessionKey, Option<Session>>,
    of: BTreeSet<AgentName>,
    has_terminals: bool,
    oldest: Option<Vec<SessionKey>>,
}

impl Sessions {
    /// Whether this key has been looked for.
    pub(super) fn has(&self, key: &Key) -> bool {
        match key {
            Key::Sessions(name) => self.of.contains(name),
            Key::Terminals => self.has_terminals,
            Key::OldestSessions => self.oldest.is_some(),
            _ => false,
        }
    }

    fn put(&mut self, sessions: Vec<Session>) {
        for session in sessions {
            self.rows.entry(session.key()).or_insert(Some(session));
        }
    }

    fn all(&self) -> impl Iterator<Item = &Session> {
        self.rows.values().flatten()
    }
}

impl Facts {
    /// Loaded: the sessions of an agent.
    pub fn put_sessions(&mut self, name: AgentName, sessions: Vec<Session>) {
        self.sessions.put(sessions);
        self.sessions.of.insert(name);
    }

    /// Loaded: the sessions that somebody has open.
    pub fn put_terminals(&mut self, sessions: Vec<Session>) {
        self.sessions.put(sessions);
        self.sessions.has_terminals = true;
    }

    /// Loaded: those that make room.
    pub fn put_oldest_sessions(&mut self, sessions: Vec<Session>) {
        self.sessions.oldest.get_or_insert_with(|| sessions.iter().map(Session::key).collect());
        self.sessions.put(sessions);
    }

    /// A session of an agent.
    pub fn session(&self, key: &SessionKey) -> Result<Option<&Session>, Missing> {
        let found = self.sessions.rows.get(key).map(Option::as_ref);
        let is_known = self.sessions.of.contains(&key.0);
        found.or(is_known.then_some(None)).ok_or_else(|| Missing(Key::Sessions(key.0.clone())))
    }

    /// The sessions of an agent.
    pub fn sessions_of(&self, name: &AgentName) -> Result<impl Iterator<Item = &Session>, Missing> {
        if !self.sessions.of.contains(name) {
            return Err(Missing(Key::Sessions(name.clone())));
        }
        Ok(self.sessions.all().filter(move |session| session.agent == *name))
    }

    /// The sessions of all agents that a person has open.
    pub fn terminals(&self) -> Result<impl Iterator<Item = &Session>, Missing> {
        if !self.sessions.has_terminals {
            return Err(Missing(Key::Terminals));
        }
        Ok(self.sessions.all().filter(|session| session.is_terminal()))
    }

    /// The sessions that make room for a new one.
    pub fn oldest_sessions(&self) -> Result<impl Iterator<Item = &Session>, Missing> {
        let keys = self.sessions.oldest.as_ref().ok_or(Missing(Key::OldestSessions))?;
        Ok(keys.iter().filter_map(|key| self.sessions.rows.get(key)?.as_ref()))
    }

    /// What an effect makes of a session.
    pub(super) fn change_session(&mut self, key: SessionKey, session: Option<Session>) {
        self.dirty.sessions.insert(key.clone());
        self.sessions.rows.insert(key, session);
    }

    /// The rows of these sessions, to be written.
    pub(super) fn session_rows(&self, keys: BTreeSet<SessionKey>) -> Vec<RowChange> {
        let row = |key: SessionKey| match self.sessions.rows.get(&key) {
            Some(Some(session)) => RowChange::Session(Box::new(session.clone())),
            _ => RowChange::Unsession(key),
        };
        keys.into_iter().map(row).collect()
    }
}
