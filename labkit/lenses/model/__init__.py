"""The model lens: no HTTP, and no clock; arithmetic over arrays of instants. `schedules` lists what it can run."""

from labkit.lenses.model.lens import ModelLens

__all__ = ["ModelLens"]
