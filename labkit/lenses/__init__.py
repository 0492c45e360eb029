"""How a scenario is run: here the parts are joined. `LENSES` maps names to lenses."""

from labkit.lenses.base import Lens
from labkit.lenses.model import ModelLens
from labkit.lenses.real import RealLens
from labkit.lenses.virtual import VirtualLens

LENSES: dict[str, type[Lens]] = {lens.name: lens for lens in (VirtualLens, RealLens, ModelLens)}

__all__ = ["LENSES", "Lens", "ModelLens", "RealLens", "VirtualLens"]
