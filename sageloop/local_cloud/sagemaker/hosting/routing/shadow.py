"""Copies of production requests that are sent to a shadow variant in the background.

https://docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests.html
"""

from __future__ import annotations

import logging
import random
import threading
import time as wall
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.activity import Activity
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation

    Send = Callable[[VariantFleet, Invocation, Mapping[str, str]], None]

log = logging.getLogger(__name__)
_THREADS = 16
# Copies wait in memory for a shadow variant that is slower than the callers. AWS documents no
# limit. The local cloud limits the size of their bodies, so small requests are copied even on a
# busy machine.
MAX_BYTES = 64 * 1024 * 1024
_OVERHEAD = 1024  # bytes of a copy in addition to its body
# Wall seconds after which a waiting copy is dropped, because a shadow variant that does not
# respond must not keep the cloud busy for hours.
MAX_WAIT = 60.0


def share_of(production: float, shadow: float) -> float:
    """The share of a production variant's requests that its shadow gets, from their weights."""
    if production <= 0:
        return 0.0
    return min(1.0, max(0.0, shadow / production))


class ShadowCopies:
    """Sends copies in the background with ``send``; drops copies that cannot wait.

    ``max_bytes`` is the maximum memory of the waiting copies of one shadow variant,
    ``max_wait`` the maximum wall seconds that a copy waits.
    """

    def __init__(
        self, activity: Activity, send: Send, *, max_bytes: int = MAX_BYTES,
        max_wait: float = MAX_WAIT,
    ) -> None:  # fmt: skip
        self._activity = activity
        self._send = send
        self._max_bytes = max_bytes
        self._max_wait = max_wait
        self._lock = threading.Lock()
        self._in_flight: dict[VariantFleet, int] = {}
        self._dropped: dict[str, int] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="shadow")

    def copy(
        self, production: VariantFleet, invocation: Invocation, headers: Mapping[str, str]
    ) -> None:
        """Copy a request of ``production`` if its shadow's sample includes it."""
        shadow = production.shadow
        if shadow is None:
            return
        if random.random() >= share_of(production.weight, shadow.weight):  # noqa: S311
            return
        size = len(invocation.body) + _OVERHEAD
        if not self._begin(shadow, size):
            self.dropped(shadow)
            return
        try:
            self._pool.submit(self._run, shadow, invocation, headers, size, wall.monotonic())
        except RuntimeError:  # the cloud is stopping
            self._end(shadow, size)

    def stop(self) -> None:
        """Send no more copies; copies in progress are completed."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(
        self, shadow: VariantFleet, invocation: Invocation, headers: Mapping[str, str],
        size: int, since: float,
    ) -> None:  # fmt: skip
        try:
            if wall.monotonic() - since > self._max_wait:
                self.dropped(shadow)
            else:
                self._send(shadow, invocation, headers)
        except Exception:
            log.exception("a copy for shadow variant %s failed unexpectedly", shadow.spec.name)
        finally:
            self._end(shadow, size)

    def _begin(self, shadow: VariantFleet, size: int) -> bool:
        with self._lock:
            waiting = self._in_flight.get(shadow, 0)
            if waiting and waiting + size > self._max_bytes:
                return False
            self._in_flight[shadow] = waiting + size
        self._activity.begin(_label(shadow))
        return True

    def _end(self, shadow: VariantFleet, size: int) -> None:
        with self._lock:
            self._in_flight[shadow] -= size
            if not self._in_flight[shadow]:
                del self._in_flight[shadow]
        self._activity.end(_label(shadow))

    def dropped(self, shadow: VariantFleet) -> None:
        """Count a dropped copy of a shadow variant, and log it."""
        name = f"{shadow.spec.name} of endpoint {shadow.spec.blueprint.endpoint}"
        with self._lock:
            count = self._dropped[name] = self._dropped.get(name, 0) + 1
        if str(count).strip("0") == "1":  # log the counts 1, 10, 100, … only
            log.warning("shadow variant %s is busy: %d copies dropped so far", name, count)


def _label(shadow: VariantFleet) -> str:
    return f"copies for shadow variant {shadow.spec.name}"
