-- Who is told of events over HTTP. `seeds` is what secrets grow from together with a key that is not here; `progress` is
-- operational: how far a webhook has been told.
CREATE TABLE webhook (
    ws BIGINT NOT NULL,
    id BYTEA NOT NULL,
    doc TEXT NOT NULL,
    url TEXT NOT NULL,
    salt BYTEA NOT NULL,
    seeds TEXT NOT NULL,
    progress TEXT NOT NULL,
    PRIMARY KEY (ws, id)
);
