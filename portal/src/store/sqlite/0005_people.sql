-- Five roles, sub-distributors, authenticator apps, tokens for programs, and an audit that
-- says from where. Conventions as in the first schema.

-- SQLite can't change a CHECK: the table is made anew. Its rows are back before the commit,
-- when the references to them are looked at.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE users_kept AS SELECT * FROM users;
DROP TABLE users;
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    -- How pages greet; empty where nobody entered it.
    name TEXT NOT NULL,
    role TEXT NOT NULL
        CHECK (role IN ('admin', 'sales', 'support', 'distributor', 'sub_distributor')),
    -- NULL for vendor staff only.
    distributor_id TEXT REFERENCES distributors (id),
    -- PHC string; NULL until the first password is set with a one-time link.
    password_phc TEXT,
    -- 1: signs in no more.
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_utc_s INTEGER NOT NULL,
    CHECK ((role IN ('admin', 'sales', 'support')) = (distributor_id IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO users (id, email, name, role, distributor_id, password_phc, disabled, created_utc_s)
    SELECT id, email, '', role, distributor_id, password_phc, 0, created_utc_s FROM users_kept;
DROP TABLE users_kept;
CREATE INDEX users_by_address ON users (lower(email));

-- Whose sub-distributor a distributor is; no row for those of the vendor's own.
CREATE TABLE distributor_parents (
    distributor_id TEXT PRIMARY KEY REFERENCES distributors (id),
    parent_id TEXT NOT NULL REFERENCES distributors (id),
    CHECK (distributor_id <> parent_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX distributors_by_parent ON distributor_parents (parent_id);

-- Where and when a session began.
ALTER TABLE sessions ADD COLUMN created_utc_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
CREATE INDEX sessions_by_user ON sessions (user_id);

-- A sign-in between a right password and a right code.
CREATE TABLE second_steps (
    token_sha256 BLOB PRIMARY KEY CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    expires_utc_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Authenticator apps (RFC 6238): one in use, one that waits to be proved.
CREATE TABLE authenticators (
    user_id TEXT NOT NULL REFERENCES users (id),
    in_use INTEGER NOT NULL CHECK (in_use IN (0, 1)),
    totp_key BLOB NOT NULL CHECK (length(totp_key) = 20),
    -- Codes of this step of 30 s and earlier ones are used up.
    last_step INTEGER NOT NULL,
    PRIMARY KEY (user_id, in_use)
) STRICT, WITHOUT ROWID;

-- Each stands in for the app once, and is deleted then.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    code_sha256 BLOB NOT NULL CHECK (length(code_sha256) = 32),
    PRIMARY KEY (user_id, code_sha256)
) STRICT, WITHOUT ROWID;

-- Tokens for programs.
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    token_sha256 BLOB NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- Words with blanks between them.
    scopes TEXT NOT NULL,
    created_utc_s INTEGER NOT NULL,
    expires_utc_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

-- Wrong passwords and codes. The address that was typed is hashed: people type passwords
-- there, too.
CREATE TABLE attempts (
    subject_sha256 BLOB PRIMARY KEY CHECK (length(subject_sha256) = 32),
    count INTEGER NOT NULL,
    last_utc_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- NULL for what the command line or an earlier version wrote.
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN user_agent TEXT;
ALTER TABLE audit ADD COLUMN reference TEXT;
CREATE INDEX audit_by_reference ON audit (reference);
CREATE INDEX audit_by_actor ON audit (actor_id);
CREATE INDEX audit_by_time ON audit (at_utc_ms);

-- Each hash covers a ledger entry and the hash before it.
CREATE TABLE ledger_chain (
    seq INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32)
) STRICT;

CREATE TRIGGER ledger_chain_is_append_only_u BEFORE UPDATE ON ledger_chain
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_chain_is_append_only_d BEFORE DELETE ON ledger_chain
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
