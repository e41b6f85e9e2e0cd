"""Sets the number of examples: the same for every run, or more and different ones with NAMEWISE_EXAMPLES=1000."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "boundary",
    max_examples=int(os.environ.get("NAMEWISE_EXAMPLES", "60")),
    derandomize="NAMEWISE_EXAMPLES" not in os.environ,
    deadline=None,  # a shared machine has no steady clock
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("boundary")
