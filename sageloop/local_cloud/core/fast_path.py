"""Fast path for an operation with many requests.

Routing and parsing by botocore's models costs more than the rest of request handling. Where path
and headers contain everything except the body, parameters are read from the WSGI environment by a
table that is built once from the same model. Authorization, record, faults and hooks are the same.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from moto.core.request import Request
from moto.core.utils import get_service_model

from sageloop.local_cloud.core.wire import Operation

if TYPE_CHECKING:
    from moto.core.model import OperationModel

# The regular path reads longer bodies and checks their size.
_MOST = 16 * 1024**2
# The two headers that have no prefix in WSGI.
_BARE = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class BufferedRequest:
    """A request whose body is read; the rest of it is created on demand."""

    def __init__(self, environ: dict[str, Any], body: bytes) -> None:
        self._environ = environ
        self._body = body
        self._made: Request | None = None

    def get_data(self, **_: Any) -> bytes:
        """The body."""
        return self._body

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = Request(self._environ | {"wsgi.input": io.BytesIO(self._body)})
        return getattr(self._made, name)


class OperationFastPath:
    """One REST operation: ``POST`` on a path with one label, strings in headers, a blob body."""

    def __init__(self, service: str, name: str) -> None:
        model: OperationModel = get_service_model(service).operation_model(name)
        self.operation = Operation(service, name, "rest-json", model, {})
        before, _, rest = model.http["requestUri"].partition("{")
        self._label, _, self._after = rest.partition("}")
        self._before = before
        self._payload = model.input_shape.serialization["payload"]
        self._headers = tuple(
            (_variable(member.serialization["name"]), key)
            for key, member in model.input_shape.members.items()
            if member.serialization.get("location") == "header"
        )

    def takes(self, environ: dict[str, Any]) -> bool:
        """Whether a request is one of this operation that the fast path can read."""
        path: str = environ["PATH_INFO"]
        return (
            path.endswith(self._after)
            and path.startswith(self._before)
            and environ["REQUEST_METHOD"] == "POST"
            and path.count("/") == self._before.count("/") + self._after.count("/")
            and not environ.get("QUERY_STRING")
            and "HTTP_X_AMZ_TARGET" not in environ
            and environ.get("CONTENT_LENGTH", "").isdigit()
            and int(environ["CONTENT_LENGTH"]) <= _MOST
        )

    def params(self, environ: dict[str, Any], body: bytes) -> dict[str, Any]:
        """The request's parameters."""
        path: str = environ["PATH_INFO"]
        params: dict[str, Any] = {
            self._label: path[len(self._before) : len(path) - len(self._after)],
            self._payload: body,
        }
        for variable, key in self._headers:
            if variable in environ:
                params[key] = environ[variable]
        return params


def body_of(environ: dict[str, Any]) -> bytes:
    """A request's body, whose length is known."""
    body: bytes = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return body


def _variable(header: str) -> str:
    name = header.upper()
    return _BARE.get(name, f"HTTP_{name.replace('-', '_')}")
