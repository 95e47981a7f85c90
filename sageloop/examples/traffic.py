"""Continuous requests to an endpoint while it changes."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sageloop.local_cloud.client import LocalCloud

_PAUSE = 0.02


@dataclass
class Traffic:
    """The requests of concurrent clients, and their results.

    Attributes:
        answered: Number of responses by variant.
        failures: Errors as text.

    """

    cloud: LocalCloud
    endpoint: str
    bodies: Sequence[bytes]
    content_type: str = "text/csv"
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sent(self) -> int:
        """The number of completed requests, successful or not."""
        return sum(self.answered.values()) + len(self.failures)

    @contextmanager
    def flowing(self, clients: int = 4) -> Iterator[Traffic]:
        """Send requests from ``clients`` clients until the block ends; each waits for responses."""
        threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _run(self, first: int) -> None:
        runtime = self.cloud.client("sagemaker-runtime")
        turn = itertools.islice(itertools.cycle(self.bodies), first, None)
        while not self._ended.wait(_PAUSE):
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=self.endpoint, Body=next(turn), ContentType=self.content_type
                )
                answer["Body"].read()
            except Exception as error:
                with self._lock:
                    self.failures.append(f"{type(error).__name__}: {error}")
            else:
                with self._lock:
                    self.answered[answer["InvokedProductionVariant"]] += 1
