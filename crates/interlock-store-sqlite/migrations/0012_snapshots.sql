-- What became of jobs, counted with them: operational. Where there are jobs already it is counted from now on: of those
-- that are not done, everything was accepted, what is held was claimed, and what is dead was claimed and died.
CREATE TABLE job_totals (
    ws INTEGER PRIMARY KEY,
    doc TEXT NOT NULL
) STRICT;
INSERT INTO job_totals (ws, doc)
SELECT w.pk, '{"counted_since":"' || strftime('%Y-%m-%dT%H:%M:%fZ', 'now') || '","accepted":' || count(j.id)
    || ',"claimed":' || count(CASE WHEN j.state IN ('running', 'dead') THEN 1 END)
    || ',"died":' || count(CASE WHEN j.state = 'dead' THEN 1 END) || '}'
FROM workspace w LEFT JOIN job j ON j.ws = w.pk AND j.state <> 'completed' GROUP BY w.pk;

-- What a workspace had done by a moment that somebody named.
CREATE TABLE snapshot (
    ws INTEGER NOT NULL,
    id BLOB NOT NULL,
    stage TEXT NOT NULL,
    doc TEXT NOT NULL,
    text TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (ws, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_by_stage ON snapshot (ws, stage, id);
