-- The server's own work. Operational: not in the ledger, not in dumps. `due_at` is when something is to be done about a
-- job: run it, take it from a silent worker, or forget it.
CREATE TABLE job (
    ws INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    name TEXT,
    state TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_due ON job (ws, state, due_at);
CREATE INDEX job_by_state ON job (ws, state, id);
CREATE UNIQUE INDEX job_by_name ON job (ws, kind, name) WHERE name IS NOT NULL AND state IN ('queued', 'running');
