-- Every key begins with the workspace. Text documents (`doc`) are the rows as `evolve` made them; the other
-- columns are what rows are found by, and free text, which lives beside the log. Names sort by their bytes.

CREATE TABLE workspace (
    pk BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id BYTEA NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    size BIGINT NOT NULL DEFAULT 0,
    last_leaf BYTEA NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    last_at BIGINT NOT NULL DEFAULT 0,
    last_count BIGINT NOT NULL DEFAULT 0,
    batch_id BYTEA NOT NULL DEFAULT decode(repeat('00', 16), 'hex')
);

CREATE TABLE ledger_entry (
    ws BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    leaf BYTEA NOT NULL,
    envelope BYTEA NOT NULL,
    PRIMARY KEY (ws, idx)
);

-- A loud tripwire, not the proof: the proof is the tree.
CREATE FUNCTION ledger_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE TRIGGER ledger_entry_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_is_append_only();

-- Full tiles, and partial ones above the leaves: the leaves themselves stand with the entries.
CREATE TABLE ledger_tile (
    ws BIGINT NOT NULL,
    level BIGINT NOT NULL,
    n BIGINT NOT NULL,
    width BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (ws, level, n)
);

-- One row per batch that wrote entries; its id tells whether a commit whose answer was lost took place.
CREATE TABLE ledger_checkpoint (
    ws BIGINT NOT NULL,
    size BIGINT NOT NULL,
    note TEXT NOT NULL,
    batch_id BYTEA NOT NULL,
    PRIMARY KEY (ws, size)
);

CREATE TABLE agent (
    ws BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    doc TEXT NOT NULL,
    launch TEXT NOT NULL,
    salt BYTEA NOT NULL,
    PRIMARY KEY (ws, name)
);

CREATE TABLE thread (
    ws BIGINT NOT NULL,
    id BYTEA NOT NULL,
    status TEXT NOT NULL,
    doc TEXT NOT NULL,
    title TEXT NOT NULL,
    salt BYTEA NOT NULL,
    PRIMARY KEY (ws, id)
);

CREATE TABLE member (
    ws BIGINT NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    thread BYTEA NOT NULL,
    PRIMARY KEY (ws, agent, thread)
);

CREATE TABLE message (
    ws BIGINT NOT NULL,
    thread BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    id BYTEA NOT NULL,
    idx BIGINT NOT NULL,
    n BIGINT NOT NULL,
    head TEXT NOT NULL,
    body TEXT NOT NULL,
    data TEXT NOT NULL,
    salt BYTEA NOT NULL,
    withdrawn TEXT,
    PRIMARY KEY (ws, thread, seq)
);
CREATE UNIQUE INDEX message_by_id ON message (ws, id);
CREATE INDEX message_by_place ON message (ws, thread, idx, n);

CREATE TABLE finding (
    ws BIGINT NOT NULL,
    thread BYTEA NOT NULL,
    id BYTEA NOT NULL,
    reported_seq BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, thread, id)
);

CREATE TABLE wake (
    ws BIGINT NOT NULL,
    id BYTEA NOT NULL,
    thread BYTEA NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    due_at BIGINT NOT NULL,
    held BOOLEAN NOT NULL,
    urgent BOOLEAN NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, id)
);
CREATE INDEX wake_live ON wake (ws, thread) WHERE state <> 'finished';
CREATE INDEX wake_due ON wake (ws, due_at) WHERE state = 'pending' AND NOT held;
CREATE INDEX wake_urgent ON wake (ws, due_at) WHERE state = 'pending' AND NOT held AND urgent;
CREATE INDEX wake_running ON wake (ws, id) WHERE state = 'running';
CREATE INDEX wake_by_thread ON wake (ws, thread, id);

CREATE TABLE timeline (
    ws BIGINT NOT NULL,
    thread BYTEA NOT NULL,
    idx BIGINT NOT NULL,
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (ws, thread, idx, n)
);

CREATE TABLE idempotency (
    ws BIGINT NOT NULL,
    key BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    idx BIGINT NOT NULL,
    PRIMARY KEY (ws, key)
);

-- Operational: not in the ledger, not in dumps.
CREATE TABLE lease (
    ws BIGINT NOT NULL,
    wake BYTEA NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, wake)
);
