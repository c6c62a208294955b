-- Sessions, checkpoints and signals keep their facts in a sealed record; the columns beside it only find rows.
CREATE TABLE sessions (
    row_id      INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE,   -- UUIDv7, 16 bytes
    project     TEXT    NOT NULL,
    status      INTEGER NOT NULL,          -- shim.checkpoint.v1.SessionStatus
    recoverable INTEGER NOT NULL,          -- 1: belongs on the recovery list
    updated_at  INTEGER NOT NULL,          -- microseconds since the Unix epoch, as all times here
    record      BLOB    NOT NULL,          -- protobuf Session
    hash        BLOB    NOT NULL           -- BLAKE3 of record
);
-- No index holds updated_at of active sessions: every save would have to move its entry.
CREATE INDEX sessions_by_project ON sessions (project);
CREATE INDEX sessions_active ON sessions (row_id) WHERE status = 1;
CREATE INDEX sessions_recoverable ON sessions (updated_at) WHERE recoverable = 1;
CREATE INDEX sessions_recoverable_by_project ON sessions (project, updated_at) WHERE recoverable = 1;

CREATE TABLE checkpoints (
    row_id     INTEGER PRIMARY KEY,        -- order of saving over all sessions
    session    INTEGER NOT NULL REFERENCES sessions (row_id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,           -- 1, 2, 3 ... within the session
    id         BLOB    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    thinned_at INTEGER,                    -- when retention dropped the state
    header     BLOB    NOT NULL,           -- protobuf Checkpoint without its own hash
    state      BLOB,                       -- zstd of protobuf CheckpointState
    state_hash BLOB    NOT NULL,           -- BLAKE3 of the uncompressed state
    hash       BLOB    NOT NULL,           -- BLAKE3 of header and state_hash
    UNIQUE (session, number)
);

CREATE TABLE signals (
    row_id     INTEGER PRIMARY KEY,
    session    INTEGER NOT NULL REFERENCES sessions (row_id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    record     BLOB    NOT NULL,           -- protobuf SignalRecord
    hash       BLOB    NOT NULL
);
CREATE INDEX signals_by_session ON signals (session, row_id);

CREATE TABLE restores (
    row_id     INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL UNIQUE,
    session    INTEGER NOT NULL REFERENCES sessions (row_id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,           -- the checkpoint restored
    epoch      INTEGER NOT NULL,           -- the epoch it gave
    created_at INTEGER NOT NULL,
    fidelity   REAL,                       -- 0..1, once recorded
    notes      TEXT
);
CREATE INDEX restores_by_session ON restores (session);

-- Idempotency keys with the answers given, kept for a day. One tree, so that a save touches one page less.
CREATE TABLE requests (
    id         TEXT    PRIMARY KEY,
    digest     BLOB    NOT NULL,           -- BLAKE3 of method and request
    answer     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

-- What was deleted, when and why: deletion is never silent.
CREATE TABLE deletions (
    row_id     INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    reason     TEXT    NOT NULL,           -- request, prune, retention
    session    BLOB    NOT NULL,
    checkpoints INTEGER NOT NULL,
    bytes      INTEGER NOT NULL
);

-- Full text. Derived data: rows up to `done` are indexed, the rest when the writer is idle or a search asks.
CREATE VIRTUAL TABLE search USING fts5 (words, content = '', contentless_delete = 1);
CREATE TABLE search_progress (done INTEGER NOT NULL);
INSERT INTO search_progress VALUES (0);
