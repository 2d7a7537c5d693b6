-- What was last heard of each supervisor, at whichever server of the workspace: operational.
CREATE TABLE supervisor (
    ws INTEGER NOT NULL,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (ws, name)
) STRICT, WITHOUT ROWID;
