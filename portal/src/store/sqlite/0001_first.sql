-- The portal's first schema.
--
-- Times: `_utc_s` is whole seconds since 1970-01-01T00:00:00Z, `_utc_ms` milliseconds.
-- Ids are UUIDs as text unless said otherwise. Counters are TPM NV counters; the rules
-- refuse any above 2^62, so they fit SQLite's signed integers.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE distributors (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_utc_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL CHECK (role IN ('admin', 'distributor')),
    -- NULL for vendor staff only.
    distributor_id TEXT REFERENCES distributors (id),
    -- PHC string; NULL until the first password is set with a one-time link.
    password_phc TEXT,
    created_utc_s INTEGER NOT NULL,
    CHECK ((role = 'admin') = (distributor_id IS NULL))
) STRICT, WITHOUT ROWID;

-- One-time links that let a person choose a password. Only the token's hash is kept.
CREATE TABLE password_links (
    token_sha256 BLOB PRIMARY KEY CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    expires_utc_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    token_sha256 BLOB PRIMARY KEY CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    csrf TEXT NOT NULL,
    expires_utc_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- 1 for 'Ungroup', which each distributor has from the start.
    built_in INTEGER NOT NULL CHECK (built_in IN (0, 1)),
    created_utc_s INTEGER NOT NULL,
    UNIQUE (distributor_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE servers (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_utc_s INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT, WITHOUT ROWID;

-- One row per (endorsement key, attestation key): see `rules::Row`.
CREATE TABLE tpms (
    id INTEGER PRIMARY KEY,
    -- TPM Names in hex.
    ek_name TEXT NOT NULL,
    ak_name TEXT NOT NULL,
    -- As DESIGN's trust classes; from the root of the EK's certificate.
    trust_class TEXT NOT NULL,
    -- What the box said about itself in its first request.
    model TEXT NOT NULL,
    serial TEXT NOT NULL,
    server_id TEXT NOT NULL REFERENCES servers (id),
    -- N in 'L-N', the same through all revisions.
    license_number INTEGER NOT NULL UNIQUE,
    attested INTEGER NOT NULL,
    proven INTEGER NOT NULL CHECK (proven <= attested),
    UNIQUE (ek_name, ak_name)
) STRICT;

CREATE INDEX tpms_by_server ON tpms (server_id);

CREATE TABLE tpm_charges (
    tpm_id INTEGER NOT NULL REFERENCES tpms (id),
    kind TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (tpm_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE license_files (
    -- 'L-N-R': number and revision.
    id TEXT PRIMARY KEY,
    tpm_id INTEGER NOT NULL REFERENCES tpms (id),
    revision INTEGER NOT NULL,
    from_counter INTEGER NOT NULL,
    to_counter INTEGER NOT NULL CHECK (to_counter > from_counter),
    -- What the box's HMAC proofs are checked with.
    activation_secret BLOB NOT NULL CHECK (length(activation_secret) = 32),
    request_sha256 BLOB NOT NULL CHECK (length(request_sha256) = 32),
    -- The whole file, as it is handed out.
    text TEXT NOT NULL,
    issued_utc_s INTEGER NOT NULL,
    UNIQUE (tpm_id, revision),
    UNIQUE (tpm_id, to_counter)
) STRICT, WITHOUT ROWID;

CREATE TABLE license_counts (
    file_id TEXT NOT NULL REFERENCES license_files (id),
    kind TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (file_id, kind)
) STRICT, WITHOUT ROWID;

-- Channels come (delta > 0) and go; a distributor's balance of a kind is the sum.
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_utc_ms INTEGER NOT NULL,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT NOT NULL,
    delta INTEGER NOT NULL CHECK (delta <> 0),
    reason TEXT NOT NULL CHECK (reason IN ('grant', 'charge', 'credit')),
    tpm_id INTEGER REFERENCES tpms (id),
    note TEXT NOT NULL,
    -- NULL where the portal itself acted.
    actor_id TEXT REFERENCES users (id),
    idempotency_key TEXT,
    CHECK ((reason = 'grant') = (tpm_id IS NULL))
) STRICT;

CREATE INDEX ledger_balance ON ledger (distributor_id, kind);
CREATE UNIQUE INDEX ledger_idempotency
    ON ledger (distributor_id, idempotency_key, kind) WHERE idempotency_key IS NOT NULL;

CREATE TRIGGER ledger_is_append_only_u BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_is_append_only_d BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_utc_ms INTEGER NOT NULL,
    -- NULL where the portal or the command line acted.
    actor_id TEXT REFERENCES users (id),
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_object ON audit (object);

CREATE TRIGGER audit_is_append_only_u BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_append_only_d BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- Authorities whose EK certificates are believed.
CREATE TABLE ek_roots (
    sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    -- NULL for intermediate authorities.
    class TEXT,
    subject TEXT NOT NULL,
    der BLOB NOT NULL,
    added_utc_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
