-- Every time is milliseconds since the Unix epoch, UTC, as the wall clock stood then.
-- Tables are STRICT; a column without NOT NULL may be absent, and its comment says when.

-- People who may sign in.
CREATE TABLE user (
    -- As typed at sign-in; compared byte for byte.
    name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    -- PHC string (argon2id), with its own salt and parameters.
    password_hash TEXT NOT NULL,
    -- When the user was made.
    created_utc_ms INTEGER NOT NULL,
    -- When the password was set last.
    password_set_utc_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Signed-in browsers and programs. The token itself is never kept.
CREATE TABLE session (
    -- SHA-256 of the token's bytes.
    token_sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(token_sha256) = 32),
    -- Whose session it is.
    user_name TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    -- When it began.
    created_utc_ms INTEGER NOT NULL,
    -- When it ends.
    expires_utc_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_by_expiry ON session (expires_utc_ms);
CREATE INDEX session_by_user ON session (user_name);

-- The owner's settings, one JSON value each.
CREATE TABLE setting (
    -- For example 'box.name'.
    key TEXT NOT NULL PRIMARY KEY,
    -- JSON text.
    value TEXT NOT NULL CHECK (json_valid(value)),
    -- When it was changed last.
    changed_utc_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Cameras that were seen, whether they have a channel or not.
CREATE TABLE camera (
    -- MAC address without separators, a dash, and the video source from 1: 001122334455-1.
    id TEXT NOT NULL PRIMARY KEY,
    -- What the camera calls itself; absent where it did not say.
    name TEXT,
    -- Model as the camera says; absent where it did not say.
    model TEXT,
    -- Serial number as the camera says (ONVIF); absent where it did not say.
    serial TEXT,
    -- IPv4 address it had last; absent where the kernel knew none.
    ip TEXT,
    -- Interface it was seen on last.
    interface TEXT NOT NULL,
    -- When it was seen first and last.
    first_seen_utc_ms INTEGER NOT NULL,
    last_seen_utc_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Channels: the cameras that are to be recorded, if the license has places for them.
CREATE TABLE channel (
    -- As camera.id; a channel may be set before its camera was ever seen.
    camera_id TEXT NOT NULL PRIMARY KEY,
    -- Where its main stream is (rtsp), with credentials if it needs them; absent where
    -- the camera is asked.
    stream_url TEXT,
    -- When the channel was given, and by whom. Decides who keeps a place when there are
    -- fewer: the oldest.
    assigned_utc_ms INTEGER NOT NULL,
    assigned_by TEXT NOT NULL,
    -- Model and serial number when the channel was given; absent where the camera had not
    -- said. A camera that says something else later is another one.
    pinned_model TEXT,
    pinned_serial TEXT
) STRICT, WITHOUT ROWID;

-- What was done, by whom. Only ever appended to.
CREATE TABLE audit (
    -- In the order of writing.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- When.
    utc_ms INTEGER NOT NULL,
    -- User name; absent for what the box did by itself.
    actor TEXT,
    -- For example 'license.import'.
    action TEXT NOT NULL,
    -- What it was done to, for example a license or camera id; absent where there is one only.
    object TEXT,
    -- Code of the refusal; absent where it succeeded.
    code TEXT
) STRICT;
