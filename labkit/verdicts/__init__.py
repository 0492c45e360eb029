"""Which approach holds under which fault: what is expected, and what is measured."""

from labkit.verdicts.expected import CASES, check_known
from labkit.verdicts.measured import PROFILES, Row, matrix, outage_results, prepared, scenario_of

__all__ = ["CASES", "PROFILES", "Row", "check_known", "matrix", "outage_results", "prepared", "scenario_of"]
