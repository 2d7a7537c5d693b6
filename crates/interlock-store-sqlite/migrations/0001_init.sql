-- Every key begins with the workspace. Text documents (`doc`) are the rows as `evolve` made them; the other
-- columns are what rows are found by, and free text, which lives beside the log.

CREATE TABLE workspace (
    pk INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    last_leaf BLOB NOT NULL DEFAULT (zeroblob(32)),
    last_at INTEGER NOT NULL DEFAULT 0,
    last_count INTEGER NOT NULL DEFAULT 0,
    batch_id BLOB NOT NULL DEFAULT (zeroblob(16))
) STRICT;

-- The key is one number, workspace and index in it: a new entry goes to the end of one tree and to no other.
-- With rowids, since an entry of 1 KB and more would not fit a page of a tree without, and fill one of its own.
CREATE TABLE ledger_entry (
    place INTEGER PRIMARY KEY,
    ws INTEGER NOT NULL GENERATED ALWAYS AS (place >> 40) VIRTUAL,
    idx INTEGER NOT NULL GENERATED ALWAYS AS (place & 1099511627775) VIRTUAL,
    leaf BLOB NOT NULL,
    envelope BLOB NOT NULL
) STRICT;

-- A loud tripwire, not the proof: the proof is the tree.
CREATE TRIGGER ledger_entry_is_append_only_update BEFORE UPDATE ON ledger_entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_entry_is_append_only_delete BEFORE DELETE ON ledger_entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- Full tiles, and partial ones above the leaves: the leaves themselves stand with the entries.
CREATE TABLE ledger_tile (
    ws INTEGER NOT NULL,
    level INTEGER NOT NULL,
    n INTEGER NOT NULL,
    width INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (ws, level, n)
) STRICT;

CREATE TABLE ledger_checkpoint (
    ws INTEGER NOT NULL,
    size INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (ws, size)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent (
    ws INTEGER NOT NULL,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    launch TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (ws, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE thread (
    ws INTEGER NOT NULL,
    id BLOB NOT NULL,
    status TEXT NOT NULL,
    doc TEXT NOT NULL,
    title TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (ws, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE member (
    ws INTEGER NOT NULL,
    agent TEXT NOT NULL,
    thread BLOB NOT NULL,
    PRIMARY KEY (ws, agent, thread)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    ws INTEGER NOT NULL,
    thread BLOB NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    idx INTEGER NOT NULL,
    n INTEGER NOT NULL,
    head TEXT NOT NULL,
    body TEXT NOT NULL,
    data TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (ws, thread, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX message_by_id ON message (ws, id);

CREATE TABLE finding (
    ws INTEGER NOT NULL,
    thread BLOB NOT NULL,
    id BLOB NOT NULL,
    reported_seq INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, thread, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE wake (
    ws INTEGER NOT NULL,
    id BLOB NOT NULL,
    thread BLOB NOT NULL,
    agent TEXT NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    due_at INTEGER NOT NULL,
    held INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX wake_live ON wake (ws, thread) WHERE state <> 'finished';
CREATE INDEX wake_due ON wake (ws, due_at) WHERE state = 'pending' AND held = 0;
CREATE INDEX wake_running ON wake (ws, id) WHERE state = 'running';
CREATE INDEX wake_by_thread ON wake (ws, thread, id);

CREATE TABLE timeline (
    ws INTEGER NOT NULL,
    thread BLOB NOT NULL,
    idx INTEGER NOT NULL,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (ws, thread, idx, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    ws INTEGER NOT NULL,
    key BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    idx INTEGER NOT NULL,
    PRIMARY KEY (ws, key)
) STRICT, WITHOUT ROWID;

-- Operational: not in the ledger, not in dumps.
CREATE TABLE lease (
    ws INTEGER NOT NULL,
    wake BLOB NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, wake)
) STRICT, WITHOUT ROWID;
