-- The index of words. Operational: derived from the messages, not in the ledger, not in dumps, made anew at will.
-- A row is a ledger entry; it holds terms without their order. What a word is, is decided where messages are read.

CREATE TABLE message_words (
    ws BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    terms TSVECTOR NOT NULL,
    PRIMARY KEY (ws, idx)
);
CREATE INDEX message_by_words ON message_words USING gin (terms);

CREATE TABLE search_index (
    ws BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,
    mark BIGINT NOT NULL
);
