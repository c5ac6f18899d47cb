-- Times are integer milliseconds since 1970. Numbered ids are stored with their top bit flipped, so that the
-- order of signed rows is the order of unsigned ids. Digests are 32 bytes; scopes are words between single spaces.

CREATE TABLE clients (
    row        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    origin     TEXT    NOT NULL,
    metadata   TEXT    NOT NULL,
    secret     BLOB,
    ceiling    TEXT,
    introspects TEXT,
    enabled    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX clients_by_expiry ON clients (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    password   TEXT    NOT NULL,
    admin      INTEGER NOT NULL,
    enabled    INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL,
    user       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE codes (
    id           INTEGER PRIMARY KEY,
    digest       BLOB    NOT NULL,
    client       TEXT    NOT NULL,
    user         INTEGER NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    resource     TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    replaces     INTEGER,
    expires_at   INTEGER NOT NULL,
    spent        INTEGER
) STRICT;

-- A grant without a user is a machine's. One without `ended` may still be used, unless it is suspended.
CREATE TABLE grants (
    id              INTEGER PRIMARY KEY,
    client          TEXT    NOT NULL,
    user            INTEGER,
    resource        TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    redirect        TEXT,
    label           TEXT,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER NOT NULL,
    expires_at      INTEGER,
    suspended       INTEGER NOT NULL DEFAULT 0,
    ended           TEXT,
    replaces        INTEGER,
    tip             BLOB,
    previous        BLOB,
    previous_sealed BLOB,
    previous_until  INTEGER
) STRICT;
CREATE INDEX grants_by_user ON grants (user) WHERE user IS NOT NULL;
CREATE INDEX grants_by_client ON grants (client) WHERE ended IS NULL;
CREATE UNIQUE INDEX grants_one_machine ON grants (client, resource) WHERE user IS NULL AND ended IS NULL;

CREATE TABLE spent (
    digest BLOB    PRIMARY KEY,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_by_time ON spent (until);

CREATE TABLE setup_links (
    number     INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL,
    reset      INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
    kid        TEXT    PRIMARY KEY,
    alg        TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE counter (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counter (one, value) VALUES (1, 0);

CREATE TABLE cuts (
    number INTEGER PRIMARY KEY,
    kind   TEXT    NOT NULL,
    target TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    user     INTEGER,
    client   TEXT,
    agent    INTEGER,
    resource TEXT,
    scopes   TEXT,
    reason   TEXT
) STRICT;
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
