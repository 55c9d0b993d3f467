"""Hypothesis's profiles: "fast" while one works, HYPOTHESIS_PROFILE=thorough once in a while."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# Whoever starts the tests in the background of a shell has SIGINT ignored, and a shell under test can't trap what was
# ignored when it started. With a handler here, children start with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine may be busy with a cluster beside the tests, so no example is judged by its time.
settings.register_profile("fast", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
