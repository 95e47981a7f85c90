"""Canonical parts of a request, from which its signature is computed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

# Almost every path needs no encoding and is its own canonical form.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?|/")
_BARE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_PATH_SAFE, _QUERY_SAFE = "/~", "~"


@lru_cache(maxsize=512)
def variable_of(header: str) -> str:
    """The WSGI variable of a header, given in lower case."""
    return _BARE.get(header) or "HTTP_" + header.upper().replace("-", "_")


def header_of(environ: Mapping[str, Any], header: str) -> str:
    """A header's value as it was sent; empty without the header."""
    return str(environ.get(variable_of(header), ""))


def raw_path(environ: Mapping[str, Any]) -> str:
    """The path as it was sent, percent-encoded."""
    return _raw_target(environ).partition("?")[0] or "/"


def query_pairs(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The query's names and values, decoded. A plus sign is a plus sign, as in signatures."""
    query: str = environ.get("QUERY_STRING", "")
    if not query:
        return []
    halves = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in halves]


@lru_cache(maxsize=2048)
def canonical_paths(path: str, *, s3: bool) -> tuple[str, ...]:
    """The canonical forms of a path that a client may have signed.

    S3's path is encoded once and not normalized. The path of other services is normalized, encoded
    as it is sent, and encoded again; clients differ in which characters they encode when sending.
    """
    if _PLAIN_PATH.fullmatch(path):
        return (path,)
    # Characters outside ASCII arrive as latin-1; the bytes are those that were sent.
    once = quote(unquote_to_bytes(path.encode("latin-1", "replace")), safe=_PATH_SAFE)
    if s3:
        return (once,)
    forms = (_normal(path), _normal(once), path, once)
    sent = (form.encode("latin-1", "replace") for form in forms)
    return tuple(dict.fromkeys(quote(form, safe=_PATH_SAFE) for form in sent))


def canonical_query(pairs: list[tuple[str, str]]) -> str:
    """The canonical query: encoded, then sorted."""
    if not pairs:
        return ""
    encoded = [(quote(k, safe=_QUERY_SAFE), quote(v, safe=_QUERY_SAFE)) for k, v in pairs]
    return "&".join(f"{k}={v}" for k, v in sorted(encoded))


def canonical_headers(
    environ: Mapping[str, Any], names: tuple[str, ...], variables: tuple[str, ...]
) -> str:
    """The signed headers, one per line, with runs of spaces reduced to one."""
    lines = []
    for name, variable in zip(names, variables, strict=True):
        value = environ.get(variable, "").strip()
        if "  " in value:
            value = " ".join(value.split())
        lines.append(f"{name}:{value}\n")
    return "".join(lines)


def _raw_target(environ: Mapping[str, Any]) -> str:
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if target:
        return str(target)
    return quote(str(environ.get("PATH_INFO", "/")).encode("latin-1"), safe="/~")


def _normal(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part not in ("", "."):
            kept.append(part)
    ends = path.endswith(("/", "/.", "/.."))
    return "/" + "/".join(kept) + ("/" if ends and kept else "")
