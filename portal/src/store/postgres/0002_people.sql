-- Five roles, sub-distributors, authenticator apps, tokens for programs, and an audit that
-- says from where: as SQLite's schema stands after its fifth migration.

ALTER TABLE users ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1));
ALTER TABLE users DROP CONSTRAINT users_role_check;
ALTER TABLE users DROP CONSTRAINT users_check;
ALTER TABLE users ADD CONSTRAINT users_role_check
    CHECK (role IN ('admin', 'sales', 'support', 'distributor', 'sub_distributor'));
ALTER TABLE users ADD CONSTRAINT users_check
    CHECK ((role IN ('admin', 'sales', 'support')) = (distributor_id IS NULL));

-- Whose sub-distributor a distributor is; no row for those of the vendor's own.
CREATE TABLE distributor_parents (
    distributor_id TEXT PRIMARY KEY REFERENCES distributors (id),
    parent_id TEXT NOT NULL REFERENCES distributors (id),
    CHECK (distributor_id <> parent_id)
);
CREATE INDEX distributors_by_parent ON distributor_parents (parent_id);

-- Where and when a session began.
ALTER TABLE sessions ADD COLUMN created_utc_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
CREATE INDEX sessions_by_user ON sessions (user_id);

-- A sign-in between a right password and a right code.
CREATE TABLE second_steps (
    token_sha256 BYTEA PRIMARY KEY CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    expires_utc_s BIGINT NOT NULL
);

-- Authenticator apps (RFC 6238): one in use, one that waits to be proved.
CREATE TABLE authenticators (
    user_id TEXT NOT NULL REFERENCES users (id),
    in_use BIGINT NOT NULL CHECK (in_use IN (0, 1)),
    totp_key BYTEA NOT NULL CHECK (length(totp_key) = 20),
    -- Codes of this step of 30 s and earlier ones are used up.
    last_step BIGINT NOT NULL,
    PRIMARY KEY (user_id, in_use)
);

-- Each stands in for the app once, and is deleted then.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    code_sha256 BYTEA NOT NULL CHECK (length(code_sha256) = 32),
    PRIMARY KEY (user_id, code_sha256)
);

-- Tokens for programs.
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    token_sha256 BYTEA NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- Words with blanks between them.
    scopes TEXT NOT NULL,
    created_utc_s BIGINT NOT NULL,
    expires_utc_s BIGINT NOT NULL
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

-- Wrong passwords and codes. The address that was typed is hashed: people type passwords
-- there, too.
CREATE TABLE attempts (
    subject_sha256 BYTEA PRIMARY KEY CHECK (length(subject_sha256) = 32),
    count BIGINT NOT NULL,
    last_utc_s BIGINT NOT NULL
);

-- NULL for what the command line or an earlier version wrote.
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN user_agent TEXT;
ALTER TABLE audit ADD COLUMN reference TEXT;
CREATE INDEX audit_by_reference ON audit (reference);
CREATE INDEX audit_by_actor ON audit (actor_id);
CREATE INDEX audit_by_time ON audit (at_utc_ms);

-- Each hash covers a ledger entry and the hash before it.
CREATE TABLE ledger_chain (
    seq BIGINT PRIMARY KEY,
    sha256 BYTEA NOT NULL CHECK (length(sha256) = 32)
);

CREATE TRIGGER ledger_chain_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_chain
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
