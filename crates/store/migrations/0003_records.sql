-- Groups are names between single spaces. Wanted scopes stand as `<time>:<scope>`, denied ones as `<time>!<scope>`.
ALTER TABLE users ADD COLUMN member_of TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN management BLOB;
ALTER TABLE grants ADD COLUMN wanted TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN personal BLOB;

CREATE TABLE approvals (
    id         INTEGER PRIMARY KEY,
    agent      INTEGER NOT NULL,
    user       INTEGER NOT NULL,
    resource   TEXT    NOT NULL,
    tool       TEXT    NOT NULL,
    call       BLOB    NOT NULL,
    shown      TEXT    NOT NULL,
    cut        INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_at INTEGER
) STRICT;
CREATE UNIQUE INDEX approvals_one_open ON approvals (agent, call) WHERE state = 'open';
CREATE INDEX approvals_by_agent ON approvals (agent, call);
CREATE INDEX approvals_by_user ON approvals (user);
CREATE INDEX approvals_by_expiry ON approvals (expires_at);

CREATE TABLE books (
    resource TEXT    PRIMARY KEY,
    begun_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tools (
    row                 INTEGER PRIMARY KEY,
    resource            TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    digest              BLOB    NOT NULL,
    definition          TEXT    NOT NULL,
    accepted            BLOB,
    accepted_definition TEXT,
    accepted_at         INTEGER,
    seen_at             INTEGER NOT NULL,
    gone_at             INTEGER,
    UNIQUE (resource, name)
) STRICT;
CREATE INDEX tools_by_absence ON tools (gone_at) WHERE gone_at IS NOT NULL;

CREATE TABLE uses (
    key          BLOB    NOT NULL,
    window_start INTEGER NOT NULL,
    used         INTEGER NOT NULL,
    PRIMARY KEY (key, window_start)
) STRICT, WITHOUT ROWID;
CREATE INDEX uses_by_time ON uses (window_start);
