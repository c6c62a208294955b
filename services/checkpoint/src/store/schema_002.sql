-- A session that was pruned whole and contents that were pruned are told apart from now on.
UPDATE deletions SET reason = 'prune_session' WHERE reason = 'prune' AND session NOT IN (SELECT id FROM sessions);

-- What only the holder of the seal key can write (`checkpoint.seal_key_file`); empty without one.
CREATE TABLE seals (
    session INTEGER PRIMARY KEY REFERENCES sessions (row_id) ON DELETE CASCADE,
    seal    BLOB    NOT NULL               -- keyed BLAKE3 over the session's record and its newest checkpoint
);

-- Over the seals of all sessions: one row, once a key was used.
CREATE TABLE seal_root (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    since    INTEGER NOT NULL,             -- when the database was sealed first
    sum      BLOB    NOT NULL,             -- the exclusive or of a keyed BLAKE3 of each seal
    seal     BLOB    NOT NULL              -- keyed BLAKE3 of since and sum
);

-- The highest number of a row of a deleted session: no number is given twice, so that a gap between them is one deletion.
CREATE TABLE deleted_rows (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    highest  INTEGER NOT NULL
);
INSERT INTO deleted_rows VALUES (1, 0);
