-- What callers were not allowed. Operational: not in the ledger, not in dumps; only the newest are kept.
CREATE TABLE denial (
    ws BIGINT NOT NULL,
    id BYTEA NOT NULL,
    request TEXT NOT NULL,
    actor TEXT NOT NULL,
    operation TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, id)
);
CREATE INDEX denial_by_request ON denial (ws, request, id);
