-- An account without a password holds an empty text for one. It belongs to at most one person at one provider.
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN issuer TEXT;
ALTER TABLE users ADD COLUMN subject TEXT;
ALTER TABLE users ADD COLUMN proven_until INTEGER;
CREATE UNIQUE INDEX users_by_link ON users (issuer, subject) WHERE issuer IS NOT NULL;
CREATE INDEX users_by_email ON users (email) WHERE email IS NOT NULL;

CREATE TABLE providers (
    issuer     TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    configured INTEGER NOT NULL,
    since      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE handoffs (
    row    INTEGER PRIMARY KEY,
    digest BLOB    NOT NULL UNIQUE,
    sealed BLOB    NOT NULL,
    until  INTEGER NOT NULL
) STRICT;
CREATE INDEX handoffs_by_time ON handoffs (until);
