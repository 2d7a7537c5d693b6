-- The index of words. Operational: derived from the messages, not in the ledger, not in dumps, made anew at will.
-- A row is a ledger entry, found by its place; it holds terms and nothing else, so that searching needs no text twice.
-- The tokenizer leaves the terms as they are: what a word is, is decided where messages are read.

CREATE VIRTUAL TABLE message_words USING fts5(
    terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

CREATE TABLE search_index (
    ws INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    mark INTEGER NOT NULL
) STRICT;
