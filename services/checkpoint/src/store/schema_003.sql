-- Which session a client's conversation belongs to: one, whoever opened it.
CREATE TABLE conversations (
    row_id       INTEGER PRIMARY KEY,
    hostname     TEXT    NOT NULL,
    conversation TEXT    NOT NULL,         -- the client's own id of it
    session      INTEGER NOT NULL REFERENCES sessions (row_id) ON DELETE CASCADE,
    UNIQUE (hostname, conversation)
);
CREATE INDEX conversations_by_session ON conversations (session);

-- 1 once the conversations of sessions of older versions were filled in from their records.
CREATE TABLE conversations_filled (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    done     INTEGER NOT NULL
);
INSERT INTO conversations_filled VALUES (1, 0);

-- What was observed of a session.
CREATE TABLE observations (
    row_id INTEGER PRIMARY KEY REFERENCES sessions (row_id) ON DELETE CASCADE,   -- its session's
    record BLOB    NOT NULL,               -- protobuf, written with every event
    hash   BLOB    NOT NULL                -- BLAKE3 of record
);

-- The client's summary of the last compaction, which is large and seldom changes.
CREATE TABLE compaction_summaries (
    row_id INTEGER PRIMARY KEY REFERENCES sessions (row_id) ON DELETE CASCADE,   -- its session's
    text   TEXT    NOT NULL,
    hash   BLOB    NOT NULL                -- BLAKE3 of text
);

-- The newest events of each session, so that none has its effect twice.
CREATE TABLE observed_events (
    row_id      INTEGER PRIMARY KEY,       -- order of coming
    session     INTEGER NOT NULL REFERENCES sessions (row_id) ON DELETE CASCADE,
    id          BLOB    NOT NULL UNIQUE,   -- the event's UUID
    half        BLOB,                      -- names the beginning or end of a tool call, or the prompt, that it tells
    happened_at INTEGER NOT NULL,          -- by the client's clock
    record      BLOB    NOT NULL,          -- protobuf ObservedEvent without its client
    hash        BLOB    NOT NULL           -- BLAKE3 of record
);
CREATE INDEX observed_events_by_time ON observed_events (session, happened_at);
CREATE UNIQUE INDEX observed_events_by_half ON observed_events (session, half) WHERE half IS NOT NULL;
