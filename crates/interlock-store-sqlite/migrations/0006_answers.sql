-- Who answered a message first, whether all agents are stopped, and what of a message this version does not know.

ALTER TABLE message ADD COLUMN extra TEXT NOT NULL DEFAULT '';

CREATE TABLE halt (
    ws INTEGER PRIMARY KEY,
    doc TEXT NOT NULL
) STRICT;

CREATE TABLE answer (
    ws INTEGER NOT NULL,
    thread BLOB NOT NULL,
    target BLOB NOT NULL,
    agent TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, thread, target, agent)
) STRICT, WITHOUT ROWID;

-- What the messages that are there already say; messages name each other by the text of their ids.
CREATE INDEX message_by_name ON message (ws, thread, json_extract(head, '$.message_id'));
INSERT OR IGNORE INTO answer (ws, thread, target, agent, doc)
WITH named AS (
    SELECT ws, thread, seq, head, json_extract(head, '$.in_reply_to') AS target FROM message
    UNION ALL
    SELECT m.ws, m.thread, m.seq, m.head, p.value FROM message m, json_each(m.head, '$.parents') p
)
SELECT a.ws, a.thread, t.id, json_extract(a.head, '$.from'),
    '{"agent":"' || json_extract(a.head, '$.from') || '","message_id":"' || json_extract(a.head, '$.message_id')
    || '","seq":' || a.seq || ',"at":"' || json_extract(a.head, '$.posted_at') || '"}'
FROM named a JOIN message t
    ON t.ws = a.ws AND t.thread = a.thread AND json_extract(t.head, '$.message_id') = a.target
ORDER BY a.ws, a.thread, a.seq;
DROP INDEX message_by_name;
