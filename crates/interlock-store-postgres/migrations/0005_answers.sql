-- Who answered a message first, whether all agents are stopped, and what of a message this version does not know.

ALTER TABLE message ADD COLUMN extra TEXT NOT NULL DEFAULT '';

CREATE TABLE halt (
    ws BIGINT PRIMARY KEY,
    doc TEXT NOT NULL
);

CREATE TABLE answer (
    ws BIGINT NOT NULL,
    thread BYTEA NOT NULL,
    target BYTEA NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, thread, target, agent)
);

-- What the messages that are there already say; messages name each other by the text of their ids.
CREATE INDEX message_by_name ON message (ws, thread, (head::jsonb ->> 'message_id'));
INSERT INTO answer (ws, thread, target, agent, doc)
WITH named AS (
    SELECT ws, thread, seq, head::jsonb AS head, head::jsonb ->> 'in_reply_to' AS target FROM message
    UNION ALL
    SELECT ws, thread, seq, head::jsonb, jsonb_array_elements_text(head::jsonb -> 'parents') FROM message
)
SELECT DISTINCT ON (a.ws, a.thread, t.id, a.head ->> 'from') a.ws, a.thread, t.id, a.head ->> 'from',
    '{"agent":"' || (a.head ->> 'from') || '","message_id":"' || (a.head ->> 'message_id')
    || '","seq":' || a.seq || ',"at":"' || (a.head ->> 'posted_at') || '"}'
FROM named a JOIN message t
    ON t.ws = a.ws AND t.thread = a.thread AND (t.head::jsonb ->> 'message_id') = a.target
ORDER BY a.ws, a.thread, t.id, a.head ->> 'from', a.seq;
DROP INDEX message_by_name;
