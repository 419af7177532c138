-- What the user may do. Users from before this column could do everything.
ALTER TABLE user ADD COLUMN role TEXT NOT NULL DEFAULT 'admin'
    CHECK (role IN ('viewer', 'operator', 'admin'));
-- Key of the authenticator app (RFC 6238, SHA-1); absent where the password is enough. As
-- it is: codes are computed from it. The whole database is on the encrypted partition.
ALTER TABLE user ADD COLUMN totp_key BLOB CHECK (length(totp_key) = 20);
-- The newest 30 s step whose code was taken, counted from the Unix epoch: none of a step up
-- to this one is taken again.
ALTER TABLE user ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0;

-- Codes that stand in for the authenticator app, once each.
CREATE TABLE recovery_code (
    user_name TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    -- SHA-256 of the code's letters.
    code_sha256 BLOB NOT NULL CHECK (length(code_sha256) = 32),
    PRIMARY KEY (user_name, code_sha256)
) STRICT, WITHOUT ROWID;

-- Where the session was begun; absent for those from before this column.
ALTER TABLE session ADD COLUMN address TEXT;

-- Tokens of programs. The token itself is never kept.
CREATE TABLE api_token (
    -- In the order of making.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the token's bytes.
    token_sha256 BLOB NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    -- What it is for.
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    -- In whose name it asks; it goes with them, and never does more than their role.
    user_name TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    -- What it may do, a JSON array of words.
    scopes TEXT NOT NULL CHECK (json_valid(scopes)),
    -- When it was made.
    created_utc_ms INTEGER NOT NULL,
    -- When it ends.
    expires_utc_ms INTEGER NOT NULL
) STRICT;
