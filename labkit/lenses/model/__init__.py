"""The model lens: no HTTP, and no clock; arithmetic over arrays of instants. `SCHEDULES` lists what it can run."""

from labkit.lenses.model.lens import SCHEDULES, ModelLens

__all__ = ["SCHEDULES", "ModelLens"]
