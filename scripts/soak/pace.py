"""Advances the virtual clock: at once while nothing is in flight, else in small pieces."""

from __future__ import annotations

from sageloop.local_cloud.client import LocalCloud, LocalCloudError

FINE_SECONDS = 120.0
"""Virtual seconds of a piece. Bakes take 300 and retries of events wait 60."""
_WAIT = 0.7
_SETTLE_SECONDS = 120


class Pace:
    """Advances the clock of a cloud whose rate is 1.

    Work in flight may wait for processes (a training program) or for the clock (a bake, a retry):
    each piece waits a moment for the first, then advances a little for the second.
    """

    def __init__(self, cloud: LocalCloud, *, endpoint: str) -> None:
        self._cloud, self._endpoint = cloud, endpoint

    def run_to(self, moment: float) -> None:
        """Advance to a virtual time, in epoch seconds."""
        idle = self.is_idle()
        while (left := moment - self._cloud.time()) > 0:
            self._cloud.advance(seconds=left if idle else min(left, FINE_SECONDS))
            idle = self.is_idle()

    def jump(self, seconds: float) -> None:
        """Advance at once, whatever is in flight."""
        self._cloud.advance(seconds=seconds)

    def settle(self) -> None:
        """Wait until nothing is in flight, and advance for what waits for the clock.

        Raises:
            LocalCloudError: If something is still in flight after an hour of pieces.

        """
        for _ in range(_SETTLE_SECONDS):
            if self.is_idle():
                return
            self._cloud.advance(seconds=FINE_SECONDS / 4)
        self._cloud.settle(timeout=30)

    def is_idle(self) -> bool:
        """Whether nothing is in flight, and the endpoint changes no configuration."""
        try:
            self._cloud.settle(timeout=_WAIT)
        except LocalCloudError as error:
            if "still in flight" not in str(error):
                raise
            return False
        return not self._is_changing()

    def _is_changing(self) -> bool:
        listed = self._cloud.client("sagemaker").list_endpoints(NameContains=self._endpoint)
        busy = {"Creating", "Updating", "SystemUpdating", "Deleting", "RollingBack"}
        return any(each["EndpointStatus"] in busy for each in listed["Endpoints"])
