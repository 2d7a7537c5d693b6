-- What became of jobs, counted with them: operational. Where there are jobs already it is counted from now on: of those
-- that are not done, everything was accepted, what is held was claimed, and what is dead was claimed and died.
CREATE TABLE job_totals (
    ws BIGINT PRIMARY KEY,
    doc TEXT NOT NULL
);
INSERT INTO job_totals (ws, doc)
SELECT w.pk, '{"counted_since":"' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","accepted":' || count(j.id)
    || ',"claimed":' || count(CASE WHEN j.state IN ('running', 'dead') THEN 1 END)
    || ',"died":' || count(CASE WHEN j.state = 'dead' THEN 1 END) || '}'
FROM workspace w LEFT JOIN job j ON j.ws = w.pk AND j.state <> 'completed' GROUP BY w.pk;

-- What a workspace had done by a moment that somebody named.
CREATE TABLE snapshot (
    ws BIGINT NOT NULL,
    id BYTEA NOT NULL,
    stage TEXT COLLATE "C" NOT NULL,
    doc TEXT NOT NULL,
    text TEXT NOT NULL,
    salt BYTEA NOT NULL,
    PRIMARY KEY (ws, id)
);
CREATE INDEX snapshot_by_stage ON snapshot (ws, stage, id);
