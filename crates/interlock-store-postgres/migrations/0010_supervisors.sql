-- What was last heard of each supervisor, at whichever server of the workspace: operational.
CREATE TABLE supervisor (
    ws BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, name)
);
-- Names are sorted alike on every database, whatever its own collation.
ALTER TABLE session ALTER COLUMN agent TYPE TEXT COLLATE "C";
