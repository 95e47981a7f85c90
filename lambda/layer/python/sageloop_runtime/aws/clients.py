"""Clients of AWS services, created at their first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _boto3_client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "max_attempts": 4}
    timeouts = Config(connect_timeout=5, read_timeout=70, retries=retries)
    return boto3.client(service, config=timeouts)


def single_attempt_client(service: str) -> Any:
    """A client without retries whose time-outs end before the 30 seconds of API Gateway."""
    import boto3
    from botocore.config import Config

    retries = {"total_max_attempts": 1}
    timeouts = Config(connect_timeout=2, read_timeout=25, retries=retries)
    return boto3.client(service, config=timeouts)


class Clients:
    """Clients by service, each created once.

    Args:
        create: called with the boto3 name of a service, returns its client.

    """

    def __init__(self, create: Callable[[str], Any] = _boto3_client) -> None:
        self._create = create
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """The client of ``service``."""
        if service not in self._clients:
            self._clients[service] = self._create(service)
        return self._clients[service]

    def checked(self, check: Callable[[], None]) -> Clients:
        """The same clients; ``check`` is called before each call, which it may refuse."""
        return Clients(lambda service: _CheckedClient(self(service), check))


class _CheckedClient:
    """A client whose calls are preceded by a check."""

    def __init__(self, client: Any, check: Callable[[], None]) -> None:
        self._client = client
        self._check = check

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)
        if not callable(member):
            return member

        def checked(*args: Any, **request: Any) -> Any:
            self._check()
            return member(*args, **request)

        return checked
