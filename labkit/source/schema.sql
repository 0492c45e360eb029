CREATE TABLE IF NOT EXISTS events (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,  -- the cursor: rises, and is never used again
    id   TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    json BLOB NOT NULL                       -- the event as it goes on the wire
);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, seq);

CREATE TABLE IF NOT EXISTS subscriptions (
    id     TEXT PRIMARY KEY,
    url    TEXT NOT NULL,
    types  TEXT NOT NULL,                    -- a sorted JSON list; [] is all types
    status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'gone')),
    secret TEXT NOT NULL,
    UNIQUE (url, types)
);

CREATE TABLE IF NOT EXISTS idempotency (
    key      TEXT PRIMARY KEY,
    request  BLOB NOT NULL,                  -- SHA-256 of the body that first came under the key
    response BLOB NOT NULL
);
