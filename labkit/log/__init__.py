"""Event logs of your own: rows from CSV or JSON lines, and the instants in them."""

from labkit.log.read import Log, Part, Reading, parts, read_log

__all__ = ["Log", "Part", "Reading", "parts", "read_log"]
