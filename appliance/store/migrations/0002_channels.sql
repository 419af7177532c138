-- What a camera says of its maker (ONVIF); absent where it did not say.
ALTER TABLE camera ADD COLUMN manufacturer TEXT;

-- What the owner calls the camera; absent where he uses the camera's own name.
ALTER TABLE channel ADD COLUMN name TEXT CHECK (length(name) BETWEEN 1 AND 64);
-- 1: the owner chose that it keeps its place before those that he did not choose.
ALTER TABLE channel ADD COLUMN preferred INTEGER NOT NULL DEFAULT 0 CHECK (preferred IN (0, 1));
-- Whose make it was when enrolled, which says what kind of channel it holds: 0 the
-- vendor's own, 1 another. A channel from before this column counts as the vendor's own,
-- as all did then.
ALTER TABLE channel ADD COLUMN other_brand INTEGER NOT NULL DEFAULT 0 CHECK (other_brand IN (0, 1));
-- Where its small stream for the grid is (rtsp); absent where it has none.
ALTER TABLE channel ADD COLUMN sub_stream_url TEXT;
-- How it is recorded and kept, one JSON object; what it leaves out is as by default.
ALTER TABLE channel ADD COLUMN settings TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(settings));

-- Names and passwords that cameras want, by MAC address: all sources behind it share them.
CREATE TABLE credential (
    -- As in camera.id, without the source: 001122334455.
    mac TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL CHECK (length(user_name) BETWEEN 1 AND 64),
    -- As typed: cameras want it itself, or a hash over it and their own challenge. The
    -- whole database is on the encrypted partition.
    password TEXT NOT NULL CHECK (length(password) <= 128),
    -- When it was set.
    set_utc_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
