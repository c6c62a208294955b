-- An evolution keeps its facts in its record; the columns beside it find rows.
CREATE TABLE evolutions (
    row_id      INTEGER PRIMARY KEY,        -- order of proposing
    id          TEXT    NOT NULL UNIQUE,    -- UUIDv7; its beginning is enough to find it
    root        TEXT    NOT NULL,           -- the project
    transform   TEXT    NOT NULL,
    state       INTEGER NOT NULL,           -- shim.evolution.v1.EvolutionState
    content     BLOB    NOT NULL,           -- BLAKE3 of root, HEAD, transform and diffs
    request_id  TEXT    NOT NULL,           -- the request that changed its state last; empty before
    proposed_at INTEGER NOT NULL,           -- microseconds since the Unix epoch, as all times here
    updated_at  INTEGER NOT NULL,
    record      BLOB    NOT NULL,           -- protobuf Evolution without diffs
    diffs       BLOB    NOT NULL,           -- zstd of protobuf Evolution with its diffs alone
    hash        BLOB    NOT NULL            -- BLAKE3 of record and diffs
);
CREATE INDEX evolutions_by_root ON evolutions (root, row_id);
CREATE INDEX evolutions_by_state ON evolutions (state, row_id);
CREATE INDEX evolutions_by_content ON evolutions (content) WHERE state = 1;

-- What became of evolutions, kept longer than they are: one row for each.
CREATE TABLE outcomes (
    evolution TEXT    PRIMARY KEY,
    transform TEXT    NOT NULL,
    root      TEXT    NOT NULL,
    outcome   INTEGER NOT NULL,             -- 1 accepted, 2 rejected, 3 reverted, 4 broken
    at        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX outcomes_by_transform ON outcomes (transform, root, at);

-- Whether a project's own code may run, as somebody decided.
CREATE TABLE trust (
    root       TEXT    PRIMARY KEY,
    is_trusted INTEGER NOT NULL,
    decided_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Idempotency keys with the answers given, kept for a day.
CREATE TABLE requests (
    id         TEXT    PRIMARY KEY,
    digest     BLOB    NOT NULL,            -- BLAKE3 of method and request
    answer     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
