-- What lists show, kept beside what it follows from: a page of a list costs its own rows,
-- however many there are. `store::sql::summary` writes it in the transaction that changes
-- what it follows from. Conventions as in the first schema.

-- A distributor's ledger in sum.
CREATE TABLE balances (
    distributor_id TEXT NOT NULL REFERENCES distributors (id),
    kind TEXT COLLATE "C" NOT NULL,
    available BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    written_off BIGINT NOT NULL,
    -- Given back, and not proven yet.
    waiting BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (distributor_id, kind)
);
INSERT INTO balances (distributor_id, kind, available, granted, written_off)
    SELECT distributor_id, kind, SUM(delta),
           SUM(CASE reason WHEN 'grant' THEN delta ELSE 0 END),
           SUM(CASE reason WHEN 'write_off' THEN delta ELSE 0 END)
    FROM ledger GROUP BY distributor_id, kind;

-- What was available of the kind after each entry.
ALTER TABLE ledger DISABLE TRIGGER ledger_is_append_only;
ALTER TABLE ledger ADD COLUMN balance BIGINT;
UPDATE ledger SET balance = sums.balance
    FROM (SELECT seq, SUM(delta) OVER (PARTITION BY distributor_id, kind ORDER BY seq) AS balance
          FROM ledger) AS sums
    WHERE sums.seq = ledger.seq;
ALTER TABLE ledger ALTER COLUMN balance SET NOT NULL;
ALTER TABLE ledger ENABLE TRIGGER ledger_is_append_only;
DROP INDEX ledger_balance;
CREATE INDEX ledger_by_distributor ON ledger (distributor_id, seq);

DROP INDEX audit_by_object;
CREATE INDEX audit_by_object ON audit (object, seq);

-- Ends of licenses that nobody looked at since they came.
CREATE TABLE license_ends (
    ends_utc_s BIGINT NOT NULL,
    tpm_id BIGINT NOT NULL REFERENCES tpms (id),
    PRIMARY KEY (ends_utc_s, tpm_id)
);
INSERT INTO license_ends
    SELECT DISTINCT ends_utc_s, tpm_id FROM license_files WHERE ends_utc_s IS NOT NULL;
CREATE TABLE other_ends (
    ends_utc_s BIGINT NOT NULL,
    license_number BIGINT NOT NULL REFERENCES other_licenses (license_number),
    PRIMARY KEY (ends_utc_s, license_number)
);
INSERT INTO other_ends
    SELECT DISTINCT ends_utc_s, license_number FROM other_files WHERE ends_utc_s IS NOT NULL;
CREATE INDEX other_licenses_by_server ON other_licenses (server_id);

ALTER TABLE distributors ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE distributors ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE distributors ADD COLUMN country TEXT NOT NULL DEFAULT '';
-- Counts the changes: a form that was opened before the last one is not taken.
ALTER TABLE distributors ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE distributors ADD COLUMN projects BIGINT NOT NULL DEFAULT 0;
UPDATE distributors SET projects =
    (SELECT COUNT(*) FROM projects WHERE distributor_id = distributors.id);

ALTER TABLE projects ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE projects ADD COLUMN archived BIGINT NOT NULL DEFAULT 0 CHECK (archived IN (0, 1));
ALTER TABLE projects ADD COLUMN servers BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN modified_utc_s BIGINT NOT NULL DEFAULT 0;
UPDATE projects SET modified_utc_s = created_utc_s,
    servers = (SELECT COUNT(*) FROM servers WHERE project_id = projects.id);
CREATE INDEX projects_of_distributor
    ON projects (distributor_id, archived, built_in, name, id);
CREATE INDEX projects_of_all ON projects (archived, built_in, name, id);

CREATE TABLE project_counts (
    project_id TEXT NOT NULL REFERENCES projects (id),
    kind TEXT COLLATE "C" NOT NULL,
    charged BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    PRIMARY KEY (project_id, kind)
);

ALTER TABLE servers ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
-- What it is to be licensed by, as it was added.
ALTER TABLE servers ADD COLUMN intended TEXT NOT NULL DEFAULT 'software'
    CHECK (intended IN ('software', 'mac', 'dongle'));
-- What its newest license is bound to; NULL before the first.
ALTER TABLE servers ADD COLUMN binding TEXT CHECK (binding IN ('software', 'mac', 'dongle'));
-- Of the box or the dongle.
ALTER TABLE servers ADD COLUMN serial TEXT;
-- Name and serial number in lower case.
ALTER TABLE servers ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN modified_utc_s BIGINT NOT NULL DEFAULT 0;
-- When the license was made that gave channels back; NULL while none wait for a proof.
ALTER TABLE servers ADD COLUMN waiting_since_utc_s BIGINT;
-- A search reads this, and only what it finds of the servers.
CREATE INDEX servers_by_search ON servers (project_id, name, search);
CREATE INDEX servers_waiting ON servers (waiting_since_utc_s)
    WHERE waiting_since_utc_s IS NOT NULL;

CREATE TABLE server_counts (
    server_id TEXT NOT NULL REFERENCES servers (id),
    kind TEXT COLLATE "C" NOT NULL,
    licensed BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    PRIMARY KEY (server_id, kind)
);

-- Servers whose summary is to be written when the portal next opens.
CREATE TABLE stale_servers (
    server_id TEXT PRIMARY KEY REFERENCES servers (id)
);
INSERT INTO stale_servers SELECT id FROM servers;

-- Answers to requests that carried a key, so that a repeated one does nothing twice.
CREATE TABLE answered_requests (
    user_id TEXT NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    -- Of what was asked for.
    request_sha256 BYTEA NOT NULL CHECK (octet_length(request_sha256) = 32),
    answer TEXT NOT NULL,
    at_utc_s BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- Codes that let a box fetch one license by itself. Only their hashes are kept.
CREATE TABLE claim_codes (
    code_sha256 BYTEA PRIMARY KEY CHECK (octet_length(code_sha256) = 32),
    server_id TEXT NOT NULL REFERENCES servers (id),
    -- Who ordered.
    user_id TEXT NOT NULL REFERENCES users (id),
    -- JSON: what the license gives.
    counts TEXT NOT NULL,
    created_utc_s BIGINT NOT NULL,
    expires_utc_s BIGINT NOT NULL,
    -- The attestation key that used it; NULL before. The same may ask again.
    used_by TEXT
);
CREATE INDEX claim_codes_by_server ON claim_codes (server_id, created_utc_s);

-- Hardware that a distributor reports as failed or lost, for the vendor to approve.
CREATE TABLE hardware_reports (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server_id TEXT NOT NULL REFERENCES servers (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    note TEXT NOT NULL,
    at_utc_s BIGINT NOT NULL,
    -- NULL while open.
    decision TEXT CHECK (decision IN ('approved', 'declined')),
    decided_utc_s BIGINT,
    answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX hardware_reports_open ON hardware_reports (at_utc_s) WHERE decision IS NULL;
CREATE INDEX hardware_reports_by_server ON hardware_reports (server_id, id);
