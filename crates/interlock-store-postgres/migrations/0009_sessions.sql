-- What was last heard of agents' sessions: operational. `session` is empty where an agent speaks of itself and not of a
-- session; `terminal` says that a person has it open.
CREATE TABLE session (
    ws BIGINT NOT NULL,
    agent TEXT NOT NULL,
    session BYTEA NOT NULL,
    terminal BOOLEAN NOT NULL,
    seen_at BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, agent, session)
);
CREATE INDEX session_seen ON session (ws, seen_at);
CREATE INDEX session_terminal ON session (ws, agent, session) WHERE terminal;
