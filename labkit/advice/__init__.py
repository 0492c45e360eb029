"""Which approach to use: a need in a few numbers, and a recommendation that the model lens measured on your events."""

from labkit.advice.advise import Advice, advise
from labkit.advice.confirm import DisagreementError
from labkit.advice.need import Need

__all__ = ["Advice", "DisagreementError", "Need", "advise"]
