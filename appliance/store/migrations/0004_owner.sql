-- What wants somebody's attention. It stays after it ended, until somebody saw it, and a while
-- after that.
CREATE TABLE alarm (
    -- In the order of raising.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- What is wrong with what, as the box compares it.
    cause TEXT NOT NULL CHECK (length(cause) BETWEEN 1 AND 200),
    -- The problem in words as it was raised, a JSON object.
    problem TEXT NOT NULL CHECK (json_valid(problem)),
    -- When it was seen first.
    raised_utc_ms INTEGER NOT NULL,
    -- When it was over; absent while it lasts.
    ended_utc_ms INTEGER,
    -- Who saw it, and when; absent until then.
    acknowledged_by TEXT,
    acknowledged_utc_ms INTEGER,
    CHECK ((acknowledged_by IS NULL) = (acknowledged_utc_ms IS NULL))
) STRICT;
-- One cause lasts once at a time; what comes again after its end is another alarm.
CREATE UNIQUE INDEX alarm_lasting ON alarm (cause) WHERE ended_utc_ms IS NULL;

-- What became of licenses on this box, for people: it decides nothing.
CREATE TABLE license_event (
    -- In the order of events.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- When.
    utc_ms INTEGER NOT NULL,
    -- `proof` is a request that proves a return.
    kind TEXT NOT NULL CHECK (kind IN ('import', 'request', 'proof')),
    -- The license; absent where none was installed.
    license_id TEXT,
    revision INTEGER CHECK (revision >= 0),
    -- Camera places of the license.
    places INTEGER CHECK (places >= 0)
) STRICT;
