"""Hypothesis without its deadline: on a shared machine the time of one example says nothing."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
