CREATE TABLE IF NOT EXISTS events (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,  -- the cursor: rises, and is never used again
    id   TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    json BLOB NOT NULL,                      -- the event as it goes on the wire; empty once it has expired
    stored_at INTEGER NOT NULL               -- Unix time, in nanoseconds: retention counts from here
);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, seq);

CREATE TABLE IF NOT EXISTS acknowledgements (
    event TEXT    PRIMARY KEY REFERENCES events (id),
    at    INTEGER NOT NULL                   -- the first time, Unix time in nanoseconds
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS subscriptions (
    id     TEXT PRIMARY KEY,
    url    TEXT NOT NULL,
    types  TEXT NOT NULL,                    -- a sorted JSON list; [] is all types
    status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'disabled', 'gone')),
    secret TEXT NOT NULL,
    earlier_secrets TEXT NOT NULL DEFAULT '[]',  -- newest first: a JSON list of [secret, expires at]
    payload TEXT NOT NULL DEFAULT 'full' CHECK (payload IN ('full', 'thin', 'doorbell')),
    batch_count   INTEGER NOT NULL DEFAULT 1,   -- so many events in one delivery at the most,
    batch_seconds REAL    NOT NULL DEFAULT 0,   -- which the first of them waits for so long
    ttl        REAL    NOT NULL DEFAULT 0,      -- seconds of its lease; 0: it never expires
    expires_at INTEGER NOT NULL DEFAULT 9223372036854775807,  -- Unix time in nanoseconds; at first that of SQLite's end
    reason        TEXT    NOT NULL DEFAULT '',  -- why it is disabled
    failures      INTEGER NOT NULL DEFAULT 0,   -- failed attempts in a row,
    failing_since INTEGER NOT NULL DEFAULT 0,   -- the first of them, Unix time in nanoseconds
    rests_until   INTEGER NOT NULL DEFAULT 0,   -- nothing is sent before, the same
    back_at       INTEGER NOT NULL DEFAULT 0,   -- when it is active again by itself, the same; 0: never
    UNIQUE (url, types)
);

CREATE TABLE IF NOT EXISTS idempotency (
    key      TEXT PRIMARY KEY,
    request  BLOB NOT NULL,                  -- SHA-256 of the body that first came under the key
    response BLOB NOT NULL
);

-- The outbox: an event's deliveries are written in the event's own transaction.
CREATE TABLE IF NOT EXISTS deliveries (
    subscription TEXT    NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL REFERENCES events (seq),
    status       TEXT    NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    earlier      INTEGER NOT NULL DEFAULT 0,    -- attempts before it was redelivered: the schedule starts again after them
    due_at       INTEGER NOT NULL,              -- Unix time, in nanoseconds
    leased_until INTEGER NOT NULL DEFAULT 0,    -- the same; who claims a delivery has so long; 0: nobody has
    PRIMARY KEY (subscription, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_leased ON deliveries (leased_until) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_of ON deliveries (subscription, leased_until, due_at) WHERE status = 'pending';

CREATE TABLE IF NOT EXISTS attempts (
    subscription TEXT    NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL REFERENCES events (seq),
    number       INTEGER NOT NULL,              -- from 1
    at           INTEGER NOT NULL,              -- sent, Unix time in nanoseconds
    status       INTEGER NOT NULL,              -- of the answer; 0 where there was none
    error        TEXT    NOT NULL,
    PRIMARY KEY (subscription, at, seq, number)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
