-- What was last heard of agents' sessions: operational. `session` is empty where an agent speaks of itself and not of a
-- session; `terminal` says that a person has it open.
CREATE TABLE session (
    ws INTEGER NOT NULL,
    agent TEXT NOT NULL,
    session BLOB NOT NULL,
    terminal INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, agent, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_seen ON session (ws, seen_at);
CREATE INDEX session_terminal ON session (ws, agent, session) WHERE terminal = 1;
