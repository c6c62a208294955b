-- Pieces of states that several checkpoints of a session share. A checkpoint whose state is one frame shares none.
CREATE TABLE segments (
    row_id  INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (row_id) ON DELETE CASCADE,
    hash    BLOB    NOT NULL,               -- BLAKE3 of session and uncompressed piece
    bytes   BLOB    NOT NULL                -- zstd of the piece
);
CREATE INDEX segments_by_session ON segments (session);

-- Each segment once more, on pages of its own: damage to what many checkpoints share costs none of them.
CREATE TABLE segment_copies (
    row_id  INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (row_id) ON DELETE CASCADE,
    hash    BLOB    NOT NULL,
    bytes   BLOB    NOT NULL
);
CREATE INDEX segment_copies_by_session ON segment_copies (session);
