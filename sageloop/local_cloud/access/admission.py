"""Admits requests for loopback names only, and none that a web page sends.

A browser lets any page send requests to an address of this machine, and lets a name of the page's
own server resolve to it. Headers that a page cannot change reveal both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_TRUSTED_SITES = ("same-origin", "none")


class NotAdmittedError(Exception):
    """A request is refused unread; the text contains the reason."""


def admit(environ: Mapping[str, Any], port: int) -> None:
    """Refuse a request for another host, or one that a web page sends.

    A page may only link to a presigned URL; such a request passes to the check of its signature.
    Raises :class:`NotAdmittedError`.
    """
    host = environ.get("HTTP_HOST", "")
    if host not in _hosts(port):
        raise NotAdmittedError(
            f"the Host header must be 127.0.0.1, localhost or [::1] with port {port}, got "
            f"{host[:100] or 'none'}"
        )
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin not in _origins(port):
        raise NotAdmittedError(f"requests of the foreign origin {origin[:100]} are refused")
    referer, site = environ.get("HTTP_REFERER"), environ.get("HTTP_SEC_FETCH_SITE")
    if (referer is None and site is None) or is_presigned_navigation(environ):
        return
    if site is not None and site not in _TRUSTED_SITES:
        raise NotAdmittedError(f"requests of web pages are refused (Sec-Fetch-Site: {site[:40]})")
    if referer is not None and _origin_of(referer) not in _origins(port):
        raise NotAdmittedError(f"requests from the foreign page {referer[:100]} are refused")


def is_presigned_navigation(environ: Mapping[str, Any]) -> bool:
    """Whether the request is a navigation to a presigned URL."""
    query = environ.get("QUERY_STRING", "")
    return (
        environ.get("REQUEST_METHOD") == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
        and ("X-Amz-Signature=" in query or "Signature=" in query)
    )


@lru_cache(maxsize=64)
def _hosts(port: int) -> frozenset[str]:
    return frozenset(_NAMES) | {f"{name}:{port}" for name in _NAMES}


@lru_cache(maxsize=64)
def _origins(port: int) -> frozenset[str]:
    return frozenset(f"http://{name}:{port}" for name in _NAMES)


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return ""
