"""Access decisions of the demo's cloud."""

from __future__ import annotations

import time as wall
from typing import Any

from sageloop.demo.watch import StoryError
from sageloop.local_cloud.client import LocalCloud

_SECONDS_BETWEEN = 1.0


class DenialWatcher:
    """Reads whether access was denied, once a second at most."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._last = 0.0

    def check(self) -> None:
        """Raise ``StoryError`` with the first denial, if there is one where access is enforced."""
        if wall.monotonic() - self._last < _SECONDS_BETWEEN:
            return
        self._last = wall.monotonic()
        summary = self._cloud.access_summary()
        if summary["mode"] == "enforce" and summary["denied"]:
            raise StoryError(self._cloud.denials()[0])


def access_report(cloud: LocalCloud) -> dict[str, Any]:
    """Access mode, number of decisions by principal, and number of denials."""
    summary = cloud.access_summary()
    return {key: summary[key] for key in ("mode", "decisions", "denied")}
