-- The portal's schema on PostgreSQL, as SQLite's stands after its fourth migration.
--
-- Times: `_utc_s` is whole seconds since 1970-01-01T00:00:00Z, `_utc_ms` milliseconds.
-- Ids are UUIDs as text unless said otherwise. Truth values are 0 and 1. What is sorted for
-- people has the collation "C", so that every database sorts alike.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE distributors (
    id TEXT PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    created_utc_s BIGINT NOT NULL,
    -- May it list camera addresses instead of naming a box?
    may_list_macs BIGINT NOT NULL DEFAULT 0 CHECK (may_list_macs IN (0, 1))
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'distributor')),
    -- NULL for vendor staff only.
    distributor_id TEXT REFERENCES distributors (id),
    -- PHC string; NULL until the first password is set with a one-time link.
    password_phc TEXT,
    created_utc_s BIGINT NOT NULL,
    CHECK ((role = 'admin') = (distributor_id IS NULL))
);

CREATE UNIQUE INDEX users_by_address ON users (lower(email));

-- One-time links that let a person choose a password. Only the token's hash is kept.
CREATE TABLE password_links (
    token_sha256 BYTEA PRIMARY KEY CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    expires_utc_s BIGINT NOT NULL
);

CREATE TABLE sessions (
    token_sha256 BYTEA PRIMARY KEY CHECK (length(token_sha256) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    csrf TEXT NOT NULL,
    expires_utc_s BIGINT NOT NULL
);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    -- 1 for 'Ungroup', which each distributor has from the start.
    built_in BIGINT NOT NULL CHECK (built_in IN (0, 1)),
    created_utc_s BIGINT NOT NULL,
    UNIQUE (distributor_id, name)
);

CREATE TABLE servers (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    created_utc_s BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- One row per (endorsement key, attestation key): see `rules::Row`.
CREATE TABLE tpms (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- TPM Names in hex.
    ek_name TEXT NOT NULL,
    ak_name TEXT NOT NULL,
    trust_class TEXT NOT NULL,
    -- What the box said about itself in its first request.
    model TEXT NOT NULL,
    serial TEXT NOT NULL,
    server_id TEXT NOT NULL REFERENCES servers (id),
    -- N in 'L-N', the same through all revisions.
    license_number BIGINT NOT NULL UNIQUE,
    attested BIGINT NOT NULL,
    proven BIGINT NOT NULL CHECK (proven <= attested),
    -- Highest counter whose proof was credited.
    credited BIGINT NOT NULL DEFAULT 0,
    -- Licenses with a lower `to` were issued before the hardware was taken back.
    void_below BIGINT NOT NULL DEFAULT 0,
    custody TEXT NOT NULL DEFAULT 'owner' CHECK (custody IN ('owner', 'written_off')),
    -- See `rules::Forgotten`; NULL while nothing was forgotten.
    forgotten_after_to BIGINT,
    forgotten_fresh_at BIGINT,
    UNIQUE (ek_name, ak_name)
);

CREATE INDEX tpms_by_server ON tpms (server_id);

CREATE TABLE tpm_charges (
    tpm_id BIGINT NOT NULL REFERENCES tpms (id),
    kind TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL CHECK (count > 0),
    PRIMARY KEY (tpm_id, kind)
);

CREATE TABLE license_files (
    -- 'L-N-R': number and revision.
    id TEXT PRIMARY KEY,
    tpm_id BIGINT NOT NULL REFERENCES tpms (id),
    revision BIGINT NOT NULL,
    from_counter BIGINT NOT NULL,
    to_counter BIGINT NOT NULL CHECK (to_counter > from_counter),
    -- What the box's HMAC proofs are checked with.
    activation_secret BYTEA NOT NULL CHECK (length(activation_secret) = 32),
    request_sha256 BYTEA NOT NULL CHECK (length(request_sha256) = 32),
    -- The whole file, as it is handed out.
    text TEXT NOT NULL,
    issued_utc_s BIGINT NOT NULL,
    term TEXT NOT NULL CHECK (term IN ('perpetual', 'trial', 'dated', 'overlap')),
    -- The last second; NULL for perpetual ones.
    ends_utc_s BIGINT CHECK ((ends_utc_s IS NULL) = (term = 'perpetual')),
    UNIQUE (tpm_id, revision),
    UNIQUE (tpm_id, to_counter)
);

CREATE INDEX license_files_by_end ON license_files (ends_utc_s) WHERE ends_utc_s IS NOT NULL;

CREATE TABLE license_counts (
    file_id TEXT NOT NULL REFERENCES license_files (id),
    kind TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL CHECK (count > 0),
    PRIMARY KEY (file_id, kind)
);

-- How many channels of a distributor may be written off at a time.
CREATE TABLE write_off_limits (
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL CHECK (count > 0),
    PRIMARY KEY (distributor_id, kind)
);

-- Dongles: one row per key, as check-in at the vendor's makes a new one.
CREATE TABLE dongles (
    -- SEC 1, uncompressed.
    public_key BYTEA PRIMARY KEY CHECK (length(public_key) = 65),
    -- As it is printed on the dongle; the same through all its keys.
    serial TEXT NOT NULL,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    added_utc_s BIGINT NOT NULL,
    -- NULL while the key is the dongle's.
    retired_utc_s BIGINT
);

CREATE UNIQUE INDEX dongles_in_use ON dongles (serial) WHERE retired_utc_s IS NULL;

CREATE TABLE other_licenses (
    -- N in `L-N`, from the same sequence as the TPMs'.
    license_number BIGINT PRIMARY KEY,
    server_id TEXT NOT NULL REFERENCES servers (id),
    -- NULL for a list of cameras.
    dongle_key BYTEA UNIQUE REFERENCES dongles (public_key)
);

CREATE TABLE other_charges (
    license_number BIGINT NOT NULL REFERENCES other_licenses (license_number),
    kind TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL CHECK (count > 0),
    PRIMARY KEY (license_number, kind)
);

CREATE TABLE other_files (
    license_number BIGINT NOT NULL REFERENCES other_licenses (license_number),
    revision BIGINT NOT NULL CHECK (revision > 0),
    term TEXT NOT NULL CHECK (term IN ('perpetual', 'trial', 'dated', 'overlap')),
    -- The last second; NULL for perpetual ones.
    ends_utc_s BIGINT CHECK ((ends_utc_s IS NULL) = (term = 'perpetual')),
    text TEXT NOT NULL,
    issued_utc_s BIGINT NOT NULL,
    PRIMARY KEY (license_number, revision)
);

CREATE TABLE other_counts (
    license_number BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL CHECK (count > 0),
    PRIMARY KEY (license_number, revision, kind),
    FOREIGN KEY (license_number, revision) REFERENCES other_files (license_number, revision)
);

CREATE TABLE listed_macs (
    license_number BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    -- Lower case with colons.
    mac TEXT COLLATE "C" NOT NULL CHECK (length(mac) = 17),
    -- Somebody else's license listed it too when this one was issued.
    contested BIGINT NOT NULL CHECK (contested IN (0, 1)),
    PRIMARY KEY (license_number, revision, mac),
    FOREIGN KEY (license_number, revision) REFERENCES other_files (license_number, revision)
);

CREATE INDEX listed_macs_by_mac ON listed_macs (mac);

-- Channels come (delta > 0) and go; a distributor's balance of a kind is the sum.
CREATE TABLE ledger (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_utc_ms BIGINT NOT NULL,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT COLLATE "C" NOT NULL,
    delta BIGINT NOT NULL CHECK (delta <> 0),
    reason TEXT NOT NULL CHECK (reason IN ('grant', 'charge', 'credit', 'write_off')),
    tpm_id BIGINT REFERENCES tpms (id),
    note TEXT NOT NULL,
    -- NULL where the portal itself acted.
    actor_id TEXT REFERENCES users (id),
    idempotency_key TEXT,
    CHECK (reason <> 'grant' OR tpm_id IS NULL),
    CHECK (reason <> 'write_off' OR tpm_id IS NOT NULL)
);

CREATE INDEX ledger_balance ON ledger (distributor_id, kind);
CREATE UNIQUE INDEX ledger_idempotency
    ON ledger (distributor_id, idempotency_key, kind) WHERE idempotency_key IS NOT NULL;

CREATE TABLE audit (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_utc_ms BIGINT NOT NULL,
    -- NULL where the portal or the command line acted.
    actor_id TEXT REFERENCES users (id),
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE INDEX audit_by_object ON audit (object);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the % is append-only', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Authorities whose EK certificates are believed.
CREATE TABLE ek_roots (
    sha256 BYTEA PRIMARY KEY CHECK (length(sha256) = 32),
    -- NULL for intermediate authorities.
    class TEXT,
    subject TEXT COLLATE "C" NOT NULL,
    der BYTEA NOT NULL,
    added_utc_s BIGINT NOT NULL
);
