"""Settings that every test shares."""

from hypothesis import settings

settings.register_profile("labkit", deadline=None)  # machines are noisy: speed is measured in benchmarks, never here
settings.load_profile("labkit")
