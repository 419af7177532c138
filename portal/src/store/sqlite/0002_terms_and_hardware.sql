-- Licenses that end, licenses that were forgotten, hardware that is written off.
-- Conventions as in the first schema.

-- Highest counter whose proof was credited: what is charged rests on the licenses from
-- here on. TPMs that can be copied or that nobody vouches for were never credited by one.
ALTER TABLE tpms ADD COLUMN credited INTEGER NOT NULL DEFAULT 0;
UPDATE tpms SET credited = proven WHERE trust_class NOT IN ('virtual', 'self_declared');
-- Licenses with a lower `to` were issued before the hardware was taken back.
ALTER TABLE tpms ADD COLUMN void_below INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tpms ADD COLUMN custody TEXT NOT NULL DEFAULT 'owner'
    CHECK (custody IN ('owner', 'written_off'));
-- See `rules::Forgotten`; NULL while nothing was forgotten.
ALTER TABLE tpms ADD COLUMN forgotten_after_to INTEGER;
ALTER TABLE tpms ADD COLUMN forgotten_fresh_at INTEGER;

ALTER TABLE license_files ADD COLUMN term TEXT NOT NULL DEFAULT 'perpetual'
    CHECK (term IN ('perpetual', 'trial', 'dated', 'overlap'));
-- The last second; NULL for perpetual ones.
ALTER TABLE license_files ADD COLUMN ends_utc_s INTEGER
    CHECK ((ends_utc_s IS NULL) = (term = 'perpetual'));

CREATE INDEX license_files_by_end ON license_files (ends_utc_s) WHERE ends_utc_s IS NOT NULL;

-- How many channels of a distributor may be written off at a time.
CREATE TABLE write_off_limits (
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (distributor_id, kind)
) STRICT, WITHOUT ROWID;

-- The ledger with one reason more: 'write_off' is above 0 when hardware is written off,
-- so that its channels can be licensed again, and below 0 when it is back.
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
    CHECK ((reason = 'grant') = (tpm_id IS NULL))
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
