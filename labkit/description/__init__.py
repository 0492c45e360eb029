"""What a log is like: its rate, gaps, dispersion by scale, busiest windows, rhythm and types."""

from labkit.description.describe import Description, describe

__all__ = ["Description", "describe"]
