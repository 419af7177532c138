-- Licenses that are bound to a dongle, or to nothing but a list of cameras.
-- Conventions as in the first schema.

-- Whether a distributor may list camera addresses instead of naming a box.
ALTER TABLE distributors ADD COLUMN may_list_macs INTEGER NOT NULL DEFAULT 0
    CHECK (may_list_macs IN (0, 1));

-- One row per key: check-in at the vendor's makes a new key and so a new row.
CREATE TABLE dongles (
    -- SEC 1, uncompressed.
    public_key BLOB PRIMARY KEY CHECK (length(public_key) = 65),
    -- As it is printed on the dongle; the same through all its keys.
    serial TEXT NOT NULL,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    added_utc_s INTEGER NOT NULL,
    -- NULL while the key is the dongle's.
    retired_utc_s INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX dongles_in_use ON dongles (serial) WHERE retired_utc_s IS NULL;

CREATE TABLE other_licenses (
    -- N in `L-N`, from the same sequence as the TPMs'.
    license_number INTEGER PRIMARY KEY,
    server_id TEXT NOT NULL REFERENCES servers (id),
    -- NULL for a list of cameras.
    dongle_key BLOB UNIQUE REFERENCES dongles (public_key)
) STRICT;

CREATE TABLE other_charges (
    license_number INTEGER NOT NULL REFERENCES other_licenses (license_number),
    kind TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (license_number, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE other_files (
    license_number INTEGER NOT NULL REFERENCES other_licenses (license_number),
    revision INTEGER NOT NULL CHECK (revision > 0),
    term TEXT NOT NULL CHECK (term IN ('perpetual', 'trial', 'dated', 'overlap')),
    -- The last second; NULL for perpetual ones.
    ends_utc_s INTEGER CHECK ((ends_utc_s IS NULL) = (term = 'perpetual')),
    text TEXT NOT NULL,
    issued_utc_s INTEGER NOT NULL,
    PRIMARY KEY (license_number, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE other_counts (
    license_number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (license_number, revision, kind),
    FOREIGN KEY (license_number, revision) REFERENCES other_files (license_number, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE listed_macs (
    license_number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    -- Lower case with colons.
    mac TEXT NOT NULL CHECK (length(mac) = 17),
    -- Somebody else's license listed it too when this one was issued.
    contested INTEGER NOT NULL CHECK (contested IN (0, 1)),
    PRIMARY KEY (license_number, revision, mac),
    FOREIGN KEY (license_number, revision) REFERENCES other_files (license_number, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX listed_macs_by_mac ON listed_macs (mac);

-- The ledger charges more than TPMs now: a charge names its license in its note, and its
-- TPM if it has one.
CREATE TABLE ledger_new (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_utc_ms INTEGER NOT NULL,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT NOT NULL,
    delta INTEGER NOT NULL CHECK (delta <> 0),
    reason TEXT NOT NULL CHECK (reason IN ('grant', 'charge', 'credit', 'write_off')),
    tpm_id INTEGER REFERENCES tpms (id),
    note TEXT NOT NULL,
    -- NULL where the portal itself acted.
    actor_id TEXT REFERENCES users (id),
    idempotency_key TEXT,
    CHECK (reason <> 'grant' OR tpm_id IS NULL),
    CHECK (reason <> 'write_off' OR tpm_id IS NOT NULL)
) STRICT;
INSERT INTO ledger_new SELECT * FROM ledger;
DROP TABLE ledger;
ALTER TABLE ledger_new RENAME TO ledger;

CREATE INDEX ledger_balance ON ledger (distributor_id, kind);
CREATE UNIQUE INDEX ledger_idempotency
    ON ledger (distributor_id, idempotency_key, kind) WHERE idempotency_key IS NOT NULL;

CREATE TRIGGER ledger_is_append_only_u BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_is_append_only_d BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
