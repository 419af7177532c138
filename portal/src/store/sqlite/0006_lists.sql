-- What lists show, kept beside what it follows from: a page of a list costs its own rows,
-- however many there are. `store::sql::summary` writes it in the transaction that changes
-- what it follows from. Conventions as in the first schema.

-- A distributor's ledger in sum.
CREATE TABLE balances (
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT NOT NULL,
    available INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    -- Given back, and not proven yet.
    waiting INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (distributor_id, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO balances (distributor_id, kind, available, granted, written_off)
    SELECT distributor_id, kind, SUM(delta),
           SUM(CASE reason WHEN 'grant' THEN delta ELSE 0 END),
           SUM(CASE reason WHEN 'write_off' THEN delta ELSE 0 END)
    FROM ledger GROUP BY distributor_id, kind;

-- The ledger with what was available of the kind after each entry.
CREATE TABLE ledger_new (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_utc_ms INTEGER NOT NULL,
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT NOT NULL,
    delta INTEGER NOT NULL CHECK (delta <> 0),
    balance INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('grant', 'charge', 'credit', 'write_off')),
    tpm_id INTEGER REFERENCES tpms (id),
    note TEXT NOT NULL,
    -- NULL where the portal itself acted.
    actor_id TEXT REFERENCES users (id),
    idempotency_key TEXT,
    CHECK (reason <> 'grant' OR tpm_id IS NULL),
    CHECK (reason <> 'write_off' OR tpm_id IS NOT NULL)
) STRICT;
INSERT INTO ledger_new
    SELECT seq, at_utc_ms, distributor_id, kind, delta,
           SUM(delta) OVER (PARTITION BY distributor_id, kind ORDER BY seq),
           reason, tpm_id, note, actor_id, idempotency_key
    FROM ledger;
DROP TABLE ledger;
ALTER TABLE ledger_new RENAME TO ledger;
CREATE INDEX ledger_by_distributor ON ledger (distributor_id, seq);
CREATE UNIQUE INDEX ledger_idempotency
    ON ledger (distributor_id, idempotency_key, kind) WHERE idempotency_key IS NOT NULL;
CREATE TRIGGER ledger_is_append_only_u BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_is_append_only_d BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

DROP INDEX audit_by_object;
CREATE INDEX audit_by_object ON audit (object, seq);

-- Ends of licenses that nobody looked at since they came.
CREATE TABLE license_ends (
    ends_utc_s INTEGER NOT NULL,
    tpm_id INTEGER NOT NULL REFERENCES tpms (id),
    PRIMARY KEY (ends_utc_s, tpm_id)
) STRICT, WITHOUT ROWID;
INSERT INTO license_ends
    SELECT DISTINCT ends_utc_s, tpm_id FROM license_files WHERE ends_utc_s IS NOT NULL;
CREATE TABLE other_ends (
    ends_utc_s INTEGER NOT NULL,
    license_number INTEGER NOT NULL REFERENCES other_licenses (license_number),
    PRIMARY KEY (ends_utc_s, license_number)
) STRICT, WITHOUT ROWID;
INSERT INTO other_ends
    SELECT DISTINCT ends_utc_s, license_number FROM other_files WHERE ends_utc_s IS NOT NULL;
CREATE INDEX other_licenses_by_server ON other_licenses (server_id);

ALTER TABLE distributors ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE distributors ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE distributors ADD COLUMN country TEXT NOT NULL DEFAULT '';
-- Counts the changes: a form that was opened before the last one is not taken.
ALTER TABLE distributors ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE distributors ADD COLUMN projects INTEGER NOT NULL DEFAULT 0;
UPDATE distributors SET projects =
    (SELECT COUNT(*) FROM projects WHERE distributor_id = distributors.id);

ALTER TABLE projects ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE projects ADD COLUMN archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1));
ALTER TABLE projects ADD COLUMN servers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN modified_utc_s INTEGER NOT NULL DEFAULT 0;
UPDATE projects SET modified_utc_s = created_utc_s,
    servers = (SELECT COUNT(*) FROM servers WHERE project_id = projects.id);
CREATE INDEX projects_of_distributor
    ON projects (distributor_id, archived, built_in, name, id);
CREATE INDEX projects_of_all ON projects (archived, built_in, name, id);

CREATE TABLE project_counts (
    project_id TEXT NOT NULL REFERENCES projects (id),
    kind TEXT NOT NULL,
    charged INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (project_id, kind)
) STRICT, WITHOUT ROWID;

ALTER TABLE servers ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- What it is to be licensed by, as it was added.
ALTER TABLE servers ADD COLUMN intended TEXT NOT NULL DEFAULT 'software'
    CHECK (intended IN ('software', 'mac', 'dongle'));
-- What its newest license is bound to; NULL before the first.
ALTER TABLE servers ADD COLUMN binding TEXT CHECK (binding IN ('software', 'mac', 'dongle'));
-- Of the box or the dongle.
ALTER TABLE servers ADD COLUMN serial TEXT;
-- Name and serial number in lower case.
ALTER TABLE servers ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN modified_utc_s INTEGER NOT NULL DEFAULT 0;
-- When the license was made that gave channels back; NULL while none wait for a proof.
ALTER TABLE servers ADD COLUMN waiting_since_utc_s INTEGER;
-- A search reads this, and only what it finds of the servers.
CREATE INDEX servers_by_search ON servers (project_id, name, search);
CREATE INDEX servers_waiting ON servers (waiting_since_utc_s)
    WHERE waiting_since_utc_s IS NOT NULL;

CREATE TABLE server_counts (
    server_id TEXT NOT NULL REFERENCES servers (id),
    kind TEXT NOT NULL,
    licensed INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (server_id, kind)
) STRICT, WITHOUT ROWID;

-- Servers whose summary is to be written when the portal next opens.
CREATE TABLE stale_servers (
    server_id TEXT PRIMARY KEY REFERENCES servers (id)
) STRICT, WITHOUT ROWID;
INSERT INTO stale_servers SELECT id FROM servers;

-- Answers to requests that carried a key, so that a repeated one does nothing twice.
CREATE TABLE answered_requests (
    user_id TEXT NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    -- Of what was asked for.
    request_sha256 BLOB NOT NULL CHECK (length(request_sha256) = 32),
    answer TEXT NOT NULL,
    at_utc_s INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;

-- Codes that let a box fetch one license by itself. Only their hashes are kept.
CREATE TABLE claim_codes (
    code_sha256 BLOB PRIMARY KEY CHECK (length(code_sha256) = 32),
    server_id TEXT NOT NULL REFERENCES servers (id),
    -- Who ordered.
    user_id TEXT NOT NULL REFERENCES users (id),
    -- JSON: what the license gives.
    counts TEXT NOT NULL,
    created_utc_s INTEGER NOT NULL,
    expires_utc_s INTEGER NOT NULL,
    -- The attestation key that used it; NULL before. The same may ask again.
    used_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_codes_by_server ON claim_codes (server_id, created_utc_s);

-- Hardware that a distributor reports as failed or lost, for the vendor to approve.
CREATE TABLE hardware_reports (
    id INTEGER PRIMARY KEY,
    server_id TEXT NOT NULL REFERENCES servers (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    note TEXT NOT NULL,
    at_utc_s INTEGER NOT NULL,
    -- NULL while open.
    decision TEXT CHECK (decision IN ('approved', 'declined')),
    decided_utc_s INTEGER,
    answer TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX hardware_reports_open ON hardware_reports (at_utc_s) WHERE decision IS NULL;
CREATE INDEX hardware_reports_by_server ON hardware_reports (server_id, id);
