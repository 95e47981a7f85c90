"""Wall-clock limits of what a serving process does."""

from __future__ import annotations

from dataclasses import dataclass

# AWS's default of ContainerStartupHealthCheckTimeoutInSeconds.
DEFAULT_STARTUP_SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Wall seconds; the defaults are AWS's where AWS names one.

    ``admission`` is how long a request waits for an instance that is being restarted: somewhat
    less than AWS's clients wait for an answer. ``drain`` is what the longest answer may take that
    is under way when an instance is to end, a streamed one. ``model_load`` is how long one of many
    models may take to load, also when the request that asked for it has been given up.
    ``startup_cap`` shortens every start-up time-out, so that a test of a model that never
    answers need not last minutes.
    """

    startup_cap: float | None = None
    ping_timeout: float = 2.0
    ping_interval: float = 5.0
    pings_failed: int = 3
    invocation: float = 60.0
    model_load: float = 360.0
    admission: float = 50.0
    drain: float = 480.0
    terminate: float = 30.0
    flush: float = 0.5

    def startup(self, requested: int | None) -> float:
        """How long a container may take until ``/ping`` passes."""
        limit = float(DEFAULT_STARTUP_SECONDS if requested is None else requested)
        return limit if self.startup_cap is None else min(limit, self.startup_cap)
