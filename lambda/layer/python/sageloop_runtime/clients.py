"""The AWS clients a function needs, made when first used, replaced by fakes in tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _boto3_client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "max_attempts": 4}
    timeouts = Config(connect_timeout=5, read_timeout=70, retries=retries)
    return boto3.client(service, config=timeouts)


def impatient_client(service: str) -> Any:
    """A client for callers who wait for 30 seconds at most: it tries once, and tells in time."""
    import boto3
    from botocore.config import Config

    retries = {"total_max_attempts": 1}
    timeouts = Config(connect_timeout=2, read_timeout=25, retries=retries)
    return boto3.client(service, config=timeouts)


class Clients:
    """Clients by service, each made once.

    Args:
        make: called with a boto3 service name, gives its client.

    """

    def __init__(self, make: Callable[[str], Any] = _boto3_client) -> None:
        self._make = make
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """The client of ``service``."""
        if service not in self._made:
            self._made[service] = self._make(service)
        return self._made[service]
