"""Which approach holds under which fault: what is expected, and what is measured."""

from labkit.verdicts.expected import CASES, check_known
from labkit.verdicts.matrix import PROFILES, Row, matrix, prepared

__all__ = ["CASES", "PROFILES", "Row", "check_known", "matrix", "prepared"]
