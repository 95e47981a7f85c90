"""WSGI environments of requests, as a server creates them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from botocore.awsrequest import AWSRequest

_BARE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def environ_of(
    method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes = b""
) -> dict[str, Any]:
    """The environment of a request."""
    parts = urlsplit(url)
    path = (parts.path or "/").encode().decode("latin-1")
    made: dict[str, Any] = {
        "REQUEST_METHOD": method, "QUERY_STRING": parts.query, "HTTP_HOST": parts.netloc,
        "PATH_INFO": unquote_to_bytes(parts.path or "/").decode("latin-1"),
        "REQUEST_URI": f"{path}?{parts.query}" if parts.query else path,
        "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)),
    }  # fmt: skip
    for name, value in headers:
        key = name.lower()
        variable = _BARE.get(key, "HTTP_" + key.upper().replace("-", "_"))
        made[variable] = value.encode().decode("latin-1")
    return made


def environ_of_request(request: AWSRequest) -> dict[str, Any]:
    """The environment of a request that botocore has signed."""
    prepared = request.prepare()
    headers = [
        (k, v.decode() if isinstance(v, bytes) else str(v)) for k, v in prepared.headers.items()
    ]
    body = prepared.body or b""
    return environ_of(
        prepared.method, prepared.url, headers, body if isinstance(body, bytes) else body.encode()
    )
