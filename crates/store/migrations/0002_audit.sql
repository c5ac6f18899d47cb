-- The audit trail: one chain of entries, numbered as they were committed. What each column holds, and how a row is
-- hashed, is written down in `rules::audit`. Times are milliseconds, latencies microseconds. What an older version kept
-- in `events` is put on the chain when the file is opened, and that table goes.

CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    user     INTEGER,
    client   TEXT,
    agent    INTEGER,
    resource TEXT,
    scopes   TEXT,
    reason   TEXT,
    count    INTEGER,
    request  TEXT,
    trace    TEXT,
    method   TEXT,
    name     TEXT,
    decision TEXT,
    rule     TEXT,
    latency  INTEGER,
    ending   TEXT,
    mac      BLOB,
    hash     BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at);

-- In which blocks of 4096 numbers something stands: 1 an agent, 2 a person, 3 a client, 4 a name. An index of every row by
-- each of these would cost more than the row; this one is written once for each block. The key of a client or a name is
-- a part of its digest, so that a block that is named may hold none, and never the other way round.
CREATE TABLE audit_blocks (
    what  INTEGER NOT NULL,
    key   INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (what, key, block)
) STRICT, WITHOUT ROWID;

-- What is personal about an entry. Erasing it leaves the chain whole.
CREATE TABLE audit_personal (
    seq       INTEGER PRIMARY KEY,
    salt      BLOB NOT NULL,
    name      TEXT,
    arguments BLOB,
    given     TEXT
) STRICT;

CREATE TABLE audit_checkpoints (
    seq       INTEGER PRIMARY KEY,
    hash      BLOB    NOT NULL,
    at        INTEGER NOT NULL,
    signature TEXT    NOT NULL,
    heads     TEXT    NOT NULL
) STRICT;

-- What the chain is called, and the entry after which it is kept: 0 until old ones were removed.
CREATE TABLE audit_chain (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    node BLOB    NOT NULL,
    seq  INTEGER NOT NULL,
    hash BLOB    NOT NULL
) STRICT;

-- Entries go only where the kept part of the chain begins later, and it begins only at a checkpoint.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
WHEN OLD.seq > (SELECT seq FROM audit_chain)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_personal_is_not_changed BEFORE UPDATE ON audit_personal
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_checkpoints_are_not_changed BEFORE UPDATE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_checkpoints_are_not_removed BEFORE DELETE ON audit_checkpoints
WHEN OLD.seq >= (SELECT seq FROM audit_chain)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_chain_goes_on BEFORE UPDATE ON audit_chain
WHEN NEW.node <> OLD.node OR NEW.seq < OLD.seq
    OR NOT EXISTS (SELECT 1 FROM audit_checkpoints WHERE seq = NEW.seq AND hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_chain_is_not_removed BEFORE DELETE ON audit_chain
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
