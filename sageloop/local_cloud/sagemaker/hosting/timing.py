"""Wall-clock limits of serving processes."""

from __future__ import annotations

from dataclasses import dataclass

# AWS's default for ContainerStartupHealthCheckTimeoutInSeconds.
DEFAULT_STARTUP_SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Limits in wall seconds; the defaults are those that AWS documents, where it does.

    ``admission`` is how long a request waits for an instance that is being restarted: less than the
    response timeout of AWS's clients. ``drain`` is the maximum duration of a response in progress
    (a streamed one) when an instance stops. ``model_load`` is how long a model of a multi-model
    endpoint may take to load, even after its request has timed out. ``startup_cap`` is an upper
    limit for all start-up timeouts, for tests of models that never respond.
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
        """Wall seconds that a container may take until ``/ping`` passes."""
        limit = float(DEFAULT_STARTUP_SECONDS if requested is None else requested)
        return limit if self.startup_cap is None else min(limit, self.startup_cap)
