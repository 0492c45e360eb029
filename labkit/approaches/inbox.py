"""Where a receiver keeps what it was told: an effect happens once per event, however many deliveries arrive."""

import sqlite3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS effects (id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarantine (id TEXT PRIMARY KEY, body BLOB NOT NULL);
"""


class Inbox:
    """A SQLite table with one row per event id; the row is the effect.

    `INSERT OR IGNORE` decides and acts in one statement. SELECT first and INSERT after it, and two deliveries at once
    both find nothing.
    """

    def __init__(self, path: str = ":memory:") -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(_SCHEMA)

    def take(self, id: str, body: bytes) -> bool:
        """Have the effect of an event, unless it was had; True if it is the first time."""
        return self._db.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (id, body)).rowcount == 1

    def quarantine(self, id: str, body: bytes) -> None:
        """Keep a signed message that makes no sense, once, for somebody to look at."""
        self._db.execute("INSERT OR IGNORE INTO quarantine VALUES (?, ?)", (id, body))

    def effects(self) -> int:
        """How many events have had their effect."""
        count: int = self._db.execute("SELECT count(*) FROM effects").fetchone()[0]
        return count
