"""boto3 clients that call the front without a socket.

A handler of botocore's public ``before-send`` event returns the response, so the cloud's own calls
pass the same authorization, record and faults as all others.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from moto.core.request import Request

from sageloop.environment import blind_client

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

    from sageloop.local_cloud.access.caller import Caller, SessionOrigin
    from sageloop.local_cloud.access.keys import Credentials, KeyRing
    from sageloop.local_cloud.core.wire import Response

_CONFIG = Config(
    retries={"total_max_attempts": 1},
    s3={"addressing_style": "path"},
    parameter_validation=True,
)


class _RawBody:
    """The raw stream that botocore reads from a response."""

    def __init__(self, answered: Response) -> None:
        self._body = answered.body
        self._parts = answered.stream

    def stream(self, **_: Any) -> Any:
        if self._parts is not None:
            yield from self._parts
        elif self._body:
            yield self._body

    def close(self) -> None:
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()

    def read(self, amount: int | None = None) -> bytes:
        end = len(self._body) if amount is None else amount
        part, self._body = self._body[:end], self._body[end:]
        return part


class Dispatcher(Protocol):
    """Answers requests."""

    def answer(self, request: Request, caller: Caller) -> Response:
        """Answer a request whose caller is known."""
        ...


class CloudParts(Protocol):
    """Parts of the cloud that in-process clients use."""

    @property
    def region(self) -> str:
        """The default region."""
        ...

    @property
    def keys(self) -> KeyRing:
        """Keys of roles and services."""
        ...

    @property
    def front(self) -> Dispatcher:
        """Where requests are sent."""
        ...


class InProcessClients:
    """Creates and caches clients by service, principal, region and whether calls are decided."""

    def __init__(self, cloud: CloudParts) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, str, str, bool, SessionOrigin | None, str], Any] = {}

    def get(
        self, service: str, principal: str, region: str, *, decided: bool = False,
        origin: SessionOrigin | None = None, via: str = "",
    ) -> Any:  # fmt: skip
        """The client of ``service`` for ``principal``; its calls were decided if ``decided``."""
        key = (service, principal, region, decided, origin, via)
        with self._lock:
            client = self._cache.get(key)
            if client is None:
                keys = self._cloud.keys.for_principal(principal)
                caller = self._cloud.keys.caller(keys.access_key)
                caller = replace(caller, decided=decided, origin=origin, via=via)
                client = self._cache[key] = self._make(service, region, keys, caller)
            return client

    def _make(self, service: str, region: str, keys: Credentials, caller: Caller) -> Any:
        client = blind_client(
            service, region_name=region, endpoint_url="http://127.0.0.1:1",
            aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.token, config=_CONFIG,
        )  # fmt: skip
        client.meta.events.register("before-send", partial(self._send, caller))
        return client

    def _send(self, caller: Caller, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        body = request.body
        if hasattr(body, "read"):
            body = body.read()
        headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
        made = Request.from_primitives(request.method, request.url, headers, body or b"")
        made.environ.setdefault("RAW_URI", request.url)
        answered = self._cloud.front.answer(made, caller)
        return AWSResponse(request.url, answered.status, answered.headers, _RawBody(answered))
